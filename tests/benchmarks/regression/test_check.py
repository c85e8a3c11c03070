"""The regression gate: it passes unchanged code, finds planted bugs, and says what it compared with what."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from analysis.records import with_digest
from benchmarks.cli import app as cli
from benchmarks.cli import config
from benchmarks.cli.display import Silent
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.request import Request
from benchmarks.regression import baseline as baselines
from benchmarks.regression import check
from benchmarks.regression import report as check_report
from benchmarks.regression.baseline import Cell, GridResults
from benchmarks.regression.comparison import Comparison, compare
from benchmarks.speed import gate
from benchmarks.speed.planted import IN_DATA, PLANTED, InProcess
from benchmarks.store.store import Store

WIDE = "epsilon=0.5,eta=50.0,sigma=0.5,teacher=ema-scaled"  # a ball in which R_s steers even a random little model
SHARED, INDEPENDENT = f"smart[shared]:{WIDE}", f"smart[independent]:{WIDE}"


@pytest.fixture(scope="session")
def grid(glue: Path, little_bert: Path) -> Request:
    """Two epochs of three updates of four methods on a task of 60 sentences."""
    return Request(
        name="compare",
        tasks="rte",
        methods=f"vanilla,{SHARED},{INDEPENDENT},sda",
        seeds="2",
        model=str(little_bert),
        data_dir=glue,
        epochs=2,
        settings=["learning_rate=0.003", "batch_size=20", "holdout=0.0"],
    )


@pytest.fixture(scope="session")
def file(grid: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the grid's baseline, of four seeds."""
    path = tmp_path_factory.mktemp("baselines") / "little.json"
    check.update(replace(grid, seeds="4"), path, InProcess(), Silent(), allow_dirty=True)
    return path


def checked(request: Request, file: Path, results: Path | None = None) -> Comparison:
    return check.check(request, file, InProcess(), Silent(), results)


def edited(file: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return the baseline with a change in it."""
    content = json.loads(file.read_text())
    change(content)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(with_digest(content)))
    return path


def elsewhere(content: dict[str, Any]) -> None:
    content["machine"]["device_name"] = "another processor"


# --- unchanged code ---


def test_unchanged_code_gives_the_same_bits_and_passes(grid: Request, file: Path) -> None:
    found = checked(grid, file)
    assert found.passed
    assert found.paired
    assert found.seeds == (0, 1)
    assert {finding.drift.verdict for finding in found.findings} == {"same"}
    assert all(finding.drift.difference == 0 for finding in found.findings)
    quantities = {finding.quantity for finding in found.findings if finding.cell == f"rte {SHARED}"}
    assert {
        "rte.dev.accuracy",
        "smoothness@10%",
        "bregman@50%",
        "start_share@100%",
        "max_abs_delta@100%",
        "loss@10%",
        "task@100%",
        "lr@50%",
        "tokens@10%",
    } <= quantities
    assert any(finding.quantity == "distillation@100%" for finding in found.findings)


def test_on_another_machine_the_spread_over_seeds_decides_and_it_says_so(
    grid: Request, file: Path, tmp_path: Path
) -> None:
    found = checked(grid, edited(file, tmp_path, elsewhere))
    assert not found.paired
    assert found.passed
    assert "device_name another processor ->" in found.unpaired_reason
    assert "unpaired: another machine or version than the baseline's" in check_report.summary(found)
    verdicts = {finding.quantity.partition("@")[0]: finding.drift.verdict for finding in found.findings}
    assert verdicts["loss"] == "within noise"
    assert verdicts["tokens"] == verdicts["lr"] == "same"  # no arithmetic in them: still compared seed by seed


def test_seeds_the_baseline_does_not_have_are_compared_unpaired(grid: Request, file: Path) -> None:
    found = checked(replace(grid, methods="vanilla", seeds="7,8"), file)
    assert (found.paired, found.passed) == (False, True)
    assert found.unpaired_reason == "the baseline has no seed 7, 8"
    assert len(found.unchecked) == 3


def test_a_baseline_of_one_seed_knows_no_spread(grid: Request, file: Path, tmp_path: Path) -> None:
    def one_seed(content: dict[str, Any]) -> None:
        elsewhere(content)
        for cell in content["cells"].values():
            for kind in ("seeds", "keys"):
                cell[kind] = cell[kind][:1]
            for table in (cell["scores"], cell["parts"]):
                table.update({name: values[:1] for name, values in table.items()})

    with pytest.raises(UsageError, match=r"fewer than 3 seeds of rte vanilla, too few .* --update"):
        checked(replace(grid, methods="vanilla", seeds="1"), edited(file, tmp_path, one_seed))


# --- bugs ---

# the cells that a bug touches must fail, and no other; a figure that names the bug is among what failed
BUGS = {
    "sign of R_s": ({SHARED}, "loss@10%"),
    "teacher not updated": ({SHARED}, "start_share@50%"),
    "labels shifted": ({SHARED, "vanilla"}, "task@10%"),
    "wrong projection": ({SHARED}, "max_abs_delta@10%"),
    "dropout reading swapped": ({SHARED}, "smoothness@10%"),
    "data order broken": ({SHARED, "vanilla"}, "task@100%"),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_fails_the_gate_in_the_cells_it_touches(bug: str, grid: Request, file: Path) -> None:
    touched, naming = BUGS[bug]
    with PLANTED[bug]():
        found = checked(replace(grid, methods=f"vanilla,{SHARED}"), file)
    assert found.paired
    assert not found.passed
    assert {finding.cell for finding in found.failed} == {f"rte {row}" for row in touched}
    assert naming in {finding.quantity for finding in found.failed}


@pytest.fixture(scope="module")
def data_cells(tmp_path_factory: pytest.TempPathFactory) -> tuple[Request, Path]:
    """Make a baseline of three seeds of the gate's own cells with data selection and scores that are no means."""
    request = Request(name="regression", tasks="demo-cola,demo-mrpc", methods="vanilla", seeds="3")
    path = tmp_path_factory.mktemp("data-cells") / "cells.json"
    check.update(request, path, InProcess(), Silent(), allow_dirty=True)
    return request, path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "cell"),
    [
        (None, ""),
        ("seed ignored in the subsample", "demo-cola vanilla"),
        ("training on the holdout", "demo-cola vanilla"),
        ("F1 of class 0", "demo-mrpc vanilla"),
    ],
)
def test_bugs_in_data_selection_and_scores_fail_the_gates_own_cells(
    bug: str | None, cell: str, data_cells: tuple[Request, Path]
) -> None:
    with IN_DATA[bug]() if bug else nullcontext():
        found = checked(*data_cells)
    assert found.paired
    assert found.passed == (bug is None)
    assert {finding.cell for finding in found.failed} == ({cell} if bug else set())


def test_every_planted_bug_has_a_test() -> None:
    assert set(BUGS) == set(PLANTED)
    assert len(IN_DATA) == 3


def test_swapped_masks_are_found_where_independent_ones_are_asked_for(grid: Request, file: Path) -> None:
    with PLANTED["dropout reading swapped"]():
        found = checked(replace(grid, methods=INDEPENDENT), file)
    assert not found.passed


def test_a_repeated_order_is_found_on_another_machine_too(grid: Request, tmp_path: Path) -> None:
    """By the tokens of each update, into which no arithmetic of the model enters."""
    fine = replace(
        grid, methods="vanilla", seeds="3", epochs=3, settings=["learning_rate=0.003", "batch_size=4", "holdout=0.0"]
    )
    check.update(fine, tmp_path / "fine.json", InProcess(), Silent(), allow_dirty=True)
    path = edited(tmp_path / "fine.json", tmp_path, elsewhere)
    assert checked(fine, path).passed
    with PLANTED["data order broken"]():
        found = checked(fine, path)
    assert not found.paired
    assert "tokens@50%" in {finding.quantity for finding in found.failed}


def test_runs_that_give_nothing_fail_the_gate(grid: Request, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("benchmarks.training.execute.load_model", crash)
    found = checked(replace(grid, methods="vanilla"), file)
    assert not found.passed
    assert found.failures == {"rte vanilla": "2 of 2 runs have no result: crash: RuntimeError: planted"}
    assert "have no result" in check_report.text(found)


# --- scores ---


def scores(content: dict[str, Any], change: Callable[[int, float], float]) -> None:
    for cell in content["cells"].values():
        cell["scores"] = {
            name: [change(seed, score) for seed, score in zip(cell["seeds"], values, strict=True)]
            for name, values in cell["scores"].items()
        }


@pytest.mark.parametrize(
    ("change", "verdict", "passes"),
    [
        (lambda seed, score: score - 0.10 - 0.001 * seed, "better", True),
        (lambda seed, score: score + 0.10 + 0.001 * seed, "worse", False),
        (lambda seed, score: score + (0.1 if seed % 2 else -0.1), "within noise", True),
    ],
)
def test_a_score_may_rise_or_stay_within_noise_but_not_fall(
    change: Callable[[int, float], float], verdict: str, passes: bool, grid: Request, file: Path, tmp_path: Path
) -> None:
    found = checked(replace(grid, methods="vanilla"), edited(file, tmp_path, lambda content: scores(content, change)))
    assert found.paired
    assert found.passed == passes
    assert [finding.drift.verdict for finding in found.findings if not finding.part] == [verdict]


def test_a_part_may_move_neither_way(grid: Request, file: Path, tmp_path: Path) -> None:
    for factor in (0.9999, 1.0001):

        def change(content: dict[str, Any], factor: float = factor) -> None:
            parts = content["cells"]["rte vanilla"]["parts"]
            parts["loss@50%"] = [factor * value for value in parts["loss@50%"]]

        found = checked(replace(grid, methods="vanilla", seeds="1"), edited(file, tmp_path, change))
        assert [(finding.quantity, finding.drift.verdict) for finding in found.failed] == [("loss@50%", "shifted")]


def test_a_part_that_went_fails_and_one_that_came_does_not(grid: Request, file: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        parts = content["cells"]["rte vanilla"]["parts"]
        parts["old@50%"] = parts.pop("loss@50%")

    found = checked(replace(grid, methods="vanilla", seeds="1"), edited(file, tmp_path, change))
    assert [(finding.quantity, finding.drift.verdict) for finding in found.failed] == [("old@50%", "gone")]
    assert [finding.quantity for finding in found.findings if finding.drift.verdict == "new"] == ["loss@50%"]


# --- what is told ---


@pytest.fixture(scope="session")
def failing(grid: Request, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """One cell that moved, one that did not."""

    def change(content: dict[str, Any]) -> None:
        content["cells"]["rte sda"]["parts"]["distillation@100%"] = [1.0] * 4
        scores({"cells": {"sda": content["cells"]["rte sda"]}}, lambda seed, score: score + 0.3)

    path = edited(file, tmp_path_factory.mktemp("failing"), change)
    return checked(replace(grid, methods="vanilla,sda"), path)


def test_the_table_names_what_moved(failing: Comparison) -> None:
    text = check_report.text(failing)
    assert "paired by seed" in text
    assert "FAILED: 2 of" in text
    assert [line.split()[-1] for line in text.splitlines() if "distillation@100%" in line] == ["shifted"]
    assert [line.split()[-1] for line in text.splitlines() if "rte.dev.accuracy" in line] == ["same", "worse"]


def test_github_gets_one_escaped_line_per_cell_that_failed(failing: Comparison) -> None:
    lines = check_report.text(failing, "github").splitlines()
    errors = [line for line in lines if line.startswith("::error ")]
    assert len(errors) == 1
    assert errors[0].startswith("::error title=smart-repro check compare%3A rte sda::rte.dev.accuracy worse: ")
    assert "%0Adistillation@100%25 shifted: 1 -> " in errors[0]
    assert lines[-1].startswith("::notice title=smart-repro check compare::")


def test_junit_has_a_case_per_cell(failing: Comparison, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "check.xml"
    check_report.write_junit(replace(failing, failures={"rte broken": "a \x00 & <b>"}), path)
    root = ET.parse(path).getroot()
    assert root.tag == "testsuites"
    (suite,) = root
    assert {name: suite.get(name) for name in ("tests", "failures", "errors")} == {
        "tests": "3",
        "failures": "1",
        "errors": "1",
    }
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert list(cases) == ["rte vanilla", "rte sda", "rte broken"]
    assert [len(case) for case in cases.values()] == [0, 1, 1]
    failure, error = cases["rte sda"].find("failure"), cases["rte broken"].find("error")
    assert failure is not None
    assert "distillation@100% shifted" in (failure.text or "")
    assert error is not None
    assert error.get("message") == "a ? & <b>"
    assert all(float(case.get("time") or "nan") >= 0 for case in cases.values())


def test_json_holds_every_figure(failing: Comparison) -> None:
    content = json.loads(check_report.text(failing, "json"))
    assert (content["passed"], content["paired"], content["seeds"]) == (False, True, [0, 1])
    assert len(content["findings"]) == len(failing.findings)


# --- baselines ---


def test_an_update_is_read_back_with_its_provenance(grid: Request, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    written = check.update(replace(grid, methods="vanilla", seeds="1"), path, InProcess(), Silent(), allow_dirty=True)
    assert baselines.read(path) == written
    about = written.provenance
    assert {"date", "command", "commit", "torch", "python", "device_name", "instructions"} <= set(about)
    assert "--seeds 1" in about["command"]
    assert about["command"].endswith("--baseline mine.json --update")
    assert set(written.machine) == set(baselines.MACHINE)
    assert checked(replace(grid, methods="vanilla", seeds="1"), path).passed


def test_an_update_refuses_what_no_commit_holds_before_it_trains(
    grid: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "commit", lambda: "abc-dirty")
    with pytest.raises(UsageError, match=r"differs from its commit: commit it first, or give --allow-dirty"):
        check.update(grid, tmp_path / "new.json", None, Silent())  # type: ignore[arg-type]
    monkeypatch.setattr(check, "commit", lambda: "")
    with pytest.raises(UsageError, match=r"installed package.*name another file with --baseline"):
        check.update(grid, baselines.FOLDER / "regression.json", None, Silent())  # type: ignore[arg-type]


def test_an_update_of_some_cells_does_not_drop_the_others(grid: Request, file: Path) -> None:
    with pytest.raises(UsageError, match=r"also has rte sda, .* which this update would drop"):
        check.update(replace(grid, methods="vanilla"), file, None, Silent(), allow_dirty=True)  # type: ignore[arg-type]


def test_a_baseline_that_is_missing_or_broken_says_what_to_do(grid: Request, file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no baseline .*none\.json: name another with --baseline, or write one with"):
        checked(grid, tmp_path / "none.json")
    broken = tmp_path / "broken.json"
    for text, message in (
        ("{", r"cannot be read .*: restore it from git, or delete it and write one"),
        ("[]", r"is no baseline of schema 1 \(found list\)"),
        ('{"schema": 7}', r"is no baseline of schema 1 \(found 7\)"),
        ('{"schema": 1, "name": "x"}', r"is damaged, it lacks cells: restore it from git, or delete it and write one"),
    ):
        broken.write_text(text)
        with pytest.raises(UsageError, match=message):
            checked(grid, broken)
    with pytest.raises(UsageError, match=r"damaged, it has not one key and one value per seed in cell 'rte sda'"):
        checked(grid, edited(file, tmp_path, lambda content: content["cells"]["rte sda"]["seeds"].pop()))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda content, cell: content.update(machine={}), "has no machine"),
        (lambda content, cell: content.update(machine=None), "has no object as machine"),
        (lambda content, cell: content.update(provenance=None), "has None as provenance"),
        (lambda content, cell: content.update(cells={}), "has no cells"),
        (lambda content, cell: cell.update(settings=None), "has None as cells.rte vanilla.settings"),
        (lambda content, cell: cell.update(scores={}, parts={}), "has neither scores nor parts in cell 'rte vanilla'"),
        (lambda content, cell: cell.update(seeds=[0, 0, 1, 2]), r"has the seeds \[0, 0, 1, 2\] in cell"),
        (lambda content, cell: cell["keys"].pop(), "has not one key and one value per seed in cell"),
        (lambda content, cell: cell["parts"].update({"loss@10%": [1.0, math.nan, 1.0, 1.0]}), "not finite in cell"),
    ],
)
def test_a_baseline_with_a_damaged_entry_is_refused_before_it_trains(
    change: Callable[[dict[str, Any], dict[str, Any]], object], fault: str, grid: Request, file: Path, tmp_path: Path
) -> None:
    def change_one(content: dict[str, Any]) -> None:
        change(content, content["cells"]["rte vanilla"])

    path = edited(file, tmp_path, change_one)
    with pytest.raises(UsageError, match=f"edited.json is damaged, it .*{fault}"):
        check.check(grid, path, None, Silent())  # type: ignore[arg-type]


def test_an_edited_score_of_a_baseline_is_refused_by_its_digest(grid: Request, file: Path, tmp_path: Path) -> None:
    content = json.loads(file.read_text())
    scores(content, lambda seed, score: 0.0)
    path = tmp_path / "edited.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UsageError, match=r"is damaged, it does not match the digest in it: restore it from git"):
        check.check(grid, path, None, Silent())  # type: ignore[arg-type]
    del content["digest"]
    path.write_text(json.dumps(content))
    assert baselines.read(path).cells["rte vanilla"].scores == {"rte.dev.accuracy": (0.0,) * 4}  # of an earlier version


def test_no_baseline_is_written_with_a_figure_that_is_not_finite(file: Path) -> None:
    written = baselines.read(file)
    cell = written.cells["rte vanilla"]
    diverged = replace(cell, parts={**cell.parts, "loss@10%": (math.nan,) * 4})
    measured = GridResults("compare", {"rte vanilla": diverged}, {}, (written.machine,), {}, {})
    with pytest.raises(UsageError, match=r"no baseline was written, rte vanilla: loss@10% is not finite in all runs"):
        check.new_baseline(measured, "", allow_dirty=True)


def test_a_grid_that_does_not_fit_the_baseline_is_refused_before_it_trains(grid: Request, file: Path) -> None:
    with pytest.raises(UsageError, match=r"has no cell 'rte pgd' \(it has rte vanilla"):
        check.check(replace(grid, methods="pgd"), file, None, Silent())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"rte vanilla has other settings than in .*: epochs 2 -> default"):
        check.check(replace(grid, methods="vanilla", epochs=3), file, None, Silent())  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="takes one experiment, and smart is several"):
        check.check(Request(name="smart"), file, None, Silent())  # type: ignore[arg-type]


# --- a folder of finished runs ---


def test_finished_runs_are_read_unless_other_code_made_them(
    grid: Request, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = replace(grid, methods="vanilla", seeds="1")
    first = checked(one, file, tmp_path / "results")
    assert first.notes == ()
    monkeypatch.setattr("benchmarks.training.execute.load_model", None)  # nothing can be trained any more
    again = checked(one, file, tmp_path / "results")
    assert again.findings == first.findings
    assert again.notes[0].startswith("1 of 1 runs were in ")
    (environment,) = (tmp_path / "results" / "runs").glob("*/environment.json")
    environment.write_text(json.dumps({**json.loads(environment.read_text()), "commit": "0000"}))
    monkeypatch.setattr(check, "commit", lambda: "1111")
    with pytest.raises(UsageError, match=r"that commit 0000 made, and this is 1111: they do not test this code"):
        checked(one, file, tmp_path / "results")


def test_other_data_under_the_same_settings_are_noted(grid: Request, file: Path, tmp_path: Path) -> None:
    def change(content: dict[str, Any]) -> None:
        content["cells"]["rte vanilla"]["keys"] = ["0" * 32] * 4

    found = checked(replace(grid, methods="vanilla", seeds="1"), edited(file, tmp_path, change))
    assert found.notes == ("data, weights or a version number changed since the baseline was written (rte vanilla)",)


# --- the command ---


def smart_repro(*words: object, capsys: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> tuple[int, str, str]:
    patch.delenv("SMART_REPRO_DATA", raising=False)
    patch.setattr(sys, "argv", ["smart-repro", "check", *map(str, words)])
    capsys.readouterr()
    code = cli.run_command(sys.argv[1:])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_the_command_writes_a_baseline_passes_it_and_fails_with_1(
    glue: Path, little_bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's own grid."""
    monkeypatch.setattr("benchmarks.engine.choose.make_executor", lambda *_: InProcess())
    path, junit = tmp_path / "mine.json", tmp_path / "check.xml"
    words = [
        "compare",
        "--tasks",
        "rte",
        "--methods",
        "vanilla",
        "--seeds",
        1,
        "--epochs",
        1,
        "--model",
        little_bert,
        "--data-dir",
        glue,
        "--baseline",
        path,
        "--quiet",
    ]
    code, out, err = smart_repro(*words, "--update", "--allow-dirty", capsys=capsys, patch=monkeypatch)
    assert (code, out) == (0, f"Baseline: {path} (1 cells)\n"), err
    code, out, _ = smart_repro(*words, "--junit", junit, capsys=capsys, patch=monkeypatch)
    assert code == 0
    assert "PASSED" in out
    assert ET.parse(junit).getroot()[0].get("failures") == "0"
    content = json.loads(path.read_text())
    content["cells"]["rte vanilla"]["parts"]["loss@10%"] = [9.0]
    path.write_text(json.dumps(with_digest(content)))
    code, out, _ = smart_repro(*words, "--format", "github", capsys=capsys, patch=monkeypatch)
    assert code == 1
    assert out.startswith("::error title=smart-repro check compare%3A rte vanilla::loss@10%25 shifted: 9 -> ")


def test_usage_errors_end_with_2(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for words, message in (
        (["--format", "xml"], "--format xml: no such format; give text, github, json"),
        (["smart-table1"], "name the baseline of smart-table1 with --baseline FILE"),
        (["--baseline", "gone.json"], "there is no baseline gone.json"),
    ):
        code, _, err = smart_repro(*words, capsys=capsys, patch=monkeypatch)
        assert (code, message in err) == (2, True), err


def test_a_file_of_defaults_changes_nothing_about_the_grid(tmp_path: Path) -> None:
    """What is compared must be what today's code does on the grid of the baseline, whatever a project's file says."""
    path = tmp_path / "smart-repro.toml"
    path.write_text(
        'model = "minilm"\nresults = "elsewhere"\nseeds = 9\nepochs = 7\ntasks = "rte"\nmethods = "sda"\n'
        "workers = 2\nquiet = true\n[set]\nbatch_size = 7\n"
    )
    defaults = config.read(path, lambda: config.option_names(cli.app))

    def bound(*words: str) -> dict[str, Any]:
        cli.app.config = (defaults,)
        return dict(cli.app.parse_args(words)[1].arguments)

    assert bound("check") == {"workers": 2, "quiet": True}
    run = bound("run", "compare")
    assert (run["grid"].model, run["grid"].seeds, run["grid"].epochs, run["grid"].tasks) == ("minilm", "9", 7, "rte")
    assert run["grid"].settings == ["batch_size=7"]
    assert run["results"] == tmp_path / "elsewhere"
    assert (run["execution"].workers, run["execution"].quiet) == (2, True)


# --- the project's own baseline ---


def test_the_committed_baseline_covers_the_grid_and_knows_its_spread() -> None:
    committed = baselines.read(check.file_of("regression", None))
    plan = check.plan_of(Request(name="regression"), Store(Path("nowhere")))
    told = {name: check.settings(plan.jobs[min(runs.values())].spec) for name, _, runs in check.by_cell(plan)}
    check.must_fit(committed, told, Path("regression.json"))
    assert set(told) == set(committed.cells)
    assert all(len(cell.seeds) == check.UPDATE_SEEDS for cell in committed.cells.values())
    assert not committed.provenance["commit"].endswith("-dirty")
    keys = {key for _, _, runs in check.by_cell(plan) for key in runs.values()}
    assert keys <= {key for cell in committed.cells.values() for key in cell.keys}, "data or a version changed: update"


def test_no_split_of_the_committed_baselines_seeds_is_an_alarm() -> None:
    """Three of its seeds against the other seven, as on another machine, 50 times."""
    found = gate.splits(SimpleNamespace(repetitions=50, seeds=3))
    assert (found["repetitions"], found["paired"], found["alarms"]) == (50, 0, 0), found


def test_without_equal_bits_the_committed_baseline_still_tells_readings_teachers_and_balls_apart() -> None:
    committed = baselines.read(check.file_of("regression", None))
    cell = "demo-sst2 smart[shared]"
    right = committed.cells[cell]

    def judged(now: Cell) -> set[str]:
        machine = {**committed.machine, "device_name": "another processor"}
        found = compare(committed, GridResults("regression", {cell: now}, {}, (machine,), {}, {}))
        assert not found.paired
        return {finding.quantity.partition("@")[0] for finding in found.failed}

    def with_part(name: str, factor: float) -> Cell:
        changed = {
            part: tuple(factor * value for value in values) for part, values in right.parts.items() if name in part
        }
        return replace(right, parts={**right.parts, **changed})

    assert judged(right) == set()
    assert "smoothness" in judged(committed.cells["demo-sst2 smart[independent]"])
    assert judged(with_part("start_share", 1.1)) == {"start_share"}
    assert judged(with_part("max_abs_delta", 1.1)) == {"max_abs_delta"}
