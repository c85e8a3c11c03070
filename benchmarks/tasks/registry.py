"""All tasks, by name. A task is a value; adding one means registering one more value."""

from __future__ import annotations

from benchmarks.tasks.base import Task
from smart_repro.registry import Registry

TASKS: Registry[Task] = Registry("task", listing="smart-repro list tasks", entry_points="smart_repro.tasks")


def register(task: Task) -> Task:
    """Register a task under its own name."""
    return TASKS.add(task.name, task)
