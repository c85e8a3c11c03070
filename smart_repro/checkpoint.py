"""Checkpoints on disk: the state of training, written by one rename and verified when read; reading runs no code.

The file is the output of ``torch.save``, followed by a trailer of :data:`TRAILER_LENGTH` bytes with its sha256.
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
SAVING_SHARE = 0.05  # of the time that saving takes at most, where ``every_seconds`` decides


class DamagedCheckpointError(ValueError):
    """The file is not what was saved; the message is the reason that the history of the run records."""


@dataclass
class Checkpoint:
    """Save the state of training to ``path`` at intervals.

    Attributes:
        path: the file; an incomplete file never has this name.
        every_steps: number of updates between two checkpoints; 0 for never.
        every_seconds: least time between two checkpoints; 0 for never. It grows where saving is slow, so that saving
            takes at most :data:`SAVING_SHARE` of the time: many nodes can saturate a shared file system.
        before_save: called before each save; raises if this process may no longer write (for example, after losing its
            lease).
        belongs_to: digest of what a state fits (for example which rows a table has); a state that was saved under
            another digest is refused.
    """

    path: Path
    every_steps: int = 0
    every_seconds: float = 0.0
    before_save: Callable[[], None] = lambda: None
    belongs_to: str = ""
    _last: float = field(default_factory=time.monotonic)
    _saving_seconds: float = field(default=0.0, init=False)  # of the last save

    def due(self, step: int) -> bool:
        """Return True if a checkpoint is due after update ``step``."""
        by_steps = self.every_steps > 0 and step % self.every_steps == 0
        pause = max(self.every_seconds, self._saving_seconds / SAVING_SHARE)
        by_time = self.every_seconds > 0 and time.monotonic() - self._last >= pause
        return by_steps or by_time

    def save(self, state: dict[str, Any]) -> None:
        """Write ``state`` (tensors, numbers, texts, lists and dicts of them)."""
        began = time.monotonic()
        self.before_save()
        partial = self.path.with_suffix(".partial")
        try:
            with partial.open("wb") as stream:
                _write({**state, "belongs_to": self.belongs_to}, stream)
            os.replace(partial, self.path)  # not by benchmarks.store.files, which the core must not import
        finally:
            partial.unlink(missing_ok=True)
        self._last = time.monotonic()
        self._saving_seconds = self._last - began

    def load(self) -> dict[str, Any] | None:
        """Return the saved state, or None if there is none.

        Raises:
            DamagedCheckpointError: the file differs from what :meth:`save` wrote, cannot be read, or belongs to another
                model.
        """
        if not self.path.exists():
            return None
        try:
            _verify(self.path)
            state: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            reason = (str(error).splitlines() or [""])[0]
            raise DamagedCheckpointError(f"the checkpoint cannot be read ({type(error).__name__}: {reason})") from error
        if state.pop("belongs_to", "") != self.belongs_to:
            raise DamagedCheckpointError("the checkpoint is of a model with other rows of word embeddings")
        return state

    def discard(self) -> None:
        """Delete the file, because training will not be resumed from it."""
        self.path.unlink(missing_ok=True)


def _write(state: dict[str, Any], stream: BinaryIO) -> None:
    """Write a state and its digest, on the disk when this returns. Raises OSError, as of a full disk."""
    hashing = _Hashing(stream)
    try:
        torch.save(state, cast(IO[bytes], hashing))  # torch.save calls only write and flush
    except Exception:
        if hashing.error is not None:  # torch.save raises another error after a failed write: raise the cause
            raise hashing.error from None
        raise
    stream.write(_trailer(hashing.digest))
    stream.flush()
    os.fsync(stream.fileno())  # otherwise a power cut after the rename could leave an empty file


class _Hashing:
    """Output stream that hashes the data it passes on, and keeps the first error of writing."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.digest = stream, hashlib.sha256()
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        self.digest.update(data)
        try:
            return self.stream.write(data)
        except OSError as error:
            self.error = self.error or error
            raise

    def flush(self) -> None:
        self.stream.flush()


def _trailer(digest: Any) -> bytes:
    header: bytes = _MAGIC + digest.hexdigest().encode() + b"\n"
    return header


def _verify(path: Path) -> None:
    """Compare the content with the digest that follows it.

    Raises:
        DamagedCheckpointError: they differ, or there is no digest.
    """
    remaining, digest = path.stat().st_size - TRAILER_LENGTH, hashlib.sha256()
    with path.open("rb") as stream:
        while remaining > 0 and (block := stream.read(min(remaining, _BLOCK))):
            digest.update(block)
            remaining -= len(block)
        trailer = stream.read()
    if not trailer.startswith(_MAGIC):
        raise DamagedCheckpointError("the checkpoint has no digest: it is cut short or of an earlier version")
    if trailer != _trailer(digest):
        raise DamagedCheckpointError("the checkpoint is damaged: its content does not match its digest")
