"""Own data on the command line: from a file to a verdict in one command, a rerun, and one line for every mistake."""

from __future__ import annotations

import json
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.results import Results
from benchmarks.cli import actions
from benchmarks.cli import app as cli
from benchmarks.experiments.planning.own_data import short_training
from benchmarks.experiments.planning.request import Request
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store

WORDS = {
    "calm": ["sunny", "glowing", "toasty"],
    "angry": ["icy", "frosty", "chilly"],
}  # words that the model tiny knows


NUMERALS = ["pushed", "followed", "carried", "watched", "lifted", "painted", "called"]


def spelt(number: int) -> str:
    """Return a number in words that the model tiny knows, so that no two texts are equal."""
    return " ".join(NUMERALS[(number // base) % 7] for base in (49, 7, 1))


def rows(n: int = 120, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    moods = rng.choice(list(WORDS), n)
    texts = [" ".join(rng.choice(WORDS[mood], 4)) + f" {spelt(i)}" for i, mood in enumerate(moods)]
    return pd.DataFrame({"note": texts, "mood": moods, "author": [f"a{i % 30}" for i in range(n)]})


@pytest.fixture
def shell(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> tuple[int, str, str]:
        words = shlex.split(line)
        monkeypatch.setattr(sys, "argv", ["smart-repro", *words])
        code = cli.run_command(words)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


GRID = "--methods vanilla,smart --model tiny --seeds 2 --epochs 1 --quiet --workers 1"


def test_one_command_leads_from_a_file_to_the_verdict_and_a_rerun_reproduces_it(shell, tmp_path):
    rows().to_csv("notes.csv", index=False)
    columns = "--text note --label mood --group author"
    code, _, error = shell(f"reproduce compare --data notes.csv {columns} {GRID}")
    assert code == 0, error
    store = Store(Path("results"))
    key = sorted(store.done_keys())[0]
    stored = json.loads((store.runs / key / "spec.json").read_text())
    expected = {"classes": 2, "group": "author", "verdict_split": "dev", "named_class": None}
    assert stored["task"]["own"] == {"rows": dict(stored["spec"]["definitions"][0]["rows"]), **expected}
    assert "notes.csv" not in json.dumps(stored["identity"])
    predictions = Results.open("results").predictions(key, "own-notes", "dev")
    assert predictions["group"].str.fullmatch(r"a\d+").all()
    page = Path("results/reports/compare/report.html").read_text()
    answer = page[page.index('id="answer"') :]
    assert answer.index("On your data (own-notes: n = ") < answer.index("against vanilla") < answer.index("</section>")
    text = page[: page.index("<script")]
    assert "Generated data" not in text
    assert "paper" not in text.split("<body>")[1].split('id="method"')[0]
    os.rename("notes.csv", "elsewhere.csv")
    code, printed, error = shell(f"runs rerun {key} --data elsewhere.csv")
    assert (code, error) == (0, "")
    assert "is reproduced, byte for byte" in printed
    code, _, error = shell(f"runs rerun {key}")
    assert (code, error.count("\n")) == (2, 1)
    assert "say where they lie: --data FILE" in error
    rows(seed=1).to_csv("changed.csv", index=False)  # by another name: a process reads a file once
    code, _, error = shell(f"runs rerun {key} --data changed.csv")
    assert code == 2
    assert "they have changed" in error


def test_the_rerun_that_a_study_prints_works_for_its_runs_on_own_data_and_on_tasks_of_the_suite(shell):
    rows().to_csv("notes.csv", index=False)
    study = Path("mixed.toml")
    study.write_text(
        'seeds = 1\n[settings]\nmodel = "tiny"\nmax_steps = 2\n[[row]]\nmethod = "vanilla"\n[[column]]\n'
        'task = "demo-rte"\n[[column]]\ndata = "notes.csv"\ntext = "note"\nlabel = "mood"\n'
    )
    code, _, error = shell("run mixed.toml --workers 1 --quiet")
    assert code == 0, error
    (manifest,) = Path("results/experiments/mixed").glob("*.json")
    command = json.loads(manifest.read_text())["commands"]["rerun_cell"]
    assert command == "smart-repro runs rerun KEY --data mixed.toml"
    keys = Store(Path("results")).done_keys()
    assert len(keys) == 2
    for key in keys:
        code, printed, error = shell(command.removeprefix("smart-repro ").replace("KEY", key))
        assert (code, printed) == (0, f"{key} is reproduced, byte for byte\n"), error
    (suite,) = (key for key in keys if not Store(Path("results")).spec(key).definitions)
    code, _, error = shell(f"runs rerun {suite} --data notes.csv")
    assert (code, error.count("\n")) == (2, 1)
    assert "the run is on demo-rte, which is no own data" in error


def test_a_plan_says_what_was_read_and_repeats_the_options(shell):
    rows().to_csv("notes.csv", index=False)
    grid = GRID.replace("--quiet --workers 1", "")
    code, printed, error = shell(f"plan compare --data notes.csv --text note --label mood {grid} --bad-rows drop")
    assert code == 0, error
    assert "label from 'mood', read as 2 classes ('angry', 'calm')" in printed
    assert "2 seeds × 24 items show differences from about" in printed
    assert "Departures" not in printed
    assert "--data notes.csv --text note --label mood --bad-rows drop" in error


def test_short_training_is_a_warning_of_the_plan():
    spec = RunSpec(task="rte", model="minilm", max_steps=40, learning_rate=5e-5)
    (warning,) = short_training("own-notes", spec)
    assert warning.startswith("WARNING: own-notes: a run makes 40 updates at a learning rate of 5e-05, few to learn a")
    assert "raise --epochs or --set learning_rate=" in warning
    for longer in (replace(spec, max_steps=90), replace(spec, learning_rate=2e-4), replace(spec, model="tiny")):
        assert not list(short_training("own-notes", longer))


def test_several_tasks_of_a_file_are_columns_of_one_table(shell):
    rows().to_csv("a.csv", index=False)
    rows(seed=1).assign(mood=np.linspace(0, 5, 120)).to_json("b.jsonl", orient="records", lines=True)
    Path("task.toml").write_text(
        '[[task]]\ndata = "a.csv"\ntext = "note"\nlabel = "mood"\n'
        '[[task]]\ndata = "b.jsonl"\ntext = "note"\nlabel = "mood"\nregression = true\nmetric = ["rmse"]\n'
    )
    code, printed, error = shell("plan compare --data task.toml --methods vanilla,smart --model tiny --seeds 1 --json")
    assert code == 0, error
    assert {cell.split("|")[1] for cell in json.loads(printed)["keys"]} == {"own-a", "own-b"}


def test_changed_rows_and_another_split_seed_are_other_runs_and_another_place_is_not(shell):
    def keys(line: str) -> set[str]:
        code, printed, error = shell(
            f"plan compare {line} --text note --label mood --methods vanilla --model tiny --seeds 1 --json"
        )
        assert code == 0, error
        return set(json.loads(printed)["keys"].values())

    rows().to_csv("notes.csv", index=False)
    rows().to_parquet("notes.parquet", index=False)
    first = keys("--data notes.csv")
    assert keys("--data notes.parquet") == first
    assert keys("--data notes.csv --split-seed 1") != first
    assert keys("--data notes.csv --metric matthews") != first
    rows(seed=5).to_csv("notes.csv", index=False)
    assert keys("--data notes.csv") != first


def test_a_second_data_set_under_the_name_of_the_first_is_noted(shell):
    for seed, name in enumerate(("a", "b")):
        rows(seed=seed).to_csv(f"{name}.csv", index=False)
    results = Path("results")
    request = Request(
        name="compare", data="a.csv", text=["note"], label="mood", methods="vanilla", model="tiny", seeds="1"
    )
    planned = actions.planned_of(request, results)
    Store(results).write_manifest(planned.experiment.manifest(planned.cells, {"run": request.command("run")}))
    line = "compare --text note --label mood --methods vanilla --model tiny --seeds 2 --data"
    note = "note: compare in results holds another grid (smart-repro run compare --data a.csv"
    for verb, dry in (("plan", ""), ("run", " --dry-run"), ("reproduce", " --dry-run")):
        error = shell(f"{verb} {line} b.csv{dry}")[2]
        assert note in error
        assert "add --name NAME to keep both" in error
    for other in ("a.csv", "b.csv --name second"):
        assert "holds another grid" not in shell(f"plan {line} {other}")[2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--data nowhere.csv --text note --label mood", "there is no such file or folder"),
        ("--data https://a.b/c.csv --text note --label mood", "is an address: download it, and give the file"),
        ("--data someone/tickets --text note --label mood", "for a data set of the hub add --source hub"),
        ("--data notes.csv --label mood", "--data notes.csv needs --text COLUMN"),
        ("--data notes.csv --text note", "--data notes.csv needs --label COLUMN"),
        ("--data notes.csv --text notes --label mood", "no column 'notes'; did you mean 'note'"),
        ("--data notes.csv --text note --label author", "1 of 120 rows cannot be used: row 1 (without 'author')"),
        ("--data notes.csv --text note --label mood --tasks rte", "--data and --tasks exclude each other"),
        ("--data notes.csv --text note --label mood --data-dir .", "--data-dir a folder with the official files"),
        ("--data notes.csv --text note --label mood --data-file rte:train=x", "--data and --data-file exclude"),
        ("--data notes.csv --text note --label mood --source generated", "--source generated exclude each other"),
        ("--tasks rte --text note", "--text says something of own data: name them with --data FILE"),
        ("--data notes.csv --text note --label mood --dev ''", "--dev is empty: give a value, or leave it out"),
        ("--data notes.csv --text note --label mood --metric ,", "--metric has an empty name"),
        ("--tasks ''", "--tasks is empty: give a value, or leave it out"),
        ("--data task.toml --label mood", "which describes its tasks whole"),
        ("--data nowhere.toml", "there is no such file"),
        ("--data notes.csv --text note --label mood --task-name rte", "the suite has a task of that name"),
        ("--data three.csv --text note --label mood", "only 3 usable rows"),
        ("--data empty.csv --text note --label mood", "empty.csv is empty"),
        ("--data latin.csv --text note --label mood", "line 2: not UTF-8"),
        ("--data notes.csv --text note --label mood --metric f1", "say of which class"),
    ],
)
def test_a_mistake_is_one_line_before_any_training(shell, line, message):
    content = rows()
    content.loc[0, "author"] = ""
    content.to_csv("notes.csv", index=False)
    rows(3).to_csv("three.csv", index=False)
    Path("empty.csv").write_text("")
    Path("latin.csv").write_bytes("note,mood\ncafé,calm\n".encode("latin-1"))
    Path("task.toml").write_text('data = "notes.csv"\ntext = "note"\nlabel = "mood"\n')
    code, _, error = shell(f"run compare {line} --methods vanilla --model tiny --seeds 1")
    assert code == 2, error
    assert error.count("\n") == 1
    assert message in error
    assert not Path("results/runs").exists()


def test_own_data_belong_to_compare_alone(shell):
    code, _, error = shell("plan smart-table1 --data notes.csv")
    assert code == 2
    assert "is for a comparison on own data" in error


def test_data_shows_own_data_and_names_the_command_that_runs_it(shell):
    rows().to_csv("notes.csv", index=False)
    code, printed, error = shell("data --data notes.csv --text note --label mood")
    assert code == 0, error
    assert "own-notes" in printed
    assert "label from 'mood', read as 2 classes" in printed
    assert "run compare --methods vanilla,smart --data notes.csv --text note --label mood" in error


def test_a_file_of_defaults_may_describe_own_data_by_paths_relative_to_it(shell, tmp_path):
    rows().to_csv("notes.csv", index=False)
    Path("smart-repro.toml").write_text('data = "notes.csv"\ntext = ["note"]\nlabel = "mood"\nmodel = "tiny"\n')
    (tmp_path / "below").mkdir()
    os.chdir("below")
    code, printed, error = shell("plan compare --methods vanilla --seeds 1")
    assert code == 0, error
    assert "on own-notes" in printed
