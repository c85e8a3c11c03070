"""All training methods, by name. A new method needs its file and one line here."""

# ruff: noqa: F401, I001  (imports register the methods; their order is the order of every listing)
from smart_repro.methods.base import METHODS, Loss, Method, Passes, build, register
from smart_repro.methods.vanilla import Vanilla
from smart_repro.methods.smoothness import Smoothness
from smart_repro.methods.bregman import Bregman
from smart_repro.methods.smart import Smart
from smart_repro.methods.smart_released import SmartReleased
from smart_repro.methods.pgd import Pgd
from smart_repro.methods.freeat import FreeAt
from smart_repro.methods.freelb import FreeLb
from smart_repro.methods.r_drop import RDrop
from smart_repro.methods.r3f import R3f
from smart_repro.methods.sda import Sda
from smart_repro.methods.sdv import Sdv
from smart_repro.methods.self_ensemble import SelfEnsemble
from smart_repro.methods.smart_sda import SmartSda
from smart_repro.methods.feature_extraction import FeatureExtraction
from smart_repro.methods.gradual_unfreezing import GradualUnfreezing
from smart_repro.methods.freeze_lower import FreezeLower
from smart_repro.methods.lora import Lora
from smart_repro.methods.combine import COMBINERS, Combiner

__all__ = [
    "COMBINERS",
    "METHODS",
    "Combiner",
    "Loss",
    "Method",
    "Passes",
    "build",
    "register",
    *(method.__name__ for method in METHODS.registered.values()),
]
