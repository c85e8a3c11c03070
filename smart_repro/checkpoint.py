"""Where a run stands, on disk: written whole or not at all, read without running anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch


@dataclass
class Checkpoint:
    """Saves the state of training to ``path`` every so often.

    Attributes:
        path: the file; a half-written one never carries this name.
        every_steps: updates between two savings; 0 for never.
        every_seconds: time between two savings; 0 for never.
        before_save: called first; raises when this process may no longer write (its lease was taken, say).
    """

    path: Path
    every_steps: int = 0
    every_seconds: float = 0.0
    before_save: Callable[[], None] = lambda: None
    _last: float = field(default_factory=time.monotonic)

    def due(self, step: int) -> bool:
        """Whether to save after update ``step``."""
        by_steps = self.every_steps > 0 and step % self.every_steps == 0
        by_time = self.every_seconds > 0 and time.monotonic() - self._last >= self.every_seconds
        return by_steps or by_time

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state`` (tensors, numbers, texts, lists and dicts of them)."""
        self.before_save()
        partial = self.path.with_suffix(".partial")
        with partial.open("wb") as stream:
            torch.save(state, stream)
            stream.flush()
            os.fsync(stream.fileno())  # or a power cut could leave an empty file under the new name
        os.replace(partial, self.path)  # as benchmarks.store.files does, which the core must not import
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None where there is none."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        return state
