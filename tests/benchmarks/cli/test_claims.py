"""The list of claims and the card of one, with the verdicts of the runs that a results folder has."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.claims import counts_in_words, decide_all, in_words
from analysis.report.answer import headline
from analysis.report.card.sentences import effect_of, found, titles_of
from analysis.results import Results
from analysis.schema import Claim
from analysis.tables import probability
from benchmarks.cli import app as cli
from benchmarks.cli.claims import list_text, run_command
from benchmarks.cli.verdicts import verdicts_on
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request

ROOT = Path(__file__).resolve().parents[3]
PUBLISHED = ROOT / "results" / "published"
OPEN, SUPPORTED, NEVER_RUN = "control-smart-shared-beats-vanilla", "control-sda-masks-matter", "smart-mnli-shared"
needs_runs = pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published runs are in the repository alone")
Printed = tuple[int, str, str]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]):
    def command(*words: object) -> Printed:
        code = cli.run_command([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Make a results folder whose published runs are the repository's."""
    (tmp_path / "published").mkdir()
    for part in ("experiments",):
        (tmp_path / "published" / part).symlink_to(PUBLISHED / part)
    return tmp_path


def entries(card: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in card.splitlines() if ": " in line)


# --- the card ---


@needs_runs
def test_the_card_of_a_claim_says_what_the_runs_say(run, results: Path) -> None:
    opened = Results(PUBLISHED)
    manifest = opened.manifest("together")
    verdict = next(v for v in decide_all(opened, manifest) if v.claim.id == OPEN)
    card = entries(run("show", f"claim:{OPEN}", "--results", results)[1])
    assert card["verdict"] == verdict.words_with(titles_of(manifest))
    assert card["verdict"] == "inconclusive, on SST-2 alone of its 4 tasks"
    assert card["p"] == f"primary: p = {probability(verdict.holm)} after Holm over 12 primary contrasts of the pilot"
    assert card["rule"].startswith("bound 1 point on CoLA, 0.5 points on SST-2: ")
    assert card["rule"].endswith("; corrected by Holm over the 12 primary contrasts of the pilot")
    assert "over the tasks" not in card["rule"]
    assert card["reading"] == "shared masks"
    assert card["effect"] == effect_of(verdict) != ""
    assert card["effect"].partition(" points (")[2].rstrip(")") in in_words(verdict)
    assert card["finding"] == found(verdict, titles_of(manifest))
    assert "seeds would" in card["to decide it"]
    assert "at the level 0.05/12 of Holm's correction over 12 primary contrasts of the pilot" in card["to decide it"]
    assert card["runs"] == f"together in {results / 'published'}, profile small"
    content = json.loads(run("show", f"claim:{OPEN}", "--results", results, "--json")[1])
    (stored,) = content["verdicts"]
    assert (stored["words"], stored["effect"]) == (verdict.words, card["effect"])
    assert stored["per_task"]["sst2"]["estimate"] == verdict.per_task["sst2"].estimate


@needs_runs
def test_a_decided_claim_needs_no_command(run, results: Path) -> None:
    card = entries(run("show", f"claim:{SUPPORTED}", "--results", results)[1])
    assert card["verdict"].startswith("supported (exploratory)")
    assert "command" not in card
    assert "to decide it" not in card


def test_a_claim_without_runs_names_the_command_that_makes_them(run, tmp_path: Path) -> None:
    card = entries(run("show", f"claim:{NEVER_RUN}", "--results", tmp_path)[1])
    assert card["verdict"] == f"not run: no run in {tmp_path} decides it"
    assert shlex.split(card["command"])[:3] == ["smart-repro", "reproduce", "smart-table1"]
    assert str(tmp_path) in card["command"]


@needs_runs
def test_a_claim_with_too_few_runs_says_so_and_names_a_command(run, results: Path) -> None:
    card = entries(run("show", "claim:control-together-smart-independent", "--results", results)[1])
    assert card["verdict"] == "not run"
    assert "0 of 8 seeds" in card["finding"]
    assert "together" in card["command"]


def _pairs() -> list[tuple[Experiment, Claim]]:
    published = [build() for build in EXPERIMENTS.values()]
    demos = [PROFILES["demo"](each) for each in published if "demo" not in each.not_in]
    return [(experiment, claim) for experiment in [*published, *demos] for claim in experiment.claims]


def test_the_command_of_every_claim_plans_the_runs_that_decide_it(tmp_path: Path) -> None:
    """Of all claims, as published and in the demo: the grid has the claim, both rows and all its tasks."""
    looked_at = 0
    for experiment, claim in _pairs():
        program, verb, name, *rest = shlex.split(run_command(experiment, claim, tmp_path))
        assert (program, verb) == ("smart-repro", "reproduce")
        options = dict(zip(rest[::2], rest[1::2], strict=True))
        request = Request(
            name=name,
            profile=options.get("--profile"),
            tasks=options.get("--tasks"),
            methods=options.get("--methods"),
        )
        planned = request.experiment()
        (same,) = (each for each in planned.claims if each.id == claim.id)
        kept, whole = ({row.id for row in each.rows} for each in (planned, experiment))
        assert {same.a, same.b} & whole <= kept, claim.id
        assert set(claim.tasks) & set(experiment.tasks) <= set(planned.tasks), claim.id
        assert planned.baseline == experiment.baseline, claim.id
        looked_at += 1
    assert looked_at > 250


# --- the list ---


@needs_runs
@pytest.mark.parametrize("width", [80, 110, 160])
def test_the_list_has_one_line_a_claim_within_the_terminals_width(
    run, results: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, err = run("list", "claims", "what-drives-smart", "--results", results)
    assert code == 0, err
    heading, *lines, empty, total = out.splitlines()
    claims = EXPERIMENTS["what-drives-smart"]().claims
    assert heading.startswith("what-drives-smart: What drives SMART")
    assert str(results / "published") in heading
    assert [line.split()[0] for line in lines] == [claim.id for claim in claims]
    assert all(len(line) <= width for line in lines)
    for line, claim in zip(lines, claims, strict=True):
        shown = line.split("  ")[-1].strip()
        kept = shown.removesuffix(" …")
        assert claim.sentence.startswith(kept)
        assert kept == claim.sentence or claim.sentence[len(kept)] == " ", "broken inside a word"
    assert empty == ""
    assert total.startswith(f"{len(claims)} claims in 1 experiment: ")
    assert err.startswith("Next: smart-repro show claim:control-perturbation-matters --results ")


@needs_runs
def test_the_list_holds_the_verdicts_of_the_reports(run, results: Path) -> None:
    rows = json.loads(run("list", "claims", "what-drives-sda", "--results", results, "--json")[1])
    opened = Results(PUBLISHED)
    verdicts = {v.claim.id: v for v in decide_all(opened, opened.manifest("what-drives-sda"))}
    assert {row["id"]: row["words"] for row in rows} == {id: verdict.words for id, verdict in verdicts.items()}
    assert {row["verdict"] for row in rows} >= {"supported (exploratory)", "no verdict", "inconclusive"}
    total = run("list", "claims", "what-drives-sda", "--results", results)[1].splitlines()[-1]
    assert total == "4 claims in 1 experiment: 2 supported (exploratory), 1 inconclusive, 1 no verdict"


@needs_runs
def test_a_qualifier_of_a_verdict_is_in_the_list_too(run, results: Path) -> None:
    rows = {
        row["id"]: row
        for name in ("together", "what-drives-sda")
        for row in json.loads(run("list", "claims", name, "--results", results, "--json")[1])
    }
    assert rows[SUPPORTED]["short"] == "supported (exploratory; 1 of 4 tasks)"
    changed = rows["control-sda-beats-vanilla"]["short"]
    assert changed == "inconclusive (contradicted before Holm's correction; 1 of 4 tasks)"
    assert rows["control-sda-age-matters"]["short"] == "no verdict"
    printed = run("list", "claims", "together", "--results", results)[1]
    assert changed in printed
    assert rows[OPEN]["reading"] == "shared masks"


@needs_runs
def test_a_long_verdict_stays_within_the_width(run, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    out = run("list", "claims", "together", "--results", results)[1]
    _, *lines, _, _ = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert "    inconclusive (contradicted before Holm's correction; 1 of 4 tasks)" in lines


@needs_runs
def test_the_list_counts_claims_as_the_reports_do(run, results: Path) -> None:
    opened = Results(PUBLISHED)
    for name in ("what-drives-smart", "what-drives-sda"):
        verdicts = decide_all(opened, opened.manifest(name))
        total = run("list", "claims", name, "--results", results)[1].splitlines()[-1]
        assert total == f"{len(verdicts)} claims in 1 experiment: {counts_in_words(verdicts)}"
        assert headline(verdicts, []).startswith(f"{len(verdicts)} claims: {counts_in_words(verdicts)}.")
    assert counts_in_words(decide_all(opened, opened.manifest("what-drives-smart"))) == (
        "4 no verdict, 2 not run, 1 inert"
    )


@needs_runs
def test_a_claim_whose_task_the_experiment_lacks_cannot_be_decided_there(run, results: Path) -> None:
    name = "smart-agreement-everywhere-shared"
    card = entries(run("show", f"claim:{name}", "--results", results)[1])
    assert card["verdict"] == "cannot be decided here"
    assert card["finding"] == "Cannot be decided here: mnli-mm with any metric is not in this experiment."
    assert "--profile paper" in card["command"]
    content = json.loads(run("show", f"claim:{name}", "--results", results, "--json")[1])
    assert content["verdicts"][0]["status"] == "not run"
    listed = run("list", "claims", "smart-fig2", "--results", results)[1]
    assert listed.splitlines()[-1] == "12 claims in 1 experiment: 6 not run, 6 cannot be decided here"


def test_a_filter_may_be_given_without_its_option(run, tmp_path: Path) -> None:
    typed = run("list", "claims", "smart", "--results", tmp_path)
    assert typed == run("list", "claims", "--experiment", "smart", "--results", tmp_path)
    assert typed[1].splitlines()[-1].endswith(" not run")
    assert {line.split(":")[0] for line in typed[1].splitlines() if ": " in line.partition("  ")[0]} > {"smart-table1"}
    code, _, err = run("list", "tasks", "smart")
    assert code == 2
    assert "--experiment smart is for `list claims`, got `list tasks`" in err


def test_where_a_sentence_finds_no_room_it_has_a_line_of_its_own(tmp_path: Path) -> None:
    row = {"id": "i" * 50, "experiment": "together", "claim": "A sentence of seven words for this test.", "runs": ""}
    _, first, second, *_ = list_text([row | {"verdict": "not run"}], tmp_path, 60).splitlines()
    assert first == f"{'i' * 50}  not run"
    assert second == "    A sentence of seven words for this test."


@needs_runs
def test_own_runs_decide_before_published_ones(results: Path) -> None:
    (_, published) = verdicts_on([OPEN], results)[OPEN]
    assert published.results.root == results / "published"
    (results / "experiments").symlink_to(PUBLISHED / "experiments")
    (_, own) = verdicts_on([OPEN], results)[OPEN]
    assert own.results.root == results


@needs_runs
def test_a_damaged_manifest_hides_no_other_verdict(run, results: Path) -> None:
    (results / "experiments" / "broken").mkdir(parents=True)
    (results / "experiments" / "broken" / "grid.json").write_text("{")
    code, out, err = run("list", "claims", "together", "--results", results)
    assert code == 0
    assert "broken: left out: " in err
    assert "inconclusive" in out


def test_without_runs_no_library_of_the_statistics_is_imported(tmp_path: Path) -> None:
    """A folder with a grid that has no finished run costs no import either."""
    (tmp_path / "results").mkdir()
    if PUBLISHED.is_dir():
        manifest = next((PUBLISHED / "experiments" / "together").glob("*.json"))
        (tmp_path / "results" / "experiments" / "together").mkdir(parents=True)
        (tmp_path / "results" / "experiments" / "together" / manifest.name).write_bytes(manifest.read_bytes())
    script = (
        "import sys; from benchmarks.cli import app\n"
        f"assert app.run_command(['list', 'claims', 'together']) == 0\n"
        f"assert app.run_command(['show', 'claim:{OPEN}']) == 0\n"
        "sys.exit(str([name for name in ('torch', 'pandas', 'scipy', 'matplotlib') if name in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.splitlines()[-1] == "[]", done.stderr


# --- the card of an experiment in a profile ---


@pytest.mark.parametrize("profile", ["demo", "small", "paper"])
def test_the_card_of_an_experiment_says_what_a_profile_runs(run, profile: str) -> None:
    code, out, err = run("show", "smart-table1", "--profile", profile, "--json")
    assert code == 0, err
    content = json.loads(out)
    planned = Request(name="smart-table1", profile=profile).experiment()
    assert content["columns"] == [column.id for column in planned.columns]
    assert list(content["rows"]) == [row.id for row in planned.rows]
    assert content["seeds"] == list(planned.seeds)
    assert content["settings"]["model"] == planned.settings["model"]
    assert list(content["claims"]) == [claim.id for claim in planned.claims]
    assert content["runs"] == len({spec for *_, spec in planned.specs()})
    assert run("show", "experiment:smart-table1", "--profile", profile)[1].count(f"profile: {profile}: Use ") == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["task:rte", "--profile", "demo"], "--profile is for experiments"),
        (["smart-table1", "--profile", "dmeo"], "did you mean 'demo'"),
        (["smart-tabel1", "--profile", "demo"], "did you mean 'smart-table1'"),
        (["smart-table6", "--profile", "demo"], "has no profile demo"),
    ],
)
def test_a_profile_that_does_not_fit_is_refused_in_one_line(run, words: list[str], problem: str) -> None:
    code, out, err = run("show", *words)
    assert (code, out) == (2, "")
    assert problem in err
    assert err.count("\n") == 1
