"""The command line as a person meets it: from nothing to a report, and one clear line for every mistake."""

from __future__ import annotations

import gzip
import html
import json
import shlex
import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest

from analysis import scores
from analysis.results import Results
from benchmarks.cli import app as cli
from benchmarks.spec_checks import SETTINGS
from benchmarks.training.prepared import split_in_memory

ROOT = Path(__file__).resolve().parents[3]


class Shell:
    """Runs ``smart-repro`` in this process and keeps what it printed."""

    def __init__(self, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self._patch, self._capture = patch, capture

    def __call__(self, *words: object) -> tuple[int, str, str]:
        self._patch.setattr(sys, "argv", ["smart-repro", *map(str, words)])
        split_in_memory.cache_clear()
        code = cli.run_command(sys.argv[1:])
        printed = self._capture.readouterr()
        return code, printed.out, printed.err


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return Shell(monkeypatch, capsys)


def grid(glue: Path, model: Path, results: Path, tasks: str = "rte,stsb") -> list[object]:
    return [
        "compare",
        "--tasks",
        tasks,
        "--methods",
        "vanilla,smart",
        "--seeds",
        2,
        "--epochs",
        1,
        "--model",
        model,
        "--data-dir",
        glue,
        "--results",
        results,
        "--set",
        "learning_rate=1e-3",
    ]


def test_from_official_files_to_a_report_that_recomputes_and_trains_nothing_twice(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    options = grid(glue, little_bert, results)
    code, out, err = shell("run", *options)
    assert code == 0, err
    assert "8 runs done" in out
    assert f"Next: smart-repro report compare --results {results}" in err

    code, out, _ = shell("report", "compare", "--results", results)
    assert code == 0
    folder = results / "reports" / "compare"
    assert {path.name for path in folder.iterdir()} >= {"report.html", "table.md", "table.tex", "table.csv", "figures"}
    assert all(_mean_recomputes(line, results) for line in _manifest(results)["columns"])

    command = _manifest(results)["commands"]["rerun_cell"]
    assert html.escape(command) in (folder / "report.html").read_text()
    key = min(path.name for path in (results / "runs").iterdir())
    code, out, _ = shell(*shlex.split(command.replace("KEY", key[:8]))[1:])
    assert (code, out) == (0, f"{key} is reproduced, byte for byte\n")

    code, out, _ = shell("run", *options)
    assert code == 0
    assert "0 runs done in 0 s, 8 were done before" in out

    code, out, _ = shell("status", "--results", results, "--json")
    entry = json.loads(out)[0]
    assert (entry["runs"], entry["done"], entry["todo"]) == (8, 8, 0)


def _manifest(results: Path) -> dict[str, object]:
    (path,) = (results / "experiments" / "compare").glob("*.json")
    return json.loads(path.read_text())


def _mean_recomputes(column: dict[str, str], results: Path) -> bool:
    """Compute the table's mean of every row, from the prediction files alone."""
    manifest = _manifest(results)
    table = pd.read_csv(results / "reports" / "compare" / "table.csv")
    for row, tasks in manifest["cells"].items():
        found = []
        for key in tasks[column["task"]]:
            frame = pd.read_parquet(results / "runs" / key / "predictions" / f"{column['task']}.dev.parquet")
            last = frame[frame["epoch"] == frame["epoch"].max()]
            found.append(scores.score(column["metric"], last["label"].to_numpy(), last["prediction"].to_numpy()))
        cell = table[(table["row"] == row) & (table["column"] == column["id"])]
        assert cell["mean"].item() == pytest.approx(100 * sum(found) / len(found), abs=1e-9)
        assert cell["n_seeds"].item() == len(found) == 2
    return True


def test_a_dry_run_shows_the_runs_and_writes_nothing(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    code, out, _ = shell("run", *grid(glue, little_bert, results), "--dry-run")
    assert code == 0
    assert "8 runs: 8 to do" in out
    assert not results.exists()


def test_a_plan_as_json_counts_runs_updates_and_cost(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path
) -> None:
    code, out, _ = shell("plan", *grid(glue, little_bert, tmp_path), "--json")
    plan = json.loads(out)
    assert code == 0
    updates = 8 * 4  # 54 training examples in updates of 16
    assert (plan["runs"], plan["updates"], plan["forward_units"]) == (8, updates, 16 * 3 + 16 * 9)


def test_a_plan_says_what_its_seeds_and_items_can_show(shell: Shell, tmp_path: Path) -> None:
    code, out, _ = shell("plan", "sda-table4", "--seeds", "5", "--results", str(tmp_path))
    assert code == 0
    line = next(line for line in out.splitlines() if line.startswith("  demo-sda-large-nli:"))
    assert "5 seeds × 2,000 items show differences from about" in line
    assert line.endswith("points (80 % power)")  # no size of the paper's stands beside generated data
    assert "claimed" not in out
    assert "demo-sda-large-nli: 3 of 5 seeds: cannot be decided" in shell("plan", "sda-table4", "--seeds", "3")[1]
    assert "can see" not in shell("plan", "sda-table4", "--seeds", "1", "--results", str(tmp_path))[1]


@pytest.mark.parametrize("kind", ["methods", "tasks", "experiments", "profiles", "models"])
def test_listings_print_every_name(shell: Shell, kind: str) -> None:
    code, out, _ = shell("list", kind, "--json")
    names = [row["name"] for row in json.loads(out)]
    assert code == 0
    assert names
    code, out, _ = shell("list", kind)
    assert all(name in out for name in names)


@pytest.mark.parametrize(
    "name", ["smart", "task:rte", "smart-table1", "demo", "model:tiny", "spec", "claim:demo-smart-mnli-shared"]
)
def test_cards_name_their_subject(shell: Shell, name: str) -> None:
    code, out, _ = shell("show", name)
    assert code == 0
    assert name.partition(":")[2] in out or "learning_rate" in out


def test_the_card_of_a_run_is_read_from_its_folder(shell: Shell) -> None:
    root = Path(__file__).resolve().parents[3] / "results" / "published"
    results = Results(root)
    key = next(key for key in results.run_keys() if results.run(key).spec["task"] == "cola")
    stored = json.loads((results.folder(key) / "result.json").read_text())
    for name in (key, key[:12], f"run:{key[:12]}"):
        code, out, _ = shell("show", name, "--results", root)
        assert code == 0
        assert out.startswith(f"Run {key}: ")
        assert f"{100 * stored['scores']['cola']['dev']['matthews']:.2f}" in out
        assert "{" not in out
    assert shell("show", "run:0", "--results", root)[2].count("runs begin with '0'") == 1
    assert json.loads(shell("show", key, "--results", root, "--json")[1])["result"] == stored


def test_the_settings_of_a_run_are_listed_with_default_and_meaning(shell: Shell) -> None:
    rows = {row["setting"]: row for row in json.loads(shell("show", "spec", "--json")[1])}
    assert set(rows) == set(SETTINGS)
    assert rows["learning_rate"]["default"] == "2e-05"
    assert rows["holdout"]["meaning"] == "share of the training set kept aside for selection"
    assert "tuple[" not in shell("show", "spec")[1]


def test_claims_are_filtered_by_experiment_paper_and_task(shell: Shell) -> None:
    def ids(*words: str) -> list[str]:
        return [row["id"] for row in json.loads(shell("list", "claims", *words, "--json")[1])]

    assert set(ids("--experiment", "smart-table1")) < set(ids("--experiment", "smart")) < set(ids())
    assert ids("--experiment", "smart-table1", "--task", "mnli-mm") == [
        "smart-mnli-mm-shared",
        "smart-mnli-mm-independent",
    ]
    assert shell("list", "claims", "--experiment", "sda", "--task", "ax")[2] == "no claims are left by these filters\n"


# --- bad input: one line, exit code 2, no traceback, nothing that looks finished ---


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"--tasks": "rtee"}, "did you mean 'rte'"),
        ({"--methods": "smrt"}, "did you mean 'smart'"),
        ({"--methods": "smart:lamda_s=3"}, "did you mean 'lambda_s'"),
        ({"--methods": "smart:epsilon=-1"}, "epsilon must be positive"),
        ({"--model": "./no-such-folder"}, "no such folder"),
        ({"--model": "no-such-model"}, "no model 'no-such-model'"),
        ({"--seeds": "x"}, "--seeds x"),
        ({"--set": "epoch=3"}, "NAME=VALUE"),
        ({"--data-dir": "./no-such-data"}, "no-such-data"),
        ({"--epochs": "0"}, "epochs must be at least 1"),
    ],
)
def test_a_wrong_option_is_one_clear_line(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path, change: dict[str, str], complaint: str
) -> None:
    words = list(map(str, grid(glue, little_bert, tmp_path / "results")))
    for option, value in change.items():
        words[words.index(option) + 1] = value
    _refused(shell("run", *words), complaint, tmp_path / "results")


def _refused(outcome: tuple[int, str, str], complaint: str, results: Path) -> None:
    code, _, err = outcome
    assert code == 2, err
    assert complaint in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1
    assert not (results / "runs").exists() or not list((results / "runs").iterdir())


def test_data_names_the_folders_no_task_looks_into(shell: Shell, glue: Path, tmp_path: Path) -> None:
    copy = tmp_path / "data"
    shutil.copytree(glue, copy)
    (copy / "Cola_2").mkdir()
    _, _, err = shell("data", "--data-dir", copy)
    assert f"Folders of {copy} that no task looks into: Cola_2" in err


def _broken(glue: Path, folder: Path, task: str, split: str, change: object) -> Path:
    copy = folder / "glue_data"
    shutil.copytree(glue, copy)
    path = copy / task / f"{split}.tsv"
    path.write_text(change(path.read_text()))  # type: ignore[operator]
    return copy


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda text: text.replace("\tentailment", "\tperhaps", 1), "perhaps"),
        (lambda text: text.replace("\t", " ", 3), "train.tsv"),
        (lambda text: text.splitlines()[0] + "\n", "train"),
    ],
)
def test_broken_data_names_the_file(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path, change: object, complaint: str
) -> None:
    data = _broken(glue, tmp_path, "RTE", "train", change)
    outcome = shell("run", *grid(data, little_bert, tmp_path / "results", tasks="rte"))
    _refused(outcome, complaint, tmp_path / "results")
    assert "RTE" in outcome[2]


def test_a_truncated_gzip_names_the_file(shell: Shell, little_bert: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "SNLI"
    folder.mkdir(parents=True)
    line = json.dumps({"gold_label": "neutral", "sentence1": "a dog .", "sentence2": "a cat .", "pairID": "1"})
    whole = gzip.compress((line + "\n").encode() * 500)
    for split in ("train", "dev", "test"):
        (folder / f"snli_1.0_{split}.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    outcome = shell("run", *grid(tmp_path / "data", little_bert, tmp_path / "results", tasks="snli"))
    _refused(outcome, "snli_1.0_", tmp_path / "results")


def test_a_results_folder_that_cannot_be_written_is_refused(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path
) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    outcome = shell("run", *grid(glue, little_bert, blocker / "results"))
    _refused(outcome, "cannot be written", blocker / "results")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["run", "smart-table1", "--data-dir", "."], "contradicts the profile demo"),
        (["run", "compare", "--profile", "demo"], "compare takes no --profile"),
        (["run", "compare"], "needs --tasks (or --data, for own data) and --methods"),
        (["run", "smart-tabel1"], "did you mean 'smart-table1'"),
        (["run", "smart-table1", "--profile", "dmo"], "did you mean 'demo'"),
        (["report", "compare"], "compare"),
        (["status"], "there are no experiments"),
        (["show", "nothing-like-it"], "nothing is called"),
        (["list", "method"], "did you mean 'methods'"),
        (["data", "rtee"], "did you mean 'rte'"),
    ],
)
def test_a_request_that_makes_no_sense_is_one_clear_line(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    _refused(shell(*words), complaint, tmp_path / "results")
    assert not list(tmp_path.iterdir())


def test_unknown_options_are_usage_errors(shell: Shell) -> None:
    code, _, err = shell("run", "compare", "--no-such-option")
    assert code == 2
    assert "Unknown option: --no-such-option" in err
    assert "`smart-repro run --help`" in err


def test_a_failed_run_is_reported_and_the_others_are_kept(
    shell: Shell, glue: Path, little_bert: Path, tmp_path: Path
) -> None:
    words = grid(glue, little_bert, tmp_path, tasks="rte")
    words[words.index("vanilla,smart")] = "vanilla,smart:ascent=exact,dropout=shared"
    words[words.index("learning_rate=1e-3")] = "learning_rate=1e30"
    code, out, err = shell("run", *words, "--set", "clip=none", "--set", "warmup=0")
    assert code == 3, err
    assert "failed" in out
    code, out, _ = shell("status", "--results", tmp_path)
    assert "non-finite" in out


def test_doctor_looks_at_everything(shell: Shell, tmp_path: Path) -> None:
    code, out, _ = shell("doctor", "--results", tmp_path / "results", "--json")
    found = {check["what"]: check["state"] for check in json.loads(out)}
    assert code == 0
    assert {"python", "torch", "device", "cores", "memory", "disk", "model tiny", "data"} <= set(found)
