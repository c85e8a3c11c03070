"""A small size of the table of docs/integrity.md: nothing wrong, no internal error, no hang."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("damage.py")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "integrity.md"


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


def test_the_published_table_has_its_size_and_nothing_wrong() -> None:
    rows = re.findall(r"^\| (.*?) \| ([\d,]+) \| .* \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.M)
    assert len(rows) == 6
    assert [row for row in rows if row[2:] != ("0", "0", "0")] == []
    counts = {what: int(number.replace(",", "")) for what, number, *_ in rows}
    assert sum(number for what, number in counts.items() if what.startswith("bits flipped")) >= 2_000
    assert counts["commands on a results folder with one corrupted file"] >= 5_000
    assert sum(number for what, number in counts.items() if what.startswith("kills")) >= 200
