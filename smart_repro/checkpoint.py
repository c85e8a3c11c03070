"""Where a run stands, on disk: written whole or not at all, verified when read, read without running anything.

The file is what ``torch.save`` writes, followed by a trailer of :data:`TRAILER_LENGTH` bytes with the sha256 of it.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

import torch

_MAGIC = b"\nsmart-repro checkpoint 1 sha256 "
TRAILER_LENGTH = len(_MAGIC) + 2 * hashlib.sha256().digest_size + 1
_BLOCK = 1 << 20  # bytes read at once


class DamagedCheckpointError(ValueError):
    """The file is not what was saved; the message is a reason fit for the history of the run."""


@dataclass
class Checkpoint:
    """Saves the state of training to ``path`` every so often.

    Attributes:
        path: the file; a half-written one never carries this name.
        every_steps: updates between two savings; 0 for never.
        every_seconds: time between two savings; 0 for never.
        before_save: called first; raises when this process may no longer write (its lease was taken, say).
        belongs_to: digest of what a state fits (which rows a table has, say); one that was saved under another digest
            is refused.
    """

    path: Path
    every_steps: int = 0
    every_seconds: float = 0.0
    before_save: Callable[[], None] = lambda: None
    belongs_to: str = ""
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
            hashing = _Hashing(stream)
            whole = {**state, "belongs_to": self.belongs_to}
            torch.save(whole, cast(IO[bytes], hashing))  # all that torch asks of it is write and flush
            stream.write(_trailer(hashing.digest))
            stream.flush()
            os.fsync(stream.fileno())  # or a power cut could leave an empty file under the new name
        os.replace(partial, self.path)  # as benchmarks.store.files does, which the core must not import
        self._last = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None where there is none.

        Raises: DamagedCheckpointError: the file is not, byte for byte, what :meth:`save` wrote, it cannot be read, or
            it belongs to something else.
        """
        if not self.path.exists():
            return None
        try:
            _verify(self.path)
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            line = (str(error).splitlines() or [""])[0]
            raise DamagedCheckpointError(f"the checkpoint cannot be read ({type(error).__name__}: {line})") from error
        if state.pop("belongs_to", "") != self.belongs_to:
            raise DamagedCheckpointError("the checkpoint is of a model with other rows of word embeddings")
        return state

    def discard(self) -> None:
        """Remove the file: nothing goes on from it any more."""
        self.path.unlink(missing_ok=True)


class _Hashing:
    """A stream to write to that hashes what it passes on."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.digest = stream, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


def _trailer(digest: Any) -> bytes:
    return _MAGIC + digest.hexdigest().encode() + b"\n"


def _verify(path: Path) -> None:
    """Compare the content with the digest behind it.

    Raises: DamagedCheckpointError: they differ, or there is no digest.
    """
    left, digest = path.stat().st_size - TRAILER_LENGTH, hashlib.sha256()
    with path.open("rb") as stream:
        while left > 0 and (block := stream.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
        trailer = stream.read()
    if not trailer.startswith(_MAGIC):
        raise DamagedCheckpointError("the checkpoint has no digest: it is cut short or of an earlier version")
    if trailer != _trailer(digest):
        raise DamagedCheckpointError("the checkpoint is damaged: its content does not match its digest")
