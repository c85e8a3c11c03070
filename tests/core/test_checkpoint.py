"""A checkpoint is read back as it was written, or not at all; training then starts anew."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch

from smart_repro import checkpoint as module
from smart_repro.checkpoint import SAVING_SHARE, TRAILER_LENGTH, Checkpoint, DamagedCheckpointError

FLIPS = 1000


@pytest.fixture
def state() -> dict[str, Any]:
    generator = torch.Generator().manual_seed(0)
    return {"step": 3, "model": {"weight": torch.randn(40, 40, generator=generator)}, "signals": {"part": 0.5}}


@pytest.fixture
def saved(state: dict[str, Any], tmp_path: Path) -> Checkpoint:
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt")
    checkpoint.save(state)
    return checkpoint


def test_what_is_saved_is_loaded(saved: Checkpoint, state: dict[str, Any]) -> None:
    loaded = saved.load()
    assert loaded is not None
    assert torch.equal(loaded["model"]["weight"], state["model"]["weight"])
    assert (loaded["step"], loaded["signals"]) == (3, {"part": 0.5})
    assert list(saved.path.parent.iterdir()) == [saved.path]


def test_any_flipped_bit_is_noticed(saved: Checkpoint) -> None:
    content, rng = saved.path.read_bytes(), random.Random(0)
    places = [
        *range(100),
        *range(len(content) - 300, len(content)),
        *(rng.randrange(len(content)) for _ in range(FLIPS)),
    ]
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        saved.path.write_bytes(flipped)
        with pytest.raises(DamagedCheckpointError, match="checkpoint"):
            saved.load()
    saved.path.write_bytes(content)
    assert saved.load() is not None


def test_any_other_length_is_noticed(saved: Checkpoint) -> None:
    content, rng = saved.path.read_bytes(), random.Random(0)
    lengths = [0, 1, TRAILER_LENGTH - 1, TRAILER_LENGTH, len(content) - TRAILER_LENGTH, len(content) - 1]
    for length in [*lengths, *(rng.randrange(len(content)) for _ in range(100))]:
        saved.path.write_bytes(content[:length])
        with pytest.raises(DamagedCheckpointError, match="checkpoint"):
            saved.load()
    saved.path.write_bytes(content + b"\0")
    with pytest.raises(DamagedCheckpointError, match="checkpoint"):
        saved.load()


def test_a_checkpoint_from_before_digests_is_refused_with_a_reason(saved: Checkpoint, state: dict[str, Any]) -> None:
    torch.save(state, saved.path)
    with pytest.raises(DamagedCheckpointError, match="earlier version"):
        saved.load()


def test_content_that_would_run_code_is_refused(saved: Checkpoint) -> None:
    saved.save({"step": Path("/")})  # a class that weights_only does not admit
    with pytest.raises(DamagedCheckpointError, match="UnpicklingError"):
        saved.load()


def test_where_there_is_none_nothing_is_loaded(tmp_path: Path) -> None:
    assert Checkpoint(tmp_path / "checkpoint.pt").load() is None


@pytest.mark.parametrize(("saving_seconds", "pause"), [(0.1, 60.0), (3.0, 60.0), (12.0, 240.0)])
def test_slow_saves_are_rare(
    saving_seconds: float, pause: float, state: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    checkpoint = Checkpoint(tmp_path / "checkpoint.pt", every_seconds=60.0)

    def pass_time() -> None:
        clock[0] += saving_seconds

    checkpoint.before_save = pass_time
    checkpoint.save(state)
    clock[0] += pause - 0.01
    assert not checkpoint.due(1)
    clock[0] += 0.02
    assert checkpoint.due(1)
    assert saving_seconds / (saving_seconds + pause) <= SAVING_SHARE
