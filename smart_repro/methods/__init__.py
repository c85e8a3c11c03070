"""All training methods, by name. Adding one: its file, and one line here."""

from smart_repro.methods.base import METHODS, Loss, Method, Passes, build, register
from smart_repro.methods.vanilla import Vanilla
from smart_repro.methods.smoothness import Smoothness
from smart_repro.methods.bregman import Bregman
from smart_repro.methods.smart import Smart

__all__ = ["METHODS", "Bregman", "Loss", "Method", "Passes", "Smart", "Smoothness", "Vanilla", "build", "register"]
