"""The generated world: tasks named ``demo-*`` whose ceiling, the score of the best possible rule, is known (docs/generated-world.md)."""

from benchmarks.tasks.generated import tasks  # noqa: F401  (registers them)
