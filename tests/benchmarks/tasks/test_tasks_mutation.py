"""Mutated files of every format: a DataError with a clean message, or exactly the rows the file has."""

from __future__ import annotations

import pytest

from tests.benchmarks.tasks.mutation import FORMS, inputs, outcome


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("count", [220, pytest.param(2_800, marks=pytest.mark.slow)])
def test_a_mutated_file_is_refused_or_read_whole(name, count, tmp_path, monkeypatch):
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")
    seen = set()
    for number, raw in enumerate(inputs(name, count, seed=0)):
        try:
            seen.add(outcome(FORMS[name], raw, tmp_path))
        except Exception as error:
            pytest.fail(f"input {number} of {name}, {raw[:200]!r}: {type(error).__name__}: {error}")
    assert seen == {"refused", "read"}  # the generator reaches both
