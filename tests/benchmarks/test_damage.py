"""Damage in small numbers: nothing wrong, no internal error, no hang."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("damage.py")


def part(name: str, world: Path, count: int) -> dict[str, int]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    words = [sys.executable, str(SCRIPT), "--part", name, "--world", str(world), "--count", str(count)]
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return {} if name == "world" else json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    part("world", folder, 0)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "count"),
    [("archives", 40), ("folders", 40), ("checkpoints", 6), ("corruptions", 14), ("kills", 6), ("disks", 6)],
)
def test_damage_is_found_or_changes_nothing(name: str, count: int, world: Path) -> None:
    counted = part(name, world, count)
    assert sum(counted.values()) >= count
    assert not {"wrong", "internal", "hang"} & counted.keys(), counted
