"""The written report: every number recomputes from the stored predictions, texts are escaped, nothing is fetched."""

from __future__ import annotations

import csv
import html.parser
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk
from world import Arm, Exam, World

from analysis import figures
from analysis.claims import Verdict
from analysis.comparison import compare
from analysis.figures.forest import HOLLOW_SIZE
from analysis.report import write_report
from analysis.report.answer import headline, remarks, summaries, warnings
from analysis.report.damage import disagreements
from analysis.report.facts import FactTable
from analysis.report.page.render import code
from analysis.report.sheets import sheets, title_of
from analysis.results import Results
from analysis.schema import Claim, against
from analysis.tables import number, probability


@pytest.fixture(scope="module")
def report(small_world: Path) -> Path:
    return write_report(small_world, "compare")


@pytest.fixture(scope="module")
def page(report: Path) -> str:
    return report.read_text(encoding="utf-8")


def scores_from_parquet(results: Path, keys: list[str], task: str, metric: str) -> np.ndarray:
    """Percent scores of the finished runs with nothing of this package: pandas, scikit-learn and scipy alone."""
    reference = {
        "accuracy": sk.accuracy_score,
        "matthews": sk.matthews_corrcoef,
        "pearson": lambda y, p: 0.0 if np.ptp(p) == 0 else stats.pearsonr(y, p).statistic,
    }[metric]
    values = []
    for key in keys:
        path = results / "runs" / key / "predictions" / f"{task}.dev.parquet"
        if path.exists():
            frame = pd.read_parquet(path)
            frame = frame[frame["epoch"] == frame["epoch"].max()]
            values.append(100 * reference(frame["label"], frame["prediction"]))
    return np.array(values)


def test_every_number_of_the_table_recomputes_from_predictions(small_world, report):
    manifest = Results.open(small_world).manifest("compare")
    written = {
        (r["row"], r["column"]): r for r in csv.DictReader(io.StringIO((report.parent / "table.csv").read_text()))
    }
    assert len(written) == 9
    for (row, column), cell in written.items():
        task, metric = column.split(".")
        ours = scores_from_parquet(small_world, manifest.cells[row][task], task, metric)
        base = scores_from_parquet(small_world, manifest.cells["vanilla"][task], task, metric)
        assert float(cell["mean"]) == pytest.approx(ours.mean())
        assert float(cell["sd"]) == pytest.approx(ours.std(ddof=1))
        assert int(cell["n_seeds"]) == len(ours)
        if row != "vanilla":
            common = base[: len(ours)]  # the missing seed is the last
            assert float(cell["difference"]) == pytest.approx(ours.mean() - common.mean())
            assert float(cell["low"]) <= float(cell["difference"]) <= float(cell["high"])


def test_the_list_of_runs_has_the_reading_and_the_score_of_each_run(small_world, report, page):
    manifest = Results.open(small_world).manifest("compare")
    listed = {run["key"]: run for run in csv.DictReader(io.StringIO((report.parent / "runs.csv").read_text()))}
    assert set(listed) == {key for key in manifest.all_keys() if (small_world / "runs" / key).exists()}
    for metric, task in (("accuracy", "demo-rte"), ("matthews", "demo-cola"), ("pearson", "demo-stsb")):
        for key in manifest.cells["smart-shared"][task]:
            run = listed[key]
            assert (run["method"], run["row"], run["title"]) == ("smart", "smart-shared", "SMART [shared]")
            assert run["metric"] == metric
            assert float(run["score"]) == pytest.approx(scores_from_parquet(small_world, [key], task, metric)[0])
            assert f'"SMART [shared]","{run["seed"]}","{number(float(run["score"]))}"' in shown_text(page)


def shown_text(page: str) -> str:
    """Return the page with the escapes of its data read as characters."""
    return page.replace("\\u2212", "\u2212")


@pytest.mark.parametrize("commit", ["", "0123456789abcdef"])
def test_a_list_without_any_commit_has_no_such_column_and_says_why(tmp_path, commit):
    World(tmp_path, [Arm("vanilla")], [Exam("one", items=20)], epochs=1, steps=2).write()
    for path in tmp_path.glob("runs/*/environment.json"):
        path.write_text(json.dumps({"commit": commit, "device": "cpu"}))
    text = write_report(tmp_path, "compare").read_text(encoding="utf-8")
    assert ('<th class="text" scope="col">commit</th>' in text) == bool(commit)
    assert ("No run names a commit of the code" in text) != bool(commit)


def test_columns_that_are_empty_everywhere_are_left_out():
    table = FactTable("name", "Title", ("a", "b", "c"), (("1", "", "x"), ("2", "", "")))
    assert table.without_empty().headings == ("a", "c")
    assert table.without_empty().lines == (("1", "x"), ("2", ""))
    assert FactTable("name", "Title", ("a", "b"), ()).without_empty().headings == ("a", "b")


def test_the_intervals_recompute_from_predictions(small_world):
    from test_significance import layout_by_hand

    manifest = Results.open(small_world).manifest("compare")

    def hits(row: str) -> np.ndarray:
        frames = [
            pd.read_parquet(small_world / "runs" / k / "predictions" / "demo-rte.dev.parquet").query("epoch == 3")
            for k in manifest.cells[row]["demo-rte"]
        ]
        return np.stack([(f["label"] == f["prediction"]).to_numpy(float) for f in frames])

    low, high, _ = layout_by_hand(hits("smart-shared") - hits("vanilla"))
    cells = compare(Results.open(small_world), manifest).set_index(["row", "column"])
    cell = cells.loc[("smart-shared", "demo-rte.accuracy")]
    assert (cell["low"], cell["high"]) == pytest.approx((100 * low, 100 * high))
    assert cell["published_difference"] == pytest.approx(7.7)
    assert cell["ceiling"] == pytest.approx(87.0)


def test_the_page_answers_first_with_the_tables_numbers(small_world, page):
    cells = compare(Results.open(small_world), Results.open(small_world).manifest("compare")).set_index(
        ["row", "column"]
    )
    cell = cells.loc[("smart-shared", "demo-rte.accuracy")]
    sentence = (
        f"SMART [shared] is {number(cell['difference'])} points above vanilla on demo-rte "
        f"(95 % interval {number(cell['low'])} to {number(cell['high'])}; p = {probability(cell['p'])}; "
        "3 seeds × 300 items): no verdict, too few seeds: 3 of 5."
    )
    assert sentence in page
    assert page.index("What was found") < page.index('class="matrix ')
    for words in (
        "Generated data, demonstration",
        "Too few seeds in 6 comparisons (at least 2 of 5): nothing is decided",
        "demo-rte (1 of 2 runs)",
        "3 runs of 3 cells missing",
    ):
        assert words in page


def test_pairs_made_on_different_devices_are_named_by_their_cells(tmp_path):
    """One seed draws other dropout masks on a GPU than on a CPU: an arm whose partners ran elsewhere says so."""
    arms = [Arm("vanilla"), Arm("smart", title="SMART", device="cuda"), Arm("sda", title="SDA", missing=(2,))]
    manifest = Results.open(World(tmp_path, arms, [Exam("rte"), Exam("cola")]).write()).manifest("compare")
    runs = [Results.open(tmp_path).run(key) for key in manifest.all_keys() if (tmp_path / "runs" / key).exists()]
    told = [
        text
        for text in warnings(manifest, compare(Results.open(tmp_path), manifest), runs)
        if "different devices" in text
    ]
    assert len(told) == 1
    assert told[0].startswith("Pairs made on different devices: SMART on rte (3 seeds), SMART on cola (3 seeds). ")
    alone = replace(manifest, rows=(manifest.rows[0], manifest.rows[2]))
    assert not [
        text for text in warnings(alone, compare(Results.open(tmp_path), alone), runs) if "different devices" in text
    ]


def test_runs_with_the_same_answers_are_inert_and_outside_every_count(small_world):
    manifest = Results.open(small_world).manifest("compare")
    cells = {"vanilla": manifest.cells["vanilla"], "smart-shared": manifest.cells["vanilla"]}
    twins = replace(manifest, rows=manifest.rows[:2], cells=cells, columns=manifest.columns[:1])
    (summary,) = summaries(twins, compare(Results.open(small_world), twins))
    assert summary.sentence == "SMART [shared] against vanilla: no comparison can be decided (not counted: 1 inert)."
    (finding,) = summary.findings
    assert finding.verdict == "inert"
    assert finding.sentence.startswith(
        "SMART [shared] is scored on every item as vanilla on demo-rte (95 % interval 0.0"
    )


def test_agreement_is_told_with_the_numbers_of_its_table(small_world, page):
    """The sentence's contrast of contrasts from the parquet files: gain on 3/2 items minus gain on the others."""
    manifest = Results.open(small_world).manifest("compare")

    def right(row: str) -> tuple[np.ndarray, np.ndarray]:
        frames = [
            pd.read_parquet(small_world / "runs" / key / "predictions" / "demo-rte.dev.parquet").query("epoch == 3")
            for key in manifest.cells[row]["demo-rte"]
        ]
        votes = frames[0][["votes_0", "votes_1"]].to_numpy()
        return np.stack([(f["label"] == f["prediction"]).to_numpy(float) for f in frames]), votes.max(1) == 3

    ours, contested = right("smart-shared")
    gain = ours - right("vanilla")[0]
    contrast = 100 * (gain[:, contested].mean() - gain[:, ~contested].mean())
    higher = "higher" if contrast > 0 else "lower"
    words = f"The difference of SMART [shared] to vanilla is {number(abs(contrast))} points {higher} on contested items"
    assert words in page
    assert f"{contested.sum()} of 300 items" in page
    assert "vanilla, temperature-scaled" in page


def test_texts_are_escaped_everywhere(page, report):
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; 5_%" in page
    assert r"R-Drop \textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{} \& 5\_\%" in (
        report.parent / "table.tex"
    ).read_text(encoding="utf-8")
    assert r"R-Drop \<script\>alert(1)\</script\> & 5\_%" in (report.parent / "table.md").read_text(encoding="utf-8")


class Links(html.parser.HTMLParser):
    """Collects what a page would fetch, its ids and its in-page links."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.ids: list[str] = []
        self.anchors: list[str] = []

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "href", "xlink:href", "data", "action", "srcset") and not (value or "").startswith("#"):
                self.fetched.append(f"{tag} {name}={value}")
            elif name in ("href", "xlink:href"):
                self.anchors.append(value[1:])
            if name == "id":
                self.ids.append(value)


def test_the_page_fetches_nothing_and_its_links_lead_somewhere(page, report):
    links = Links()
    links.feed(page)
    assert {each.split(" ")[0] for each in links.fetched} == {"a"}  # nothing is loaded; links are followed on a click
    targets = [each.partition("href=")[2] for each in links.fetched]
    assert {"../index.html", "table.csv", "table.md", "table.tex", "runs.csv", "figures/answer.pdf"} <= set(targets)
    assert [target for target in targets if not (report.parent / target).exists()] == ["../index.html"]
    assert "@import" not in page
    assert "url(http" not in page
    assert len(links.ids) == len(set(links.ids))
    assert set(links.anchors) <= set(links.ids)
    assert set(re.findall(r"url\(#([\w-]+)\)", page)) <= set(links.ids)


def test_every_figure_is_described_and_written_in_three_formats(page, report):
    figures = [svg for svg in re.findall(r"<svg [^>]*>", page) if "aria-hidden" not in svg]  # keys have names in text
    assert len(figures) >= 9
    assert all(re.search(r'role="img" aria-label="[^"]{20,}"', figure) for figure in figures)
    stems = {p.stem for p in (report.parent / "figures").iterdir()}
    assert {"scores", "differences", "loss-parts-demo-rte"} <= stems
    for stem in stems:
        assert {p.suffix for p in (report.parent / "figures").glob(f"{stem}.*")} == {".png", ".pdf", ".svg"}


def test_writing_it_again_gives_the_same_bytes(small_world, report):
    before = {p: p.read_bytes() for p in report.parent.rglob("*") if p.is_file()}
    write_report(small_world, "compare")
    assert {p: p.read_bytes() for p in report.parent.rglob("*") if p.is_file()} == before


def test_a_score_that_contradicts_its_predictions_is_reported(tmp_path):
    World(tmp_path, [Arm("vanilla"), Arm("smart")], [Exam("demo-rte", items=40)]).write()
    key = Results.open(tmp_path).manifest("compare").cells["smart"]["demo-rte"][0]
    path = tmp_path / "runs" / key / "result.json"
    result = json.loads(path.read_text())
    result["scores"]["demo-rte"]["dev"]["accuracy"] = 0.999
    path.write_text(json.dumps(result))
    results = Results.open(tmp_path)
    manifest = results.manifest("compare")
    (sentence,) = disagreements(compare(results, manifest), results.finished(manifest))
    assert f"Run {key[:12]}: result.json says accuracy 0.999000" in sentence
    text = write_report(tmp_path, "compare").read_text(encoding="utf-8")  # the run has no seal
    assert f"Run {key[:12]} is damaged and left out: " in text
    assert "accuracy 0.999000 is stored, its predictions give" in text


def test_quoted_parts_of_a_warning_are_code_and_escaped() -> None:
    assert code("use `--tune <b>` & <i>") == "use <code>--tune &lt;b&gt;</code> &amp; &lt;i&gt;"
    assert code("one ` alone") == "one ` alone"


def test_page_and_file_show_the_same_drawing(small_world) -> None:
    manifest = Results.open(small_world).manifest("compare")
    cells = compare(Results.open(small_world), manifest)
    with figures.style():
        (sheet,) = [
            s
            for s in sheets(manifest, cells, {}, {c.id: cells[:0].assign(part="") for c in manifest.columns}, [], [])
            if s.stem == "differences"
        ]
        pages = list(sheet.on_page())
    assert [panel["title"] for panel in pages] == [title_of(column) for column in manifest.columns]
    sizes = (6.5, HOLLOW_SIZE)  # with and without a verdict
    for ax, column in zip(sheet.axes, manifest.columns, strict=True):
        here = cells[(cells["column"] == column.id) & cells["difference"].notna()]
        points = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1 and line.get_ms() in sizes]
        assert points == here["difference"].tolist()


def test_many_contradicting_scores_are_counted_after_the_first(tmp_path):
    World(tmp_path, [Arm("vanilla"), Arm("smart"), Arm("sda")], [Exam("demo-rte", items=40)]).write()
    manifest = Results.open(tmp_path).manifest("compare")
    runs = [Results.open(tmp_path).run(key) for key in manifest.all_keys()]
    for run in runs:
        run.result["scores"]["demo-rte"]["dev"]["accuracy"] = 2.0
    *named, rest = disagreements(compare(Results.open(tmp_path), manifest), runs)
    assert len(named) == 5
    assert rest == "The same holds of 4 further scores."


def test_nothing_finished_is_a_page_too(tmp_path):
    arms = [Arm("vanilla", missing=(0, 1, 2)), Arm("smart", missing=(0, 1, 2))]
    World(
        tmp_path, arms, [Exam("demo-rte")], extra={"reasons_missing": {"smart|demo-rte.accuracy": "needs a GPU"}}
    ).write()
    text = write_report(tmp_path, "compare").read_text(encoding="utf-8")
    assert "missing: needs a GPU" in text
    assert "missing: not run" in text
    assert "Nothing can be compared yet" in text


def test_the_headline_counts_the_verdicts() -> None:
    def judged(status: str, **changes) -> Verdict:
        return Verdict(Claim(id="c", sentence="", contrast=against("a", "b"), tasks=("t",)), status, **changes)

    assert headline([judged("not run")] * 2, []) == "2 claims: 2 not run."
    assert headline([judged("supported"), judged("not run")], []) == "2 claims: 1 supported, 1 not run."
    assert headline([judged("supported"), judged("inert")], []) == "2 claims: 1 supported, 1 inert."
    exploratory = judged("supported", family="9 claims of A")
    elsewhere = judged("not run", is_out_of_reach=True)
    assert headline([elsewhere, judged("inert"), exploratory], []) == (
        "3 claims: 1 supported (exploratory), 1 cannot be decided here, 1 inert."
    )
    assert headline([], []) == ""


def test_the_methods_of_the_page_are_listed_once_with_their_rows_and_no_others(tmp_path):
    arms = [Arm("vanilla", "plain"), Arm("a", "SMART [shared]", "smart"), Arm("b", "SMART [independent]", "smart")]
    World(tmp_path, arms, [Exam("one", items=40)], epochs=1, steps=4).write()
    sentences = {"smart": "SMART <is> this.", "vanilla": "Plain fine-tuning.", "sda": "SDA is not here."}
    text = write_report(tmp_path, "compare", methods=sentences).read_text(encoding="utf-8")
    listed = text[text.index('<section id="methods">') :].partition("</section>")[0]
    assert listed.count("<dt>") == 2
    assert "SMART &lt;is&gt; this." in listed
    assert "Here: SMART [shared]; SMART [independent]." in listed
    assert "SDA is not here" not in text
    assert '<a href="#methods">' in text
    assert 'id="methods"' not in write_report(tmp_path, "compare").read_text(encoding="utf-8")


def test_a_report_with_r_drop_and_smart_gives_their_strengths_though_its_manifest_does_not(tmp_path):
    World(tmp_path, [Arm("vanilla"), Arm("d", "R-Drop", "r-drop"), Arm("s", "SMART", "smart")], [Exam("one")]).write()
    results = Results.open(tmp_path)
    runs = results.finished(results.manifest("compare"))
    for run in runs:
        run.spec["method_config"] = {"r-drop": {"alpha": 1.0}, "smart": {"lambda_s": 1.0}}.get(run.spec["method"], {})
    (note,) = [text for text in remarks(results.manifest("compare"), runs) if "R-Drop" in text]
    assert "R-Drop at alpha 1 weighs the symmetrised KL divergence by alpha/4 = 0.25, R_s at lambda_s 1" in note
    newer = replace(results.manifest("compare"), warnings=(note,))  # which has the note itself
    assert remarks(newer, runs).count(note) == 1
    assert not [text for text in remarks(newer, runs[:1]) if text != note]
