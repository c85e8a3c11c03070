"""docs/FINDINGS.md and docs/pilot.md say what the published runs say: every number in them is computed from them."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest

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
PAGES = ("FINDINGS.md", "pilot.md")
COLUMNS = re.compile(r"id|epoch|label|prediction|logit_\d+|votes_\d+")


@pytest.fixture(scope="module")
def findings() -> ModuleType:
    return module(ROOT / "docs" / "_scripts" / "findings.py")


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_published_runs_give(findings: ModuleType, name: str) -> None:
    written = (ROOT / "docs" / name).read_text(encoding="utf-8")
    assert written == findings.page(name), "run: python docs/_scripts/findings.py"


@pytest.mark.parametrize(("name", "fewest"), list(zip(PAGES, (10, 100), strict=True)))
def test_no_result_stands_in_the_prose_without_its_source(findings: ModuleType, name: str, fewest: int) -> None:
    """Scores, differences and ratios have decimals; what has none is part of the design (seeds, sizes, versions)."""
    text = (findings.TEMPLATES / f"{name}.j2").read_text(encoding="utf-8")
    assert text.count("{{ number(") > fewest
    text = re.sub(r"\{\{.*?\}\}|^```.*?^```|`[^`\n]*`|\]\([^)]*\)", "", text, flags=re.M | re.S)
    assert re.findall(r"(?<![\w.])[+\u2212]?\d+\.\d+|\d+ ?%", text) == []


@pytest.mark.parametrize(
    "name",
    [
        "claim/control-sda-one-student-on-sst2",
        "claim/control-sda-teacher-masks-on-sst2",
        "self-distillation/sst2.accuracy/sda[K=1]:shared",
        "self-distillation-paper-rate/sst2.accuracy@two-fifths-of-the-learning-rate/sda[K=1]",
        "self-distillation-three-layers/sst2.accuracy/sda[K=1]",
    ],
)
def test_the_readme_has_the_findings_numbers(findings: ModuleType, name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Findings so far")[2]
    facts = findings.facts()
    assert f"none of {facts['epsilon/epsilon-ascent@1e-05/differ/of']} answers" in text
    estimate = facts[f"{name}/estimate"] if name.startswith("claim/") else facts[f"{name}/difference"]
    low, high = (facts[f"{name}/{end}"].removeprefix("+") for end in ("low", "high"))
    assert re.search(rf"{re.escape(estimate)}[^()]*\({low} to \+?{high}\)", text)


def test_a_number_that_no_fact_has_is_refused(
    findings: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    template = tmp_path / "FINDINGS.md.j2"
    template.write_text('From {{ number("run") }} runs.', encoding="utf-8")
    monkeypatch.setattr(findings, "TEMPLATES", tmp_path)
    with pytest.raises(SystemExit, match=r"FINDINGS\.md\.j2: no fact is called 'run'; did you mean 'runs'"):
        findings.page("FINDINGS.md")
    template.write_text('From {{ number("runs") }} runs.\n', encoding="utf-8")
    assert findings.page("FINDINGS.md") == f"From {findings.facts()['runs']} runs.\n"


@pytest.mark.parametrize(
    ("outcomes", "told"),
    [
        (["stays", "stays"], "yes"),
        (["stays", "open"], "open"),
        (["changes", "open"], "no: half the learning rate"),
        (["changes", "changes"], "no: half the learning rate, double the learning rate"),
    ],
)
def test_a_finding_survives_if_no_setting_changes_it(findings: ModuleType, outcomes: list[str], told: str) -> None:
    assert findings.survival(dict(zip(findings.RATES, outcomes, strict=True))) == told


def test_a_finding_holds_unchanged_in_its_own_setting(findings: ModuleType) -> None:
    elsewhere = findings.elsewhere
    for finding in elsewhere.FINDINGS:
        if elsewhere.effect(finding, finding.here) is None:
            continue
        found = elsewhere.outcome(replace(finding, elsewhere={"itself": finding.here}), "itself")
        assert found.interval == elsewhere.effect(finding, finding.here)
        assert found.word == elsewhere.HOLDS
        assert (found.change.estimate, found.change.low, found.change.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("found", "low", "high", "word"),
    [
        (2.0, 0.1, 3.0, "holds"),
        (2.0, -0.1, 3.0, "open"),
        (2.0, -3.0, -0.1, "reversed"),
        (-2.0, -3.0, -0.1, "holds"),
        (-2.0, -3.0, 0.1, "open"),
        (-2.0, 0.1, 3.0, "reversed"),
    ],
)
def test_a_finding_holds_on_its_own_side_of_zero(
    findings: ModuleType, found: float, low: float, high: float, word: str
) -> None:
    assert findings.elsewhere.word_of(found, low, high) == word


def test_a_finding_on_shares_is_the_difference_of_the_arms_changed_answers(findings: ModuleType) -> None:
    elsewhere, radius = findings.elsewhere, findings.radius
    shares = {name: 100 * arm.changed / arm.of for name, arm in radius.arms().items()}
    for finding in elsewhere.FINDINGS[:2]:
        assert finding.of_answers
        expected = shares[finding.a] - shares[finding.b]
        assert elsewhere.effect(finding, finding.here).estimate == pytest.approx(expected)


def test_the_planned_seeds_of_the_tables_are_the_studies_own(findings: ModuleType) -> None:
    """The attacked contrast at seeds 0 to 7 is the difference of the study's table on CoLA, in both tables."""
    facts, about = findings.facts(), "together/cola.matthews/sda[K=1]"
    numbers = f"{facts[f'{about}/difference']} ({facts[f'{about}/low']} to {facts[f'{about}/high']})"
    for text in (findings.replicates(None), findings.changes(None)):
        (line,) = (line for line in text.splitlines() if line.startswith("| SDA (K = 1) is better than plain fine-t"))
        assert line.split(" | ")[1] == numbers.replace("(+", "(")


def test_pooled_sets_are_the_independent_checks(findings: ModuleType) -> None:
    """SMART [shared] on CoLA over all 24 seeds and over the 16 replications agrees with an independent computation.

    That one has no factor for the set: -2.45 (-4.46, -0.44) and -3.19 (-5.60, -0.78). The factor moves the ends by a
    few hundredths.
    """
    (smart,) = (each for each in findings.attacked() if (each.a, each.b) == ("smart[shared]", "vanilla"))
    for sets, expected in (
        ([smart.planned, *smart.replications], (-2.45, -4.46, -0.44)),
        (smart.replications, (-3.19, -5.60, -0.78)),
    ):
        alike = [replace(each, machines=frozenset()) for each in sets]
        without, pooled = findings.pool(alike), findings.pool(sets)
        assert (without.has_set_factor, pooled.has_set_factor) == (False, True)
        for interval, tolerance in ((without.interval, 0.005), (pooled.interval, 0.05)):
            assert (interval.estimate, interval.low, interval.high) == pytest.approx(expected, abs=tolerance)


def test_every_claim_of_the_papers_has_a_line_with_a_verdict_or_the_first_obstacle() -> None:
    script = module(ROOT / "docs" / "_scripts" / "paper_claims.py")
    lines = {line.claim.id: line for line in script.lines()}
    listed = [claim for family in script.families() if family.name.endswith(script.PAPERS) for claim in family.claims]
    assert sorted(lines) == sorted(listed)
    assert len(listed) == len(script.table().splitlines()) - 2
    counts = {name.removeprefix("papers/"): int(count) for name, count in script.facts().items()}
    assert counts["claims"] == len(listed) == sum(counts.values()) - counts["claims"]
    inert = "presumably inert: R_s is expected to be too weak there"
    first = {
        "smart-beats-freelb-shared": "another model (roberta-large)",
        "smart-mnli-mm-shared": "no data at hand of MNLI-mm",
        "smart-small-sets-shared": "the profile small cuts the training sets",
        "smart-snli-test-independent": "the profile small cuts the training sets",
        "smart-memory": "memory is measured on a GPU alone",
        "smart-time": "not run",  # no score matters
        "smart-retains-knowledge-shared": "not run",  # SciTail is scored only, and its dev set is there
        "smart-ablation-r-s-alone-shared": inert,
        "smart-ablation-r-s-matters-shared": inert,
        "smart-sensitivity-lambda-strong": inert,
        "smart-more-ascent-helps": inert,
        "smart-sensitivity-epsilon-flat-independent": inert,
        "smart-ablation-r-s-alone-independent": "presumed at the floor: RTE",  # dropout acts
        "smart-is-smoother-shared": "not run",  # a ratio, which equal answers do not decide
        "smart-inside-mt-dnn-shared": "presumed at the floor: RTE",  # the arms start from other weights
        "smart-sensitivity-mu-strong": "at the floor: CoLA; --tasks takes others",
    }
    assert {id: lines[id].obstacles[0] for id in first} == first
    assert lines["smart-beats-freelb-shared"].cost.startswith("120 runs of the paper's model")
    assert "0.8 points need 22 seeds" in lines["smart-on-mt-dnn-shared"].obstacles
    assert lines["smart-on-mt-dnn-shared"].experiment.seeds == tuple(range(22))
    lambdas = {row.x for row in lines["smart-sensitivity-lambda-flat"].experiment.rows if row.curve == "lambda_s"}
    assert lambdas == {1.0, 3.0, 10.0}


def test_the_figures_are_drawn_from_the_published_runs(findings: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "findings", findings)
    drawn = module(ROOT / "docs" / "_scripts" / "findings_figures.py")
    text = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in PAGES)
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
    for claim in manifest.claims:
        for column in manifest.columns if {claim.a, claim.b} <= rows else ():
            cells = [manifest.keys(row, column) for row in (claim.a, claim.b)]
            for pair in zip(*cells, strict=False):  # a row may have the first seeds alone
                made = {
                    Results.open(PUBLISHED).run(key).environment["device"]
                    for key in pair
                    if Results.open(PUBLISHED).is_done(key)
                }
                assert len(made) <= 1, (claim.id, column.id, pair)
                looked_at += 1
    assert bool(looked_at) == bool(manifest.claims)


def test_published_runs_are_small_whole_and_hold_no_texts() -> None:
    store = Store(PUBLISHED)
    committed = [*store.runs.rglob("*"), *(PUBLISHED / "experiments").rglob("*")]  # not the reports made from them
    assert sum(path.stat().st_size for path in committed if path.is_file()) < 40e6
    assert (PUBLISHED / "NOTICE.md").read_text(encoding="utf-8") == notice(Store(Path("results/published")))
    assert not (PUBLISHED / "runs").exists()
    assert len(store.done_keys()) == 394 + 299  # of the pilot, and of the studies so far
    for key in store.done_keys():
        spec = json.loads((store.folder(key) / "spec.json").read_text(encoding="utf-8"))
        assert spec["key"] == key
        assert not [source for source in spec["data"]["sources"] if source.startswith(("/", "."))]
        settings = {name: value for name, value in spec["spec"].items() if name != "method_config"}
        assert RunSpec.from_json(settings).task == spec["spec"]["task"]
        for path in (store.folder(key) / "predictions").glob("*.parquet"):
            table = pq.ParquetFile(path).read()
            assert all(COLUMNS.fullmatch(name) for name in table.column_names), path
            votes = [table[name].to_pandas() for name in table.column_names if name.startswith("votes_")]
            assert not votes or sum(votes).max() <= VOTES
