"""All tasks, by name, and what a task is made of. Importing this package registers the built-in ones."""

from benchmarks.tasks import generated, glue, nli, topics, winograd  # noqa: F401  (registers their tasks)
from benchmarks.tasks.base import Classification, Head, Hub, Regression, Split, Task
from benchmarks.tasks.registry import TASKS, register

__all__ = ["TASKS", "Classification", "Head", "Hub", "Regression", "Split", "Task", "register"]
