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


def test_the_published_table_has_its_size_and_nothing_wrong_in_it() -> None:
    """Rows of docs/integrity.md: what was done, how often, outcomes, wrong results, internal errors, hangs."""
    text = (SCRIPT.parents[2] / "docs" / "integrity.md").read_text(encoding="utf-8")
    table = text.partition("<!-- table -->\n")[2].partition("<!-- end -->")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]
    count = {row[0]: int(row[1].replace(",", "")) for row in rows}
    assert sum(number for what, number in count.items() if what.startswith("bits flipped")) >= 2000
    assert sum(number for what, number in count.items() if what.startswith("commands")) >= 5000
    assert sum(number for what, number in count.items() if what.startswith("kills")) >= 200
    assert [row[3:] for row in rows] == [["0", "0", "0"]] * 6
