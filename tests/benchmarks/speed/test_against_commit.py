"""This version computes what its parent computed, and the comparison sees it when it does not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.speed import against_commit
from benchmarks.speed.against_commit import NUMBER, Compared, NoCheckoutError, compared_runs, compared_tables
from tests.analysis.world import Arm, Exam, World

SAME_RULES = (
    "fdb01522a0a1a7a005fe2aebcff25c5ba985840c"  # decides by the rules of today: what changes them moves this on
)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Make the same two runs in two results folders."""
    for side in ("then", "now"):
        World(tmp_path / side, [Arm("vanilla"), Arm("smart", method="smart")], [Exam("demo-rte")], seeds=(0,)).write()
    return tmp_path / "then", tmp_path / "now"


def edit(results: Path, name: str, **changes: object) -> None:
    for path in sorted((results / "runs").glob(f"*/{name}")):
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_equal_runs_are_equal_whatever_they_took(pair: tuple[Path, Path]) -> None:
    edit(pair[1], "result.json", seconds=1e6)
    found = compared_runs(*pair)
    assert found.differences == ()
    assert found.count == 2 * 4  # predictions on dev and holdout, history, scores
    assert not found.failed


def test_one_other_bit_fails_unless_the_numerics_were_raised(pair: tuple[Path, Path]) -> None:
    path = sorted((pair[1] / "runs").glob("*/predictions/*.parquet"))[0]
    frame = pd.read_parquet(path)
    frame.loc[0, "logit_0"] += 1e-7
    frame.to_parquet(path)
    found = compared_runs(*pair)
    assert [each.split(": ")[1] for each in found.differences] == [path.name]
    assert found.failed
    edit(pair[1], "spec.json", numerics=2)
    raised = compared_runs(*pair)
    assert (raised.differences, raised.raised, raised.failed) == (found.differences, (1, 2), False)
    assert compared_runs(pair[1], pair[0]).failed  # lowered


def test_a_run_that_one_side_lacks_is_a_difference(pair: tuple[Path, Path]) -> None:
    gone = sorted((pair[1] / "runs").iterdir())[0]
    shutil.rmtree(gone)
    assert len(compared_runs(*pair).differences) == 4


@pytest.mark.parametrize(
    ("older", "newer", "differences"),
    [
        ("row,mean\na,1.50\n", "row,mean,new\na,1.50,7\n", []),
        ("row,words\na,supported by 1.2\n", "row,words\na,shown with 1.2\n", []),
        ("row,mean\na,1.50\n", "row,mean\na,1.51\n", ["t.csv, line 2, mean: '1.50', now '1.51'"]),
        ("row,mean\na,1.50\n", "row,other\na,1.50\n", ["t.csv, line 2, mean: '1.50', now None"]),
        ("row,mean\na,1\nb,2\n", "row,mean\na,1\n", ["t.csv: 2 rows, 1 now"]),
        ("row,mean\na,-1.0\n", "row,mean\na,1.0\n", ["t.csv, line 2, mean: '-1.0', now '1.0'"]),
        ("row,mean\na,1\nb,2\n", "row,mean\nb,2\na,1\n", []),
        ("row,mean\nb,2\na,1\n", "row,mean\na,1\nb,3\n", ["t.csv, line 2, mean: '2', now '3'"]),
        ("id,verdict,p,numbers\na,not run,1,0 of 8\n", "id,verdict,p,numbers\na,not run,1,none\n", []),
        (
            "id,verdict,numbers\na,not run,0 of 8\n",
            "id,verdict,numbers\na,supported,1\n",
            ["t.csv, line 2, numbers: '0 of 8', now '1'"],
        ),
        ("row,mean\na,nan\n", "row,mean\na,\n", ["t.csv, line 2, mean: 'nan', now ''"]),
    ],
)
def test_tables_are_compared_by_their_numbers(tmp_path: Path, older: str, newer: str, differences: list[str]) -> None:
    for side, text in (("then", older), ("now", newer)):
        (tmp_path / side).mkdir()
        (tmp_path / side / "t.csv").write_text(text)
        (tmp_path / side / "u.csv").write_text("x\n3\n")
    assert list(compared_tables(tmp_path / "then", tmp_path / "now").differences) == differences
    (tmp_path / "now" / "u.csv").unlink()
    assert compared_tables(tmp_path / "then", tmp_path / "now").differences[-1] == "u.csv: missing"


def test_what_is_a_number() -> None:
    text = "smart2 +1.5 (-0.3 to 2e-05), p=0.049; 5 seeds, v1.2, nan"
    assert NUMBER.findall(text) == ["+1.5", "-0.3", "2e-05", "0.049", "5", "nan"]


def test_outside_a_checkout_there_is_nothing_to_compare_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(against_commit, "ROOT", tmp_path)
    with pytest.raises(NoCheckoutError, match="is no git checkout"):
        against_commit.parent_commit()


def reason(found: Compared) -> str:
    return "\n".join(found.differences[:20])


@pytest.mark.slow
def test_six_small_runs_are_those_of_the_parent_commit_bit_for_bit() -> None:
    try:
        found = against_commit.runs(against_commit.parent_commit())
    except NoCheckoutError as error:
        pytest.skip(f"cannot be compared with the parent commit: {error}")
    assert found.count == 6 * 4  # dev, holdout, history, scores
    assert not found.failed, reason(found)


@pytest.mark.slow
def test_the_published_reports_have_the_numbers_they_had() -> None:
    try:
        found = against_commit.reports(SAME_RULES, ["attack-seeds", "together"])
    except NoCheckoutError as error:
        pytest.skip(f"cannot be compared with {SAME_RULES}: {error}")
    assert found.count > 1000
    assert not found.failed, reason(found)
