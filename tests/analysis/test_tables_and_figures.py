"""Written tables and drawn figures show the estimates they were given: the drawn data are compared, not pixels."""

from __future__ import annotations

import csv
import io
import re
import subprocess
from dataclasses import replace
from shutil import which

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb

from analysis import curves, figures, tables
from analysis.cells import read_cell, read_runs
from analysis.comparison import compare, contrast
from analysis.figures import palette
from analysis.records import ResultsError
from analysis.report.sheets import EpochLayout, epoch_layout
from analysis.results import Log, Results


@pytest.fixture(scope="module")
def cells(small_world) -> pd.DataFrame:
    return compare(Results.open(small_world), Results.open(small_world).manifest("compare"))


@pytest.fixture
def rte(cells) -> pd.DataFrame:
    return cells[cells["column"] == "demo-rte.accuracy"]


@pytest.fixture
def ax():
    _, axes = figures.panels(1, 4, 3)
    return axes[0]


def test_numbers_as_they_are_printed():
    assert tables.number(-0.04) == "0.0"
    assert tables.number(-1.25, 1, signed=True) == "−1.2"
    assert tables.number(1.26, 1, signed=True) == "+1.3"
    assert tables.number(float("nan")) == ""


def test_markdown_has_a_line_per_cell_and_escapes_pipes(rte):
    text = tables.to_markdown(rte.assign(row_title="a | b"), notes=["generated | data"])
    lines = text.splitlines()
    assert lines[0] == r"- generated \| data"
    long = lines[lines.index("", 3) + 1 :]
    assert [line.count(" | ") for line in long] == [len(tables.HEADINGS) - 1] * 5
    assert r"a \| b" in long[2]


def test_the_table_as_papers_print_it(cells):
    head, *body = tables.matrix(cells)
    assert head == ["method", "demo-rte, accuracy", "demo-cola, Matthews corr.", "demo-stsb, Pearson corr."]
    names = [line[0] for line in body]
    assert names[:2] == ["vanilla", "published"]
    assert names[2:5] == ["SMART [shared]", "difference (95 % interval)", "published"]
    cell = cells.set_index(["row", "column"]).loc[("smart-shared", "demo-rte.accuracy")]
    assert body[3][1] == f"{cell['difference']:+.1f} ({cell['low']:.1f} to {cell['high']:.1f})".replace("-", "−")
    assert body[2][1].endswith(" (too few seeds)")  # three of five
    assert body[4][1:] == ["71.2 (+7.7)", "", ""]


@pytest.mark.parametrize(
    ("low", "high", "undecided", "end"),
    [
        (0.1, 2.0, "", " ▲"),
        (-2.0, -0.1, "", " ▼"),
        (-2.0, 2.0, "", ""),
        (0.1, 2.0, "too few seeds: 2 of 5", " (too few seeds)"),
        (-2.0, -0.1, "too few seeds: 1 of 5", " (too few seeds)"),
        (0.1, 2.0, "inert: 100.00 % of the answers are identical", " (inert)"),
        (0.1, 2.0, "near-constant: in 2 of 8 seed pairs", " (near-constant)"),
    ],
)
def test_only_a_difference_that_decides_has_a_mark(rte, low, high, undecided, end):
    shown = rte[rte["row"] == "smart-shared"].assign(low=low, high=high, undecided=undecided)
    (cell,) = (line[1] for line in tables.matrix(shown)[1:] if line[0].startswith("SMART"))
    assert cell == tables.mean_and_spread(next(tables.records(shown))) + end
    assert tables.lines(shown)[0][-1] == undecided


def test_a_task_at_the_floor_is_named_in_its_heading_and_has_no_marks(rte):
    why = "pilot at the floor: vanilla has learnt 22 %"
    head, *body = tables.matrix(rte.assign(low=1.0, high=2.0, floor=why, undecided=why))
    assert head[1] == "demo-rte, accuracy (pilot at the floor)"
    assert not [line for line in body if "▲" in line[1] or "floor" in line[1]]


def test_csv_keeps_full_precision_and_runs_no_formula(rte):
    back = list(csv.DictReader(io.StringIO(tables.to_csv(rte.assign(reason="=HYPERLINK(1)")))))
    assert float(back[1]["difference"]) == rte["difference"].iloc[1]
    assert tuple(map(float, back[1]["scores"].split())) == rte["scores"].iloc[1]
    assert back[0]["reason"] == "'=HYPERLINK(1)"


def test_latex_escapes_what_latex_would_run():
    assert tables.latex(r"50% of \cmd{x}_1 & $2 # ~^") == (
        r"50\% of \textbackslash{}cmd\{x\}\_1 \& \$2 \# \textasciitilde{}\textasciicircum{}"
    )


@pytest.mark.skipif(which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(cells, tmp_path):
    body = tables.to_latex(cells.assign(row_title="[shared] " + cells["row_title"] + " *"), caption="A & B")
    (tmp_path / "t.tex").write_text(
        "\\documentclass{article}\\usepackage[utf8]{inputenc}\\usepackage{booktabs,graphicx}\\begin{document}\n"
        + body
        + "\\end{document}"
    )
    subprocess.run(["pdflatex", "-halt-on-error", "t.tex"], cwd=tmp_path, check=True, capture_output=True)
    assert "Overfull" not in (tmp_path / "t.log").read_text(encoding="latin-1")


def test_a_long_latex_table_goes_on_on_the_next_page(tmp_path):
    lines = [[str(n), "a sentence " * 9] for n in range(100)]
    _, tex, _ = tables.write_plain(["n", "text"], lines, tmp_path / "long", "Long")
    text = tex.read_text(encoding="utf-8")
    assert text.count("\\begin{table}") == text.count("\\toprule") == 3
    assert text.count("\\caption{Long}") == 1
    assert text.count("\\caption{Long (continued)}") == 2
    assert text.count("{tabular}{lp{7cm}}") == 3
    assert [line.split(" & ")[0] for line in text.splitlines() if "sentence" in line] == [str(n) for n in range(100)]


def test_scores_are_drawn_where_they_are(rte, ax):
    figures.plot_scores(rte, ax)
    drawn = sorted(x for dots in ax.collections for x in dots.get_offsets()[:, 0])
    assert drawn == pytest.approx(sorted(x for scores in rte["scores"] for x in scores))
    means = [line.get_xdata()[0] for line in ax.lines if line.get_linewidth() == 2.4]
    assert means == pytest.approx(rte["mean"].tolist())
    assert [t.get_text() for t in ax.get_yticklabels()] == [figures.short(title) for title in rte["row_title"]]


def test_names_take_two_lines_at_most_and_are_no_formulas():
    assert figures.short("SMART [shared masks]") == "SMART [shared masks]"
    assert figures.short("one two three four five six seven eight nine ten eleven").count("\n") == 1
    assert figures.short("costs $5 or $6") == r"costs \$5 or \$6"
    assert figures.room_for(["x" * 24]) > figures.room_for(["x"])
    assert figures.room_for(["w" * 12]) > 1.4 * figures.room_for(["l" * 12])  # wide letters need more
    assert figures.room_for([""]) == figures.room_for([]) == 0.2


def test_differences_that_decide_nothing_are_hollow_and_grey(rte, ax):
    figures.plot_differences(rte, ax)
    estimates = [line for line in ax.lines if line.get_marker() in figures.MARKERS and line.get_marker() != "D"]
    assert {(line.get_color(), line.get_markerfacecolor()) for line in estimates} == {(figures.SOFT, "none")}
    assert ax.get_xlabel() == "difference in points\nhollow: no verdict"


def test_the_interval_of_a_hollow_mark_leaves_its_inside_empty(rte, ax):
    figures.plot_differences(rte, ax)
    lines = [
        np.array(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 1.2 and len(line.get_xdata()) > 1
    ]
    cells = list(rte.dropna(subset="difference").itertuples())
    assert len(lines) == len(cells) > 0
    for xs, cell in zip(lines, cells, strict=True):
        assert np.isnan(xs[2])
        assert xs[0] <= cell.low < xs[1] < cell.difference < xs[3] < cell.high <= xs[4]


def test_differences_and_published_values_are_drawn_where_they_are(rte, ax):
    rte = rte.assign(undecided="")
    figures.plot_differences(rte, ax)
    shown = rte.dropna(subset="difference")
    spans = [tuple(line.get_xdata()) for line in ax.lines if line.get_linewidth() == 2.2]
    assert spans == [(low, high) for low, high in zip(shown["low"], shown["high"], strict=True)]
    diamonds = [
        line.get_xdata()[0] for line in ax.lines if line.get_markerfacecolor() == "none" and len(line.get_xdata()) == 1
    ]
    assert diamonds == pytest.approx([7.7])


def test_the_interval_of_one_seed_says_that_it_is_over_items(rte, ax):
    rte = rte.assign(undecided="")
    figures.plot_differences(rte, ax)
    assert ax.get_xlabel() == "difference in points"
    ax.clear()
    figures.plot_differences(rte.assign(n_pairs=1), ax)
    assert ax.get_xlabel() == "difference in points\none seed: items only"


def test_an_interval_that_leaves_the_axis_ends_in_an_arrow(rte, ax):
    wide = rte.copy()
    wide.loc[wide["row"] == "r-drop", ["difference", "low", "high"]] = [-2.0, -500.0, 496.0]
    figures.plot_differences(wide, ax)
    assert {line.get_marker() for line in ax.lines} >= {"<", ">"}
    assert ax.get_xlim()[1] < 100


def test_logged_parts_are_means_and_ranges_over_seeds(small_world):
    manifest = Results.open(small_world).manifest("compare")
    parts = curves.logged(curves.read_logs(Results.open(small_world), manifest), manifest, manifest.columns[0])
    assert list(parts["part"].unique()) == ["task", "smoothness", "bregman", "max_abs_delta"]
    keys = manifest.cells["smart-shared"]["demo-rte"]
    at_one = [Results.open(small_world).history(key)["smoothness"].iloc[0] for key in keys]
    first = parts[(parts["part"] == "smoothness") & (parts["step"] == 1)].iloc[0]
    assert (first["mean"], first["low"], first["high"]) == pytest.approx((np.mean(at_one), min(at_one), max(at_one)))


def _log(losses):
    return Log([{"step": step, "task": float(loss)} for step, loss in enumerate(losses, 1)], [])


def test_a_run_has_diverged_if_its_loss_rose_by_more_than_chance():
    rng = np.random.default_rng(0)
    level = [_log(rng.gamma(9.0, 0.06, 400)) for _ in range(1000)]
    assert sum(log.has_diverged for log in level) <= 10  # the end is above the start in half of them
    risen = [_log(rng.gamma(9.0, 0.06, 400) + np.linspace(0, 0.4, 400)) for _ in range(100)]
    assert sum(log.has_diverged for log in risen) == 100
    assert _log([0.5] * 399 + [np.nan]).has_diverged
    assert _log([0.5, 0.6]).has_diverged  # two updates: nothing is known of their spread
    assert not _log([0.6, 0.5]).has_diverged
    assert not _log([0.6]).has_diverged


def test_long_runs_are_averaged_into_few_points():
    binned = curves.binned(Log([{"step": n, "task": float(n)} for n in range(1, 601)], []), "task")
    assert list(binned) == list(range(10, 601, 10))
    assert len(binned) == curves.CURVE_POINTS
    assert binned[10] == np.mean(range(1, 11))


def test_curves_draw_their_frame_and_keep_each_methods_colour(small_world, ax):
    manifest = Results.open(small_world).manifest("compare")
    curve = curves.epochs(curves.read_logs(Results.open(small_world), manifest), manifest, manifest.columns[0])
    titles = {row.id: row.title for row in manifest.rows}
    figures.plot_curves(curve, ax, titles, x="epoch")
    assert len(ax.lines) == 3
    for line, (row, expected) in zip(ax.lines, curve.groupby("row", sort=False), strict=True):
        assert line.get_ydata().tolist() == expected["mean"].tolist()
        assert line.get_color() == figures.looks(titles)[row].colour
    one = curve[curve["row"] == "smart-shared"]
    _, alone = figures.panels(1, 4, 3)
    figures.plot_curves(one, alone[0], titles, x="epoch")
    assert alone[0].lines[0].get_color() == figures.looks(titles)["smart-shared"].colour


def test_a_highlighted_method_has_its_band_and_the_others_are_grey_means(small_world, ax):
    manifest = Results.open(small_world).manifest("compare")
    curve = curves.epochs(curves.read_logs(Results.open(small_world), manifest), manifest, manifest.columns[0])
    titles = {row.id: row.title for row in manifest.rows}
    figures.plot_curves(curve, ax, titles, x="epoch", highlight="smart-shared", legend=False)
    colours = [line.get_color() for line in ax.lines]
    assert colours == [figures.SOFT, figures.SOFT, figures.looks(titles)["smart-shared"].colour]
    assert len(ax.collections) == 1  # the band of the highlighted method alone
    low, high = ax.get_ylim()
    assert low <= curve["low"].min() <= curve["high"].max() <= high  # so that all panels have one axis
    _, means = figures.panels(1, 4, 3)
    figures.plot_curves(curve, means[0], titles, x="epoch", bands=False, legend=False)
    assert (len(means[0].lines), len(means[0].collections)) == (3, 0)


def test_many_methods_are_drawn_apart_or_without_bands(small_world):
    manifest = Results.open(small_world).manifest("compare")
    five = replace(manifest, rows=(manifest.rows * 2)[:5])
    assert epoch_layout(manifest) is EpochLayout.TOGETHER
    assert epoch_layout(five) is EpochLayout.APART
    assert epoch_layout(replace(five, columns=manifest.columns * 3)) is EpochLayout.MEANS


def test_the_legend_of_long_names_is_whole(ax):
    titles = {"a": "R_s [independent masks], no perturbation", "b": "R_s [independent masks], random direction"}
    bins = pd.DataFrame({"row": ["a", "b"], "n": [3, 5], "confidence": [0.6, 0.7], "accuracy": [0.5, 0.8]})
    figures.plot_reliability(bins, ax, titles)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["R_s [independent], no perturbation", "R_s [independent], random direction"]
    assert figures.room_below_names(list(titles.values())) > figures.room_below(2)
    assert figures.room_below_names(["SMART", "SDA"]) == figures.room_below(2)


@pytest.mark.parametrize("marker", figures.MARKERS)
def test_the_marks_of_the_legend_are_small_outlines_around_their_middle(marker):
    path = figures.marker_path(marker)
    assert re.fullmatch(r"M(?:[-\d.e ]|[MLQCZ])+", path)
    numbers = [float(text) for text in re.findall(r"-?[\d.]+(?:e-?\d+)?", path)]
    assert max(map(abs, numbers)) <= 0.6
    assert min(numbers) < -0.2 < 0.2 < max(numbers)


def test_style_leaves_nothing_behind():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    with figures.style():
        assert mpl.rcParams["svg.hashsalt"] == "smart-repro"
    assert dict(mpl.rcParams) == before


def test_arms_are_compared_at_common_seeds_only(small_world):
    manifest = Results.open(small_world).manifest("compare")
    a, b = (read_cell(Results.open(small_world), manifest, row, manifest.columns[0]) for row in ("r-drop", "vanilla"))
    interval, ours, theirs = contrast(a, b, manifest.columns[0])
    assert interval.n_seeds == len(ours) == len(theirs) == 2
    assert a.collapsed.tolist() == [False, True]


def test_runs_scored_on_other_items_are_refused(small_world, tmp_path):
    from shutil import copytree

    root = tmp_path / "copy"
    copytree(small_world, root)
    manifest = Results.open(root).manifest("compare")
    path = root / "runs" / manifest.cells["vanilla"]["demo-rte"][1] / "predictions" / "demo-rte.dev.parquet"
    frame = pd.read_parquet(path)
    frame["id"] = frame["id"] + "x"
    frame.to_parquet(path)
    with pytest.raises(ResultsError, match=r"different items of demo-rte\.dev"):
        read_cell(Results.open(root), manifest, "vanilla", manifest.columns[0])


def test_a_sweep_is_the_mean_over_seeds_at_each_setting():
    frame = pd.DataFrame(
        {
            "task": "rte",
            "split": "dev",
            "metric": "accuracy",
            "method": "smart",
            "config.lambda_s": [1.0, 1.0, 3.0],
            "score": [0.7, 0.8, 0.6],
        }
    )
    got = curves.sweep(frame, "config.lambda_s")
    assert got.to_dict("records") == [
        {"row": "smart", "config.lambda_s": 1.0, "mean": pytest.approx(75.0), "low": 70.0, "high": 80.0, "n": 2},
        {"row": "smart", "config.lambda_s": 3.0, "mean": 60.0, "low": 60.0, "high": 60.0, "n": 1},
    ]
    with pytest.raises(ValueError, match=r"no column config\.mu"):
        curves.sweep(frame, "config.mu")
    with pytest.raises(ValueError, match="one split"):
        curves.sweep(frame.assign(split=["dev", "dev", "test"]), "config.lambda_s")


def test_published_points_lie_on_the_sweep_where_the_paper_has_them(ax):
    ours = pd.DataFrame({"row": "sda", "x": [0.1, 1.0], "mean": [5.0, 4.0], "low": [4.0, 3.0], "high": [6.0, 5.0]})
    paper = pd.DataFrame({"row": "sda", "x": [0.1, 1.0, 5.0], "value": [5.8, 5.4, 6.2]})
    figures.plot_curves(ours, ax, {"sda": "SDA"}, x="x", logx=True, published=paper)
    line = next(line for line in ax.lines if line.get_label() == "as published")
    assert line.get_xydata().tolist() == [[0.1, 5.8], [1.0, 5.4], [5.0, 6.2]]
    assert ax.get_xscale() == "log"


def test_the_papers_points_do_not_flatten_the_runs_and_show_their_value_at_the_edge(ax):
    runs = pd.DataFrame(
        {"row": "sda", "x": [1.0, 2.0], "mean": [95.0, 96.0], "low": [94.0, 95.0], "high": [96.0, 97.0]}
    )
    paper = pd.DataFrame({"row": "sda", "x": [1.0, 2.0, 9.0], "value": [84.0, 96.5, 96.0]})
    figures.plot_curves(runs, ax, {"sda": "SDA"}, x="x", published=paper)
    low, high = ax.get_ylim()
    assert high - low <= 2 * 1.2 * 3
    assert low > 84
    assert [text.get_text() for text in ax.texts] == ["84"]
    assert ax.get_xlim()[1] < 9
    assert ax.get_xlabel() == "x\n1 of the paper's points lie beyond this axis"


def test_a_narrow_logarithmic_axis_has_enough_ticks(ax):
    frame = pd.DataFrame({"row": "sda", "x": [0.1, 0.3, 1.0], "mean": [5.0, 4.0, 4.5], "low": 4.0, "high": 5.0})
    figures.plot_curves(frame, ax, {"sda": "SDA"}, x="x", logx=True)
    low, high = ax.get_xlim()
    shown = [tick for tick in ax.get_xticks() if low <= tick <= high]
    assert shown == pytest.approx([0.1, 0.2, 0.5, 1.0])


def test_families_share_a_hue_and_every_row_has_a_look_of_its_own():
    rows = ["vanilla", "vanilla-3x", "smart[shared]", "smart[independent]", "smart+sda[shared]", "sda[K=1]", "mixout"]
    look = figures.looks(rows)
    assert len({each.colour for each in look.values()}) == len({each.marker for each in look.values()}) == len(rows)
    assert look["smart[shared]"].colour == figures.looks(["r-drop", "smart[independent]"])["smart[independent]"].colour
    assert palette.family_of("smart+sda[shared]") == "together"
    assert palette.family_of("smarter") == palette.family_of("mixout") == ""


def test_a_method_has_one_mark_whatever_the_other_rows_are():
    alone = figures.looks(["vanilla", "smart[shared]", "smart[independent]"])
    among = figures.looks(["mine", "sda[K=1]", "r-drop", "vanilla", "label-smoothing", *list(alone)[1:]])
    assert {row: among[row].marker for row in alone} == {row: look.marker for row, look in alone.items()}
    many = [f"smart:{n}" for n in range(len(figures.MARKERS))]
    assert len({look.marker for look in figures.looks(many).values()}) == len(many)


def test_cells_without_a_verdict_have_no_colour_and_do_not_stretch_the_scale(ax):
    values = pd.DataFrame({"A": [1.0, -9.0], "B": [0.5, np.nan]}, index=["one", "floor"])
    judged = pd.DataFrame({"A": [True, False], "B": [True, False]}, index=["one", "floor"])
    figures.plot_heat(values, values.map("{:+.1f}".format), ax, label="difference", judged=judged)
    (mesh,) = ax.collections
    assert np.ma.getmaskarray(mesh.get_array()).reshape(2, 2).tolist() == [[False, False], [True, True]]
    assert mesh.norm.vmax < 2
    colours = {text.get_text(): text.get_color() for text in ax.texts}
    assert colours["-9.0"] == figures.SOFT != colours["+1.0"]
    assert len(ax.patches) == 1  # a frame around the number; the cell without one stays empty


@pytest.mark.parametrize("dark", [False, True])
def test_every_colour_of_a_method_stands_out_from_the_page(dark):
    page = "#12161c" if dark else "#ffffff"
    for colour, name in palette.variables().items():
        if name not in ("ink", "soft", "grid") and not name.startswith("c"):
            assert contrast_ratio(palette.on_dark(colour) if dark else colour, page) >= 3, (name, colour)


def contrast_ratio(*colours: str) -> float:
    """Return the contrast of two colours by WCAG."""
    lights = []
    for rgb in map(to_rgb, colours):
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb]
        lights.append(float(np.dot((0.2126, 0.7152, 0.0722), linear)))
    return (max(lights) + 0.05) / (min(lights) + 0.05)


def test_a_forest_draws_each_contrast_on_one_scale_and_the_mean_at_the_bottom(ax):
    frame = pd.DataFrame(
        {
            "place": ["rte", "cola", "mean of 2 tasks"],
            "series": "shared",
            "difference": [2.0, -1.0, 0.5],
            "low": [1.0, -3.0, -0.5],
            "high": [3.0, 1.0, 1.5],
            "n_pairs": 5,
            "n_items": [277, 1043, 0],
            "undecided": ["", "pilot at the floor", ""],
            "published": [2.5, np.nan, np.nan],
            "is_mean": [False, False, True],
        }
    )
    figures.plot_forest(frame, ax, {"shared": "shared masks"}, xlabel="difference in points")
    spans = [tuple(line.get_xdata()[[0, -1]]) for line in ax.lines if line.get_linewidth() in (1.2, 2.2, 3.2)]
    assert [span for span in spans if span[0] != span[1]] == [(1.0, 3.0), (-3.0, 1.0), (-0.5, 1.5)]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["rte", "cola", "mean of 2 tasks"]
    assert [line.get_xdata()[0] for line in ax.lines if line.get_label() == "_paper"] == [2.5]
    assert [line.get_color() for line in ax.lines if line.get_linewidth() == 1.2] == [figures.SOFT]


@pytest.mark.parametrize(
    ("claimed", "values", "limits"),
    [
        ((0.1,), (0.02, 0.0, 0.05), (0.0, 0.2)),
        ((1.0,), (2.0, 1.5, 2.5), (-0.5, 2.5)),
        ((0.02, 0.07), (0.05, 0.04, 0.06), (0.02, 0.07)),
    ],
)
def test_a_forest_of_shares_or_ratios_is_about_the_claimed_values(claimed, values, limits, ax):
    """Each claimed value has a line within the axis, and no interval that fits is cut."""
    line = dict(zip(("difference", "low", "high"), values, strict=True))
    other = {"n_pairs": 5, "n_items": 0, "undecided": "", "published": np.nan, "is_mean": False}
    frame = pd.DataFrame([{"place": "rte", "series": "shared"} | line | other])
    figures.plot_forest(frame, ax, {"shared": "shared masks"}, xlabel="share", claimed=claimed)
    vertical = [line.get_xdata()[0] for line in ax.lines if list(line.get_xdata()) == [line.get_xdata()[0]] * 2]
    assert [x for x in vertical if x in claimed] == list(claimed)
    left, right = ax.get_xlim()
    assert left <= limits[0] < limits[1] <= right
    assert not [line for line in ax.lines if line.get_marker() in "<>"]
    assert ax.get_xlabel() == "share"
    assert len([tick for tick in ax.get_xticks() if left <= tick <= right]) <= 5


def test_a_map_shows_the_numbers_of_its_tasks_and_methods(ax):
    values = pd.DataFrame({"SMART": [1.2, -0.4], "SDA": [0.0, 2.0]}, index=["rte", "cola"])
    figures.plot_heat(values, values.map(lambda value: f"{value:+.1f}"), ax, label="difference")
    assert ax.collections[0].get_array().ravel().tolist() == values.to_numpy().ravel().tolist()
    assert [text.get_text() for text in ax.texts] == ["+1.2", "+0.0", "-0.4", "+2.0"]
    low, high = ax.collections[0].get_clim()
    assert low == -high <= -2.0
    assert min(contrast_of(text, ax.collections[0]) for text in ax.texts) >= 4.5


def contrast_of(text, cells) -> float:
    """Return the contrast of a text and the cell below it."""
    column, row = (int(position) for position in text.get_position())
    value = cells.get_array().reshape(2, 2)[row, column]
    return contrast_ratio(text.get_color(), to_hex(cells.get_cmap()(cells.norm(value))))


def test_confusions_are_shares_of_each_label(ax):
    figures.plot_confusion(pd.DataFrame([[30.0, 10.0], [5.0, 5.0]], index=["no", "yes"], columns=["no", "yes"]), ax)
    assert ax.collections[0].get_array().ravel().tolist() == [0.75, 0.25, 0.5, 0.5]
    assert ax.texts[0].get_text() == "75 %\n30"
    assert min(contrast_of(text, ax.collections[0]) for text in ax.texts) >= 4.5


def test_looks_for_slides_and_dark_pages_change_size_and_colours_alone(tmp_path):
    frame = pd.DataFrame({"row": "sda", "epoch": [1, 2], "mean": [5.0, 4.0], "low": 4.0, "high": 5.0})
    shown = {}
    for look in figures.LOOKS:
        figure, (ax,) = figures.panels(1, 4, 3)
        figures.plot_curves(frame, ax, {"sda": "SDA"}, x="epoch")
        files = figures.save(figure, tmp_path / look / "one", look)
        assert {path.suffix for path in files} == {".png", ".pdf", ".svg"}
        (line,) = ax.lines
        assert line.get_ydata().tolist() == [5.0, 4.0]
        shown[look] = figure.get_figwidth(), line.get_linewidth(), to_hex(line.get_color())
    hue = palette.HUES["distillation"]
    assert shown == {"paper": (4, 1.6, hue), "talk": (6, 1.6 * 1.5, hue), "dark": (4, 1.6, palette.on_dark(hue))}
    with pytest.raises(ValueError, match="must be one of paper, talk, dark"):
        figures.restyle(figure, "poster")


def test_marks_carry_their_row_and_texts_into_the_page(rte):
    with figures.style():
        figure, (ax,) = figures.panels(1, 4, 3)
        figures.plot_scores(rte, ax)
        svg = figures.to_svg(figure)
    seeds = re.findall(r'<use data-tip="([^"]*, seed \d+: [^"]*)"', svg)
    assert len(seeds) == sum(map(len, rte["scores"]))
    assert "mark" not in "".join(re.findall(r' id="([^"]*)"', svg))
    assert set(re.findall(r'data-row="([^"]*)"', svg)) == set(rte["row"][rte["n_seeds"] > 0])


def test_the_expected_best_of_n_by_hand_and_by_drawing(rng):
    table = curves.expected_best([1.0, 2.0, 4.0])
    assert table["expected"].tolist() == pytest.approx(
        [7 / 3, (1 * 1 + 3 * 2 + 5 * 4) / 9, (1 * 1 + 7 * 2 + 19 * 4) / 27]
    )
    drawn = rng.choice([1.0, 2.0, 4.0], size=(20_000, 3)).max(1).mean()
    assert table["expected"].iloc[-1] == pytest.approx(drawn, abs=0.03)
    assert curves.expected_best([1.0, 2.0, 4.0], greater_is_better=False)["expected"].iloc[1] == pytest.approx(
        (5 * 1 + 3 * 2 + 1 * 4) / 9
    )


def test_boxes_are_quartiles_and_the_papers_stand_beside(rte, ax):
    paper = pd.DataFrame(
        [{"row": "vanilla", "whisker_low": 72.0, "q1": 73.0, "median": 73.2, "q3": 73.7, "whisker_high": 74.0}]
    )
    figures.plot_box(rte, ax, paper)
    boxes = [patch.get_path().vertices for patch in ax.patches]
    ours, theirs = boxes[0][:4], boxes[-1][:4]  # the last vertex closes the path and may lie anywhere
    assert (ours[:, 0].min(), ours[:, 0].max()) == pytest.approx(
        tuple(np.quantile(rte["scores"].iloc[0], [0.25, 0.75]))
    )
    assert (theirs[:, 0].min(), theirs[:, 0].max()) == (73.0, 73.7)


def test_reliability_and_expected_best_draw_their_frames(ax):
    bins = pd.DataFrame({"row": "smart", "confidence": [0.6, 0.9], "accuracy": [0.5, 0.8], "n": [10, 30]})
    figures.plot_reliability(bins, ax, {"smart": "SMART"})
    assert ax.collections[0].get_offsets().tolist() == [[0.6, 0.5], [0.9, 0.8]]
    _, other = figures.panels(1, 4, 3)
    best = curves.expected_best([1.0, 2.0]).assign(row="smart")
    figures.plot_expected_best(best, other[0], {"smart": "SMART"})
    assert other[0].lines[0].get_xydata().tolist() == [[1, 1.5], [2, 1.75]]


def test_panels_stand_in_reading_order_without_overlapping():
    figure, axes = figures.panels(5, 3.0, 2.0, (1.0, 0.2))
    assert figure.get_size_inches().tolist() == [9.0, 4.0]
    boxes = [ax.get_position() for ax in axes]
    assert all(not one.overlaps(other) for n, one in enumerate(boxes) for other in boxes[:n])
    assert [round(box.x0 * 9, 3) for box in boxes] == [1.0, 4.0, 7.0, 1.0, 4.0]
    assert boxes[0].y0 > boxes[3].y1


def test_combined_runs_stand_against_the_mean_of_their_parents(tmp_path):
    from world import Arm, Exam, World, run_key

    exam = Exam("one", items=150)
    arms = [Arm("vanilla", "BERT"), Arm("vote", "VOTE", gain=5.0, combines="vanilla")]
    published = [{"row": row, "column": "one.accuracy", "value": v} for row, v in (("vanilla", 70.0), ("vote", 71.0))]
    World(tmp_path, arms, [exam], epochs=1, steps=4, extra={"published": published}).write()
    manifest = Results.open(tmp_path).manifest("compare")
    cell = compare(Results.open(tmp_path), manifest).set_index("row").loc["vote"]
    column = manifest.columns[0]
    parents = read_runs(Results.open(tmp_path), [(n, run_key("vanilla", exam, n)) for n in range(12)], column).scores
    assert cell["difference"] == pytest.approx(np.mean(cell["scores"]) - 100 * parents.mean())
    assert cell["against"] == "the mean of its parents"
    assert cell["visible"] > 0
    from analysis.report.power import power_table

    (line,) = power_table(compare(Results.open(tmp_path), manifest)).lines
    assert line[:4] == ("one, accuracy", "VOTE", "3", "150")
    assert line[5] == "+1.0"
    assert line[6]


def test_a_figure_gives_each_of_its_panels_without_touching_the_others():
    figure, axes = figures.panels(4, 3.0, 2.0)
    for n, ax in enumerate(axes):
        ax.plot([0, n + 1], [0, 1])
        ax.set_xlabel(f"panel {n}")
    for n in range(4):
        svg = figures.to_svg(figure, n)
        assert [f"panel {m}" in svg for m in range(4)] == [m == n for m in range(4)]
        assert 'width="216pt"' in svg
        assert f'height="{72 * (2.0 - figures.TITLE):g}pt"' in svg
    assert all(ax.get_visible() for ax in axes)
    assert figure.get_size_inches().tolist() == [9.0, 4.0]


def test_logarithmic_axes_are_labelled_without_formulas(ax):
    frame = pd.DataFrame({"row": "smart", "step": [1, 2, 3], "mean": [1e-6, 1e-4, 1e-2]})
    frame = frame.assign(low=frame["mean"], high=frame["mean"])
    figures.plot_curves(frame, ax, {"smart": "SMART"}, x="step", log=True)
    assert [ax.yaxis.get_major_formatter()(at, None) for at in (1e-10, 1e-5, 1e-3, 0.1, 100, 1e5)] == [
        "1e-10",
        "1e-5",
        "0.001",
        "0.1",
        "100",
        "1e5",
    ]


@pytest.mark.parametrize(
    ("values", "scale"),
    [([0.6, 0.2, 0.1], "linear"), ([1.0, 0.1, 0.01], "log"), ([0.0, 1.0, 9.0], "linear"), ([1e-5] * 3, "log")],
)
def test_axes_turn_logarithmic_where_values_span_decades(ax, values, scale):
    frame = pd.DataFrame({"row": "smart", "step": [1, 2, 3], "mean": values, "low": values, "high": values})
    figures.plot_curves(frame, ax, {"smart": "SMART"}, x="step", log=True)
    assert ax.get_yscale() == scale


@pytest.mark.parametrize("name", [name for name in figures.__all__ if name.startswith("plot_")])
def test_a_selection_without_rows_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name}: the table has no rows to draw; does its selection match any run\?"):
        getattr(figures, name)(pd.DataFrame())
