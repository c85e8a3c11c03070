"""The papers' figures from a results folder, for each layout: drawn is the frame, and the frame is the runs'."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from world import Arm, Exam, World

from analysis import figures
from analysis.cells import read_cell
from analysis.comparison import compare
from analysis.curves import read_logs
from analysis.figures.drawing import Drawing, Study
from analysis.figures.redrawn import LAYOUTS, drawings
from analysis.report import write_report
from analysis.results import Results
from analysis.selection import selected

MEASURED = {"r_s": 1e-3, "distance": 0.2, "step_divergence": 0.05}
ARMS = [Arm("vanilla", "BERT", measured=MEASURED), Arm("smart", "SMART", "smart", gain=5.0, measured=MEASURED)]


def point(
    row: str, axis: str, x: object, value: float, quantity: str = "accuracy", column: str = "one.accuracy"
) -> dict:
    return {"row": row, "column": column, "quantity": quantity, "axis": axis, "x": x, "value": value, "source": "Fig."}


def study(root: Path, layout: str, arms=ARMS, exams=None, **extra) -> Study:
    exams = exams or [Exam("one", items=120, votes=True, classes=3)]
    World(root, arms, exams, epochs=2, steps=8, extra={"layout": layout, **extra}).write()
    return opened(root)


def opened(root: Path) -> Study:
    results = Results.open(root)
    manifest = results.manifest("compare")
    return Study(results, manifest, compare(results, manifest), read_logs(results, manifest))


def drawn(drawing: Drawing):
    _, axes = figures.panels(1, 4, 3)
    return drawing.draw(drawing.frame, axes[0])


def lines(ax, published: bool = False) -> list[list[list[float]]]:
    """Return the data of the curves, the suite's or the paper's."""
    shown = [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    return [line.get_xydata().tolist() for line in shown if (line.get_label() == "as published") == published]


def test_a_sweep_is_the_cells_with_the_papers_points(tmp_path):
    arms = [Arm("vanilla", "BERT"), *(Arm(f"l@{x:g}", gain=x, curve="l", x=x) for x in (0.1, 1.0, 5.0))]
    published = [{"row": "l@1", "column": "one.accuracy", "value": 80.0}]
    made = study(tmp_path, "sweep", arms, published=published, points=[point("vanilla", "l", 1.0, 70.0)])
    (drawing,) = drawings(made)
    means = made.cells.set_index("row")["mean"]
    ax = drawn(drawing)
    assert lines(ax)[0] == [[0.1, means["vanilla"]], [5.0, means["vanilla"]]]
    assert lines(ax)[1] == [[x, means[f"l@{x:g}"]] for x in (0.1, 1.0, 5.0)]
    assert sorted(lines(ax, published=True)) == [[[1.0, 70.0]], [[1.0, 80.0]]]
    assert ax.get_xscale() == "log"


def test_epochs_are_the_logs_scores_and_an_error_rate_is_the_rest_of_the_accuracy(tmp_path):
    made = study(tmp_path, "epochs", points=[point("smart", "epoch", 1.0, 66.0)])
    (drawing,) = drawings(made)
    ax = drawn(drawing)
    keys = made.manifest.cells["smart"]["one"]
    first = np.mean([100 * made.logs[key].epochs[0]["score"] for key in keys])
    assert lines(ax)[1][0] == [1.0, pytest.approx(first)]
    assert lines(ax, published=True) == [[[1.0, 66.0]]]
    manifest = json.loads((tmp_path / "experiments" / "compare" / "0123abcd.json").read_text())
    manifest["columns"][0] |= {"metric": "error_rate"}
    (tmp_path / "experiments" / "compare" / "0123abcd.json").write_text(json.dumps(manifest))
    again = Results.open(tmp_path).manifest("compare")
    (drawing,) = drawings(Study(Results.open(tmp_path), again, compare(Results.open(tmp_path), again), made.logs))
    assert lines(drawn(drawing))[1][0] == [1.0, pytest.approx(100 - first)]


def test_losses_are_drawn_over_the_share_of_the_updates(tmp_path):
    arms = [Arm("sda", "SDA", parts=("task", "distillation"))]
    points = [point("sda", "micro-batch", x, v, "ce_loss") for x, v in ((500.0, 0.7), (1000.0, 0.3))]
    made = study(tmp_path, "losses", arms, baseline_row=None, points=points)
    (drawing,) = drawings(made)
    ax = drawn(drawing)
    task, distillation = lines(ax)
    assert (task[0][0], task[-1][0]) == (12.5, 100.0)
    steps = [made.logs[key].steps[0]["distillation"] for key in made.manifest.cells["sda"]["one"]]
    assert distillation[0][1] == pytest.approx(np.mean(steps))
    assert lines(ax, published=True) == [[[50.0, 0.7], [100.0, 0.3]]]


def test_boxes_stand_beside_the_papers(tmp_path):
    names = ("whisker_low", "q1", "median", "q3", "whisker_high")
    points = [point("vanilla", "statistic", name, 70.0 + n) for n, name in enumerate(names)]
    made = study(tmp_path, "box", points=points)
    (drawing,) = drawings(made)
    boxes = [patch.get_path().vertices[:, 0] for patch in drawn(drawing).patches]
    scores = made.cells.set_index("row").loc["vanilla", "scores"]
    assert (boxes[0].min(), boxes[0].max()) == pytest.approx(tuple(np.quantile(scores, [0.25, 0.75])))
    assert (boxes[-1].min(), boxes[-1].max()) == (71.0, 73.0)


def test_a_sweep_over_counts_names_the_counts(tmp_path):
    arms = [Arm("vanilla", "BERT"), *(Arm(f"S@{x:g}", gain=x, curve="S", x=x) for x in (1.0, 2.0, 4.0))]
    (drawing,) = drawings(study(tmp_path, "sweep", arms))
    assert [label.get_text() for label in drawn(drawing).get_xticklabels()] == ["1", "2", "4"]


def test_a_sweep_of_ones_own_is_over_its_option(tmp_path):
    curve = "smoothness[shared] over epsilon"
    arms = [Arm("vanilla", "BERT"), *(Arm(f"s@{x:g}", gain=x, curve=curve, x=x) for x in (1e-3, 1e-2, 1e-1))]
    (drawing,) = drawings(study(tmp_path, "sweep", arms))
    ax = drawn(drawing)
    assert (ax.get_xlabel(), ax.get_xscale()) == ("epsilon", "log")
    assert [x for x, _ in lines(ax)[1]] == [1e-3, 1e-2, 1e-1]


def test_agreement_has_a_mark_per_bucket_and_method(tmp_path):
    made = study(tmp_path, "agreement", points=[point("vanilla", "agreement", "5/0/0", 97.2)])
    by_name = {drawing.name: drawing for drawing in drawings(made)}
    assert list(by_name) == [f"agreement-one-{name}" for name in ("accuracy", "cross_entropy", "kl")]
    accuracy = by_name["agreement-one-accuracy"]
    ax = drawn(accuracy)
    for row, marks in zip(("vanilla", "smart"), lines(ax), strict=True):
        assert [y for _, y in marks] == accuracy.frame[accuracy.frame["row"] == row]["mean"].tolist()
    column = made.manifest.columns[0]
    scored = read_cell(Results.open(tmp_path), made.manifest, "vanilla", column)
    from analysis import errors

    outputs = errors.read_outputs(
        Results.open(tmp_path), dict(zip(scored.seeds, scored.keys, strict=True)), "one", "dev"
    )
    chosen = errors.agreement(outputs.votes) == "5/0/0"
    ours = accuracy.frame.query("row == 'vanilla' and bucket == '5/0/0'")["mean"].iloc[0]
    assert ours == pytest.approx(100 * outputs.right[:, chosen].mean())
    ((theirs,),) = lines(ax, published=True)
    assert theirs[1] == 97.2


def test_all_beside_the_papers_all_is_every_item_where_only_some_have_votes(tmp_path):
    points = [point("vanilla", "agreement", "All", 90.6), point("vanilla", "agreement", "All", 0.36, "kl_divergence")]
    made = study(tmp_path, "agreement", points=points)
    for path in tmp_path.glob("runs/*/predictions/*dev*.parquet"):
        table = pd.read_parquet(path)
        table.loc[~table["id"].isin(table["id"][:40]), [name for name in table if name.startswith("votes_")]] = 0
        table.to_parquet(path, index=False)
    by_name = {drawing.name: drawing for drawing in drawings(opened(tmp_path))}
    from analysis import errors

    outputs = errors.read_outputs(
        Results.open(tmp_path), dict(made.done("vanilla", made.manifest.columns[0])), "one", "dev"
    )
    voted = errors.agreement(outputs.votes) != errors.NO_MAJORITY
    assert 0 < voted.sum() <= 40
    accuracy = by_name["agreement-one-accuracy"].frame.query("row == 'vanilla'").set_index("bucket")["mean"]
    assert list(accuracy.index[:2]) == ["All", "with votes"]
    assert accuracy["All"] == pytest.approx(100 * outputs.right.mean())
    assert accuracy["with votes"] == pytest.approx(100 * outputs.right[:, voted].mean())
    assert accuracy["All"] != accuracy["with votes"]
    for name in ("cross_entropy", "kl"):
        drawing = by_name[f"agreement-one-{name}"]
        assert "All" not in set(drawing.frame["bucket"])
        assert not lines(drawn(drawing), published=True)  # the paper's "All" is of other items


def test_fractions_stand_at_their_number_of_examples(tmp_path):
    made = study(tmp_path, "fractions", published=[{"row": "smart", "column": "one.accuracy", "value": 82.0}])
    (drawing,) = drawings(made)
    ax = drawn(drawing)
    assert lines(ax)[0] == [[900.0, made.cells.set_index("row").loc["vanilla", "mean"]]]  # the world trains on 900
    assert lines(ax, published=True) == [[[900.0, 82.0]]]
    assert ax.get_xscale() == "log"


def test_a_second_protocol_of_the_same_sizes_is_a_panel_of_its_own(tmp_path):
    columns = [
        {"id": f"one.accuracy@{variant}", "task": "one", "metric": "accuracy", "split": "dev", "title": "one"}
        for variant in ("900", "900, fixed epochs")
    ]
    keys = [f"{column['id']}" for column in columns]
    World(tmp_path, ARMS, [Exam("one", items=60)], epochs=1, steps=4).write()
    path = tmp_path / "experiments" / "compare" / "0123abcd.json"
    manifest = json.loads(path.read_text())
    cells = {row: dict.fromkeys(keys, runs["one"]) for row, runs in manifest["cells"].items()}
    path.write_text(json.dumps({**manifest, "columns": columns, "cells": cells, "layout": "fractions"}))
    results = Results.open(tmp_path)
    again = results.manifest("compare")
    made = drawings(Study(results, again, compare(results, again), read_logs(results, again)))
    assert [drawing.title for drawing in made] == ["one", "one, fixed epochs"]


def test_levels_stand_at_their_share_of_wrong_labels(tmp_path):
    World(tmp_path, ARMS, [Exam("one", items=60)], epochs=1, steps=4).write()
    path = tmp_path / "experiments" / "compare" / "0123abcd.json"
    manifest = json.loads(path.read_text())
    columns = [{**manifest["columns"][0], "id": f"one.accuracy@{share} % wrong"} for share in (0, 40)]
    cells = {row: {c["id"]: runs["one"] for c in columns} for row, runs in manifest["cells"].items()}
    path.write_text(json.dumps({**manifest, "columns": columns, "cells": cells, "layout": "levels"}))
    results = Results.open(tmp_path)
    again = results.manifest("compare")
    table = compare(results, again)
    (drawing,) = drawings(Study(results, again, table, read_logs(results, again)))
    mean = table.set_index(["row", "column"])["mean"]["vanilla", "one.accuracy@40 % wrong"]
    assert lines(drawn(drawing))[0] == [[0.0, pytest.approx(mean)], [40.0, pytest.approx(mean)]]


def test_mechanism_shows_what_the_runs_measured(tmp_path):
    made = study(tmp_path, "mechanism")
    by_name = {drawing.name: drawing for drawing in drawings(made)}
    radius = lines(drawn(by_name["mechanism-one-r_s"]))
    key = made.manifest.cells["vanilla"]["one"]
    stored = [json.loads((tmp_path / "runs" / k / "measures.json").read_text())["smoothness"][1] for k in key]
    assert radius[0][1] == [1e-2, pytest.approx(np.mean([line["r_s"] for line in stored]))]
    assert [x for x, _ in lines(drawn(by_name["mechanism-one-distance"]))[0]] == [1, 2, 3, 4]


def test_selection_shows_the_same_runs_at_each_choice(tmp_path):
    made = study(tmp_path, "selection", selections=["last", "best-dev"])
    (drawing,) = drawings(made)
    column = made.manifest.columns[0]
    expected = [
        100 * selected(Results.open(tmp_path), made.manifest, "smart", column, how).scores.mean()
        for how in ("last", "best-dev")
    ]
    assert [y for _, y in lines(drawn(drawing))[1]] == pytest.approx(expected)
    assert expected[1] >= expected[0]


def test_tuning_shows_the_expected_best_of_each_arm(tmp_path):
    arms = [Arm(f"smart#{n}", f"SMART, trial {n}", gain=2.0 * n) for n in range(4)]
    made = study(tmp_path, "tuning", arms, baseline_row="smart#0")
    (drawing,) = drawings(made)
    (line,) = lines(drawn(drawing))
    assert line[0] == [1.0, pytest.approx(made.cells["mean"].mean())]
    assert line[-1][0] == 4.0


@pytest.mark.parametrize("layout", [name for name in LAYOUTS if name != "boundary"])
def test_a_column_and_a_row_without_runs_are_left_out_of_the_figure(layout, tmp_path):
    """A study is published column by column: ``equal-budgets-tuning`` had trials of SST-2 and none of AG's News."""
    made = study(tmp_path, layout, exams=[Exam(task, items=60, votes=True, classes=3) for task in ("one", "two")])
    for key in [key for row, tasks in made.manifest.cells.items() for key in (tasks["two"] if row == "smart" else ())]:
        shutil.rmtree(tmp_path / "runs" / key)
    one_left = opened(tmp_path)
    for drawing in drawings(one_left):
        drawn(drawing)
    for key in one_left.manifest.cells["vanilla"]["two"]:
        shutil.rmtree(tmp_path / "runs" / key)
    left = drawings(opened(tmp_path))
    for drawing in left:
        drawn(drawing)
    assert not [drawing.name for drawing in left if "two" in drawing.name]


def toy(folder: Path) -> None:
    networks = [
        {
            "row": r,
            "seed": 0,
            "probability": [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]],
            "accuracy": 0.9,
            "wrong_fitted": 0.5,
            "flipped": 0.25,
        }
        for r in ("vanilla", "smart")
    ]
    training = [{"seed": 0, "points": [[0.0, 0.5], [1.0, 1.0]], "labels": [0, 1], "wrong": [False, True]}]
    folder.mkdir(parents=True)
    (folder / "boundary.json").write_text(
        json.dumps({"extent": [-1, 1, 0, 2], "training": training, "networks": networks})
    )


def test_the_plane_is_drawn_with_its_training_points(tmp_path):
    toy(tmp_path / "reports" / "compare")
    made = study(tmp_path, "boundary", columns=[], cells={})
    first, _ = drawings(made)
    assert first.frame.to_dict("records")[1] == {"x": 1.0, "y": 0.0, "probability": 0.9}
    ax = drawn(first)
    points = [c for c in ax.collections if type(c).__name__ == "PathCollection"]
    assert [c.get_offsets().tolist() for c in points] == [[[0.0, 0.5]], [], [], [[1.0, 1.0]]]


QUICK = ("boundary", "data-sets", "epochs")


@pytest.mark.parametrize(
    "layout",
    [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in LAYOUTS if name not in QUICK)],
)
def test_every_layout_has_a_report(layout, tmp_path):
    facts = [
        {"dataset": "RTE", "column": "#Dev", "printed": "276", "count": 277, "agrees": False, "note": "a <b> more"}
    ]
    gridless = layout in ("boundary", "data-sets")
    extra = {"columns": [], "cells": {}, "facts": facts} if gridless else {}
    study(tmp_path, layout, **extra)
    if layout == "boundary":
        toy(tmp_path / "reports" / "compare")
    page = write_report(tmp_path, "compare")
    text = page.read_text(encoding="utf-8")
    assert "<b> more" not in text
    assert (page.parent / "table.md").is_file() == (layout != "boundary" or "accuracy on fresh points" in text)
    if layout == "data-sets":
        assert "a &lt;b&gt; more" in text
        assert pd.read_csv(page.parent / "table.csv").loc[0, "here"] == 277
    if layout in LAYOUTS and layout not in ("sweep", "losses", "tuning", "levels", "radius", "sweep-and-radius"):
        assert "As the paper draws it" in text


def test_figures_of_an_earlier_grid_go(tmp_path):
    study(tmp_path, "epochs")
    old = tmp_path / "reports" / "compare" / "figures" / "gone.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"")
    write_report(tmp_path, "compare")
    assert not old.exists()
    assert (old.parent / "epochs-one-accuracy.pdf").stat().st_size > 1000
