"""All tasks, by name, and what a task is made of. Importing this package registers the built-in ones."""

from benchmarks.tasks import generated, glue, nli, topics, winograd
from benchmarks.tasks.base import Classification, Head, Hub, Regression, Split, Task
from benchmarks.tasks.registry import TASKS, register

BUILT_IN = (glue, nli, topics, winograd, generated)

__all__ = ["TASKS", "Classification", "Head", "Hub", "Regression", "Split", "Task", "register"]
