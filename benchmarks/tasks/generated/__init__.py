"""The generated world: tasks ``demo-*``, whose ceiling, the best rule's score, is known (docs/generated-world.md)."""

from benchmarks.tasks.generated import tasks  # noqa: F401  (registers them)
