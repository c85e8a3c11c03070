"""Tasks on a user's own data: read as strings, defined by a value that enters every run's key, split once."""

from benchmarks.tasks.own.choices import Choices
from benchmarks.tasks.own.define import OwnTask, define
from benchmarks.tasks.own.enter import enter
from benchmarks.tasks.own.task_file import described, read_task_file

__all__ = ["Choices", "OwnTask", "define", "described", "enter", "read_task_file"]
