"""What all tests share: the --slow switch, and where real data sets may lie."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

REAL_DATA = os.environ.get("SMART_REPRO_TEST_DATA", "")  # the variable of the suite itself would change other tests
ALLOWED = 60.0  # seconds counted for a slow test that has no time limit of its own


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also run the tests marked slow")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        start_longest_files_first(items)
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="slow; run with --slow"))


def start_longest_files_first(items: list[pytest.Item]) -> None:
    """Sort files by the time that their slow tests are allowed, longest first.

    With one process per file, a long one that starts last leaves the other processes idle (tox.ini switches off
    pytest-xdist's own order, which starts the files with the fewest tests last: those are the longest ones here).
    """
    allowed: Counter[Path] = Counter()
    for item in items:
        if "slow" in item.keywords:
            limit = item.get_closest_marker("timeout")
            allowed[item.path] += limit.args[0] if limit is not None and limit.args else ALLOWED
    items.sort(key=lambda item: -allowed[item.path])  # stable: the order within a file stays


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Return the folder of the data sets' official files, which are never part of the project."""
    if not REAL_DATA:
        pytest.skip("real data sets: set SMART_REPRO_TEST_DATA to the folder of their official files")
    return Path(REAL_DATA)
