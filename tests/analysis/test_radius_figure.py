"""The figure over the radius: places from the logged size of the embeddings, R_s and changed answers from the runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from world import Arm, Exam, World

from analysis import figures
from analysis.cells import read_cell
from analysis.comparison import compare
from analysis.curves import read_logs
from analysis.figures.drawing import Drawing, Study
from analysis.figures.radius import radius
from analysis.figures.redrawn import drawings
from analysis.results import Results

RMS = 0.5
MEASURED = {"r_s": 1e-3, "distance": 0.2, "step_divergence": 0.05}
ARMS = [
    Arm("vanilla", "plain", measured=MEASURED),
    *(
        Arm(f"{curve}@{x:g}", method="smoothness", gain=x, measured=MEASURED, curve=curve, x=x)
        for curve in ("epsilon-ascent", "epsilon-signs")
        for x in (1e-5, 1e-2)
    ),
    Arm("sigma@1", method="smoothness", curve="sigma", x=1.0),
]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    World(tmp_path, ARMS, [Exam("one", items=200)], epochs=1, steps=4, extra={"layout": "radius"}).write()
    for path in tmp_path.glob("runs/*/history.jsonl"):
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        sized = [line | ({"embedding_rms": RMS} if "step" in line else {}) for line in lines]
        path.write_text("".join(json.dumps(line) + "\n" for line in sized))
    results = Results.open(tmp_path)
    manifest = results.manifest("compare")
    return Study(results, manifest, compare(results, manifest), read_logs(results, manifest))


def panels(study: Study) -> dict[str, Drawing]:
    return {drawing.name.rpartition("accuracy-")[2]: drawing for drawing in drawings(study)}


def curve(drawing: Drawing, row: str) -> list[tuple[float, float]]:
    own = drawing.frame[drawing.frame["row"] == row]
    return list(zip(own.iloc[:, 1], own["mean"], strict=True))


def test_three_panels_over_the_radius_in_units_of_the_embeddings(study: Study) -> None:
    made = panels(study)
    assert list(made) == ["score", "r-s", "changed"]
    cells = study.cells.set_index("row")
    for name in ("ascent", "signs"):
        expected = [(x / RMS, pytest.approx(cells["difference"][f"epsilon-{name}@{x:g}"])) for x in (1e-5, 1e-2)]
        assert curve(made["score"], f"epsilon-{name}") == expected
    assert "sigma" not in set(made["score"].frame["row"])
    level = curve(made["score"], "vanilla")
    assert level == [(pytest.approx(x / RMS), 0.0) for x in (1e-5, 1e-2)]
    point = made["score"].frame.set_index("row").loc["epsilon-signs"].iloc[1]
    assert list(point[["low", "high", "n"]]) == list(cells.loc["epsilon-signs@0.01"][["low", "high", "n_pairs"]])


def test_without_a_baseline_the_first_panel_has_scores(study: Study) -> None:
    manifest = replace(study.manifest, baseline_row=None)
    alone = replace(study, manifest=manifest, cells=compare(study.results, manifest))
    means = alone.cells.set_index("row")["mean"]
    expected = [(x / RMS, pytest.approx(means[f"epsilon-ascent@{x:g}"])) for x in (1e-5, 1e-2)]
    assert curve(panels(alone)["score"], "epsilon-ascent") == expected


def test_the_papers_radius_is_marked_where_it_lies(study: Study) -> None:
    for drawing in panels(study).values():
        _, axes = figures.panels(1, 4, 3)
        ax = drawing.draw(drawing.frame, axes[0])
        marks = [line.get_xdata()[0] for line in ax.lines if len(set(line.get_xdata())) == 1]
        assert pytest.approx(1e-5 / RMS) in marks
        assert ax.get_xscale() == "log"
        assert "paper: epsilon = 1e-5" in [text.get_text() for text in ax.texts]


def test_points_of_fewer_seeds_are_open(study: Study) -> None:
    drawing = panels(study)["score"]
    frame = drawing.frame.copy()
    frame.loc[frame.index[-1], "n"] -= 1
    for shown, expected in ((drawing.frame, []), (frame, [frame["mean"].iloc[-1]])):
        _, axes = figures.panels(1, 4, 3)
        ax = drawing.draw(shown, axes[0])
        (few,) = [line for line in ax.lines if line.get_label() == "_few"]
        assert list(few.get_ydata()) == expected


def test_curves_are_named_by_the_words_before_the_radius(study: Study) -> None:
    rows = [replace(row, title=f"R_s, {row.curve}, epsilon = {row.x}") for row in study.manifest.rows if row.curve]
    named = replace(study, manifest=replace(study.manifest, rows=(study.manifest.rows[0], *rows)))
    _, axes = figures.panels(1, 4, 3)
    ax = panels(named)["score"].draw(panels(named)["score"].frame, axes[0])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "plain",
        "R_s, epsilon-ascent",
        "R_s, epsilon-signs",
    ]


def test_changed_answers_are_counted_at_equal_seeds(study: Study) -> None:
    (column,) = study.manifest.columns
    rows = ("epsilon-ascent@0.01", "vanilla")
    a, b = (read_cell(study.results, study.manifest, row, column).outputs for row in rows)
    share = float(np.mean(100 * (a != b).mean(1)))
    assert 0 < share < 100
    assert curve(panels(study)["changed"], "epsilon-ascent")[1] == (1e-2 / RMS, pytest.approx(share))


def test_r_s_is_that_of_the_trained_models_at_one_radius(study: Study) -> None:
    stored = []
    for key in study.manifest.cells["epsilon-signs@0.01"]["one"]:
        lines = study.results.measures(key)["smoothness"]
        stored += [line["r_s"] for line in lines if line["radius"] == pytest.approx(0.1)]
    assert len(stored) == 3
    assert curve(panels(study)["r-s"], "epsilon-signs")[1][1] == pytest.approx(np.mean(stored))
    assert {row for row, *_ in curve_rows(study)} == {"vanilla", "epsilon-ascent", "epsilon-signs"}


def curve_rows(study: Study) -> list[tuple[str]]:
    return [(row,) for row in panels(study)["r-s"].frame["row"]]


def test_without_a_logged_size_there_is_nothing_to_place(tmp_path: Path) -> None:
    World(tmp_path, ARMS, [Exam("one", items=40)], epochs=1, steps=2, extra={"layout": "radius"}).write()
    results = Results.open(tmp_path)
    manifest = results.manifest("compare")
    assert list(radius(Study(results, manifest, compare(results, manifest), read_logs(results, manifest)))) == []
