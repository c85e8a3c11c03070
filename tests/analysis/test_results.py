"""A folder read once: what is kept, what it may take, and that runs of different numerics are kept apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from world import Arm, Exam, World, run_key, write_json

from analysis import contrasts, errors, results
from analysis.cells import read_cell
from analysis.claims import decide_all
from analysis.comparison import compare
from analysis.records import ResultsError
from analysis.results import Results

EXAM = Exam("one", items=60)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return World(tmp_path, [Arm("vanilla"), Arm("smart", gain=5.0)], [EXAM], epochs=2, steps=4).write()


def renumber(root: Path, row: str, seed: int, numerics: int) -> None:
    path = root / "runs" / run_key(row, EXAM, seed) / "spec.json"
    write_json(path, {**json.loads(path.read_text()), "numerics": numerics})


def test_a_value_is_opened_once_and_a_path_anew(root: Path) -> None:
    opened = Results.open(root)
    assert Results.open(opened) is opened
    assert Results.open(str(root)).root == root


def test_what_was_read_is_not_read_again(root: Path) -> None:
    opened, key = Results.open(root), run_key("smart", EXAM, 0)
    run, log, manifest = opened.run(key), opened.log(key), opened.manifest("compare")
    frame = opened.predictions(key, "one", "dev")
    assert opened.is_done(key)
    shutil.rmtree(root / "runs" / key)
    shutil.rmtree(root / "experiments")
    assert (opened.run(key), opened.log(key), opened.manifest("compare")) == (run, log, manifest)
    assert opened.predictions(key, "one", "dev").equals(frame)
    assert opened.is_done(key)
    assert not Results.open(root).is_done(key)


def test_a_frame_that_is_changed_changes_no_other(root: Path) -> None:
    opened, key = Results.open(root), run_key("smart", EXAM, 0)
    frame = opened.predictions(key, "one", "dev")
    before = frame["prediction"].tolist()
    frame["prediction"] = -1
    frame.loc[0, "label"] = 7
    again = opened.predictions(key, "one", "dev")
    assert again["prediction"].tolist() == before
    assert again.loc[0, "label"] != 7


def test_what_is_kept_has_a_bound_in_bytes(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, read = [run_key("smart", EXAM, seed) for seed in range(3)], []
    honest = results.read_predictions
    monkeypatch.setattr(results, "read_predictions", lambda path, *rest: read.append(path) or honest(path, *rest))
    size = int(Results.open(root).predictions(keys[0], "one", "dev").memory_usage(deep=True).sum())
    read.clear()
    opened = Results(root, kept_bytes=2 * size + size // 2)
    for key in (keys[0], keys[1], keys[0], keys[2], keys[0], keys[1]):  # the third frame drives out the second
        opened.predictions(key, "one", "dev")
    assert [path.parents[1].name for path in read] == [keys[0], keys[1], keys[2], keys[1]]
    assert opened.cache.bytes <= opened.cache.limit
    none = Results(root, kept_bytes=0)
    assert none.predictions(keys[0], "one", "dev").equals(none.predictions(keys[0], "one", "dev"))
    assert none.cache.bytes == 0


def test_the_newest_manifest_counts_and_an_unknown_name_is_answered_with_the_names(root: Path) -> None:
    folder = root / "experiments" / "compare"
    older = json.loads((folder / "0123abcd.json").read_text())
    (folder / "ffff.json").write_text(json.dumps({**older, "grid": "ffff", "title": "Newer"}))
    opened = Results.open(root)
    assert [path.stem for path in opened.grids("compare")] == ["0123abcd", "ffff"]
    assert opened.manifest("compare").title == "Newer"
    with pytest.raises(ResultsError, match=r"no experiment named 'other' .*there are: compare"):
        opened.manifest("other")
    with pytest.raises(ResultsError, match="none; `smart-repro run` makes some"):
        Results.open(root / "nowhere").manifest("other")


def test_a_cell_never_mixes_numerics(root: Path) -> None:
    renumber(root, "smart", 1, 2)
    opened = Results.open(root)
    manifest = opened.manifest("compare")
    with pytest.raises(ResultsError, match=r"different numerics are not compared or pooled .*with numerics 1.* 2"):
        read_cell(Results.open(opened), manifest, "smart", manifest.columns[0])
    cells = compare(Results.open(opened), manifest).set_index("row")
    assert "different numerics" in cells.loc["smart", "reason"]
    assert np.isnan(cells.loc["smart", "mean"])
    assert cells.loc["vanilla", "n_seeds"] == 3


def test_contrasts_across_numerics_are_refused(root: Path) -> None:
    for seed in range(3):
        renumber(root, "smart", seed, 2)
    opened = Results.open(root)
    manifest = opened.manifest("compare")
    column = manifest.columns[0]
    smart, vanilla = (read_cell(Results.open(opened), manifest, row, column) for row in ("smart", "vanilla"))
    assert (smart.numerics, vanilla.numerics) == (2, 1)
    arms = contrasts.difference(Results.open(opened), manifest, "smart", "vanilla", column)
    with pytest.raises(ResultsError, match="numerics 1 and 2 are not compared or pooled: run the older again"):
        contrasts.measure(arms, [0, 1, 2])
    with pytest.raises(ResultsError, match="numerics 1 and 2"):
        contrasts.relative_errors([(1.0, arms)], [0, 1, 2])
    cells = compare(Results.open(opened), manifest).set_index("row")
    assert cells.loc["smart", "n_seeds"] == 3
    assert np.isnan(cells.loc["smart", "difference"])
    assert "numerics 1 and 2" in cells.loc["smart", "reason"]
    outputs = [
        errors.read_outputs(Results.open(opened), {s: run_key(row, EXAM, s) for s in range(3)}, "one", "dev")
        for row in ("smart", "vanilla")
    ]
    with pytest.raises(ResultsError, match="numerics 2 and 1"):
        errors.by_slice(outputs[0], outputs[1], {"all": np.ones(60, dtype=bool)})


def test_a_claim_across_numerics_is_not_decided(tmp_path: Path) -> None:
    claim = {
        "id": "c",
        "sentence": "SMART costs more.",
        "table": "SMART Table 1",
        "contrast": {"a": "smart", "b": "vanilla"},
        "tasks": ["one"],
        "direction": "greater",
        "size": None,
        "min_seeds": 3,
        "test": {"kind": "cost", "quantity": "seconds"},
    }
    World(tmp_path, [Arm("vanilla"), Arm("smart")], [EXAM], extra={"schema": 2, "claims": [claim]}).write()
    manifest = Results.open(tmp_path).manifest("compare")
    (before,) = decide_all(tmp_path, manifest)
    assert "numerics" not in before.reason
    for seed in range(3):
        renumber(tmp_path, "smart", seed, 2)
    (after,) = decide_all(tmp_path, manifest)
    assert after.words == "not run"
    assert "different numerics are not compared" in after.reason
