"""docs/FINDINGS.md says what the published runs say: every number in it is computed from them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from types import SimpleNamespace as Namespace

import pyarrow.parquet as pq
import pytest

from analysis.claims import read_claim
from analysis.results import Results
from benchmarks.sharing.publish import VOTES, notice
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from tests.test_docs import module

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "results" / "published"
pytestmark = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published runs are in the repository alone")
NOT_RUN = {  # experiment -> cells of its table that no run was made for
    "together": {("smart+sda[shared]", "sst2.accuracy")},
    "what-drives-sda": {("sda[K=1]:current", "sst2.accuracy")},
}
COLUMNS = re.compile(r"id|epoch|label|prediction|logit_\d+|votes_\d+")


@pytest.fixture(scope="module")
def findings() -> ModuleType:
    return module(ROOT / "docs" / "_scripts" / "findings.py")


def test_the_page_is_what_the_published_runs_give(findings: ModuleType) -> None:
    written = (ROOT / "docs" / "FINDINGS.md").read_text(encoding="utf-8")
    assert written == findings.page(), "run: python docs/_scripts/findings.py"
    assert len(findings._NUMBER.findall(written)) > 10
    assert len(findings._BLOCK.findall(written)) >= 2


def test_no_result_stands_in_the_prose_without_its_source(findings: ModuleType) -> None:
    """Scores, differences and ratios have decimals; what has none is part of the design (seeds, sizes, versions)."""
    text = (ROOT / "docs" / "FINDINGS.md").read_text(encoding="utf-8")
    text = findings._NUMBER.sub("", findings._BLOCK.sub("", text))
    text = re.sub(r"^```.*?^```|`[^`\n]*`|\]\([^)]*\)", "", text, flags=re.M | re.S)
    assert re.findall(r"(?<![\w.])[+\u2212]?\d+\.\d+|\d+ ?%", text) == []


def test_a_wrong_number_would_be_seen(findings: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (ROOT / "docs" / "FINDINGS.md").read_text(encoding="utf-8")
    wrong = tmp_path / "FINDINGS.md"
    wrong.write_text(re.sub(r"\d+(<!--= runs -->)", r"9999\1", text), encoding="utf-8")
    monkeypatch.setattr(findings, "PAGE", wrong)
    assert wrong.read_text(encoding="utf-8") != findings.page() == text


def test_a_source_without_its_number_is_refused(
    findings: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "FINDINGS.md"
    page.write_text("From TBD<!--= runs --> runs.", encoding="utf-8")
    monkeypatch.setattr(findings, "PAGE", page)
    with pytest.raises(SystemExit, match="no number before <!--= runs -->"):
        findings.page()


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (["supported"] * 5, "yes"),
        (["supported"] * 4 + [None], "open"),
        (["supported"] * 4 + ["not run"], "open"),
        (
            ["supported", "supported", "inconclusive", None, "contradicted"],
            "no: half the learning rate, seeds 20 to 27",
        ),
    ],
)
def test_a_finding_survives_if_its_verdict_is_the_same_in_all_attacks(
    findings: ModuleType, monkeypatch: pytest.MonkeyPatch, statuses: list[str | None], told: str
) -> None:
    def verdict(id: str, status: str) -> Namespace:
        interval = None if status == "not run" else Namespace(estimate=2.0, low=1.0, high=3.0)
        return Namespace(
            claim=Namespace(id=id, sentence="A is better.", tasks=("cola",)), status=status, interval=interval
        )

    names = ["what-drives", *findings.ATTACKS.values()]
    ids = ["control-a", *(f"{name}-a" for name in findings.ATTACKS.values())]
    made = {name: [verdict(id, s)] for name, id, s in zip(names, ids, statuses, strict=True) if s is not None}
    monkeypatch.setattr(findings, "_names", lambda: list(made))
    monkeypatch.setattr(findings, "_verdicts", made.get)
    line = findings.survival(Namespace(name="attack-seeds")).splitlines()[-1]
    assert line.endswith(f"| {told} |")
    assert line.count("+2.0 (1.0 to 3.0)") == sum(status not in (None, "not run") for status in statuses)


def test_an_attack_on_one_task_is_set_against_the_finding_on_that_task(findings: ModuleType) -> None:
    """The claim itself may have been decided on more tasks since; the table has the difference on CoLA alone."""
    lines = findings.survival(Results.open(PUBLISHED).manifest("attack-seeds")).splitlines()
    (line,) = (line for line in lines if line.startswith("| SDA (K = 1) is better than plain fine-tuning. |"))
    facts, about = findings.facts(), "together/cola.matthews/sda[K=1]"
    numbers = f"{facts[f'{about}/difference']} ({facts[f'{about}/low']} to {facts[f'{about}/high']})"
    assert line.split(" | ")[1] == f"contradicted, {numbers.replace('+', '')}"


def test_the_figures_are_drawn_from_the_published_runs(findings: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "findings", findings)
    drawn = module(ROOT / "docs" / "_scripts" / "findings_figures.py")
    text = (ROOT / "docs" / "FINDINGS.md").read_text(encoding="utf-8")
    for name, (find, draw, _) in drawn.FIGURES.items():
        told = "run: python docs/_scripts/findings_figures.py"
        assert (drawn.FOLDER / f"findings-{name}.csv").read_text(encoding="utf-8") == drawn.numbers(name), told
        assert f"(figures/findings-{name}.png)" in text
        assert draw(find()).axes


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("experiments/*")), ids=lambda path: path.name)
def test_every_cell_of_a_published_table_is_there_or_known_to_be_not_run(path: Path) -> None:
    """An arm enters a table with all its seeds or not at all; one manifest, so that none is taken for the newest."""
    assert len(list(path.glob("*.json"))) == 1
    manifest = Results.open(PUBLISHED).manifest(path.name)
    cells = {(row.id, column.id): manifest.keys(row.id, column) for row in manifest.rows for column in manifest.columns}
    done = {cell: [Results.open(PUBLISHED).is_done(key) for key in keys] for cell, keys in cells.items()}
    assert {cell for cell, each in done.items() if not any(each)} == NOT_RUN.get(path.name, set())
    assert [cell for cell, each in done.items() if any(each) and not all(each)] == []
    assert "path/to/data" in manifest.commands["run"]


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("experiments/*")), ids=lambda path: path.name)
def test_no_published_claim_pairs_runs_of_different_devices(path: Path) -> None:
    """A seed draws other dropout masks on a GPU: the two runs of a pair were both made on one, or both on a CPU."""
    manifest = Results.open(PUBLISHED).manifest(path.name)
    rows = {row.id for row in manifest.rows}
    looked_at = 0
    for claim in (read_claim(raw) for raw in manifest.claims):
        for column in manifest.columns if {claim.a, claim.b} <= rows else ():
            for pair in zip(manifest.keys(claim.a, column), manifest.keys(claim.b, column), strict=True):
                made = {
                    Results.open(PUBLISHED).run(key).environment["device"]
                    for key in pair
                    if Results.open(PUBLISHED).is_done(key)
                }
                assert len(made) <= 1, (claim.id, column.id, pair)
                looked_at += 1
    assert looked_at


def test_published_runs_are_small_whole_and_hold_no_texts() -> None:
    store = Store(PUBLISHED)
    committed = [*store.runs.rglob("*"), *(PUBLISHED / "experiments").rglob("*")]  # not the reports made from them
    assert sum(path.stat().st_size for path in committed if path.is_file()) < 40e6
    assert (PUBLISHED / "NOTICE.md").read_text(encoding="utf-8") == notice(Store(Path("results/published")))
    for key in store.done_keys():
        spec = json.loads((store.runs / key / "spec.json").read_text(encoding="utf-8"))
        assert spec["key"] == key
        assert not [source for source in spec["data"]["sources"] if source.startswith(("/", "."))]
        settings = {name: value for name, value in spec["spec"].items() if name != "method_config"}
        assert RunSpec.from_json(settings).task == spec["spec"]["task"]
        for path in (store.runs / key / "predictions").glob("*.parquet"):
            table = pq.ParquetFile(path).read()
            assert all(COLUMNS.fullmatch(name) for name in table.column_names), path
            votes = [table[name].to_pandas() for name in table.column_names if name.startswith("votes_")]
            assert not votes or sum(votes).max() <= VOTES
