"""Mutants are drawn as described; the tests of a module catch them (the whole sample: ``python -m tests.mutants``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.draw import mutants, sample
from tests.mutants.modules import files_of, modules
from tests.mutants.project import CAUGHT, ROOT, Observations, Project

SOURCE = '''
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy

def f(x: int = 3, *, flag: bool = True) -> bool:
    """Text with 1 and <."""
    if not x:
        raise ValueError("at least 1 and < 2")
    é = -x
    return x < é + 0.5 and flag is not None or max(x, 1).sum() in (2,)
'''


def test_each_mutant_changes_one_token_of_the_code_and_compiles(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(SOURCE, encoding="utf-8")
    made = {(mutant.line, mutant.before, mutant.after) for mutant in mutants(tmp_path, "m.py")}
    assert made == {
        (7, "3", "4"),
        (7, "True", "False"),
        (9, "not ", ""),
        (11, "-", ""),
        (12, "<", "<="),
        (12, "+", "-"),
        (12, "0.5", "1.0"),
        (12, "and", "or"),
        (12, "is not", "is"),
        (12, "or", "and"),
        (12, "max", "min"),
        (12, "1", "2"),
        (12, "sum", "mean"),
        (12, "in", "not in"),
        (12, "2", "3"),
    }


def test_a_sample_is_drawn_by_seed_and_has_every_module() -> None:
    names = modules(ROOT)
    drawn = sample(ROOT, names, 300, seed=0)
    assert drawn == sample(ROOT, names, 300, seed=0) != sample(ROOT, names, 300, seed=1)
    assert 280 <= len(drawn) <= 320
    assert {mutant.module for mutant in drawn} == {name for name in names if mutants(ROOT, name)}
    for name in names:
        assert all((ROOT / test).is_file() for test in files_of(name)), name


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_tests_of_a_line_are_those_that_run_it(tmp_path: Path) -> None:
    name, module = "tests/core/test_divergence.py", "smart_repro/divergence.py"
    observations = Observations(tmp_path / "tests.json")
    with Project(tmp_path / "copy") as project:
        assert observations.missing([name]) == [name]
        observations.observe(name, project)
        inside = next(mutant for mutant in mutants(ROOT, module) if mutant.is_in_function(ROOT))
        some = observations.tests(inside, [name])
        assert some
        assert all(test.startswith(f"{name}::test_") for test in some)
        assert project.exit_code(*some) == 0
    assert Observations(tmp_path / "tests.json").missing([name]) == []
    assert Observations(tmp_path / "tests.json").tests(inside, [name]) == some


# Modules whose first test file takes seconds; no mutant of them was chosen by its outcome.
QUICK = (
    "smart_repro/divergence.py",
    "smart_repro/averaging.py",
    "smart_repro/perturbation.py",
    "analysis/power.py",
    "analysis/scores.py",
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_twenty_mutants_at_most_two_survive(tmp_path: Path) -> None:
    drawn = sample(ROOT, QUICK, 20, seed=7)
    first = {files_of(module)[0] for module in QUICK}
    with Project(tmp_path) as project:
        assert not project.exit_code(*first)  # what fails below fails because of the mutant
        survivors = [mutant for mutant in drawn if project.outcome(mutant, files_of(mutant.module)) != CAUGHT]
    assert len(survivors) <= 2, "\n".join(map(str, survivors))
