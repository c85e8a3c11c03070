"""Study files: the runs of the same `compare`, saved and read back, overridden, and a line for every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis.schema import Claim
from benchmarks.cli import app as cli
from benchmarks.errors import Mistakes, UsageError
from benchmarks.experiments.planning.request import Request
from benchmarks.experiments.planning.study import Study
from benchmarks.experiments.planning.study_file import CLAIM, COLUMN, OWN_COLUMN, ROW, TOP, format_text, read_study
from benchmarks.experiments.planning.study_text import write_study
from benchmarks.tasks.own.task_file import KINDS

STUDY = """
title = "Radius and masks"
description = "Does the radius matter?"
seeds = [3, 7]

[settings]
epochs = 40
clip = "none"

[[row]]
method = "vanilla"

[[row]]
method = "smoothness"
options = { epsilon = [1e-3, 1e-1], dropout = "independent" }

[[row]]
method = "smart"
id = "long"
settings = { epochs = 60 }

[[column]]
task = "demo-rte"
metric = "accuracy"

[[column]]
task = "demo-cola"
settings = { max_length = 24 }

[[claim]]
row = "long"
is = "no less"
margin = 0.5
on = "demo-rte"
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SMART_REPRO_DATA", raising=False)


def written(text: str, name: str = "study.toml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def grid(request: Request) -> list[object]:
    return [(row, place, seed, spec) for row, place, seed, spec in request.experiment().specs()]


def toml_of(methods: list[tuple[str, str]], tasks: list[str], top: str = "") -> str:
    rows = "".join(f'[[row]]\nmethod = "{name}"\noptions = {{ {options} }}\n' for name, options in methods)
    return top + rows + "".join(f'[[column]]\ntask = "{task}"\n' for task in tasks)


@pytest.mark.parametrize(
    ("options", "top"),
    [
        ({}, ""),
        ({"seeds": "2", "epochs": 4}, "seeds = 2\n[settings]\nepochs = 4\n"),
        ({"settings": ["batch_size=8", "clip=none"]}, '[settings]\nbatch_size = 8\nclip = "none"\n'),
        ({"model": "minilm"}, '[settings]\nmodel = "minilm"\n'),
    ],
)
@pytest.mark.parametrize("tasks", [["demo-rte", "demo-stsb"], ["rte"]])
def test_its_runs_are_those_of_the_same_compare(tasks: list[str], options: dict[str, object], top: str) -> None:
    methods = (
        "vanilla,smart[independent]:mu=0.5,smoothness:epsilon=[1e-3,1e-1],sigma=epsilon,eta=100*epsilon,"
        "smoothness:direction=none,dropout=independent"
    )
    listed = [
        ("vanilla", ""),
        ("smart", 'dropout = "independent", mu = 0.5'),
        ("smoothness", 'epsilon = [1e-3, 1e-1], sigma = "epsilon", eta = "100*epsilon"'),
        ("smoothness", 'direction = "none", dropout = "independent"'),
    ]
    written(toml_of(listed, tasks, top))
    compared = Request(name="compare", tasks=",".join(tasks), methods=methods, **options)  # type: ignore[arg-type]
    read = Request(name="study.toml")
    assert grid(read) == grid(compared)
    assert read.experiment().rows == compared.experiment().rows
    assert read.experiment().columns == compared.experiment().columns
    assert (read.title, compared.title) == ("study", "compare")


SAVED = (
    "vanilla,smart,sda:K=[1,5],smoothness:epsilon=[1e-3,1e-2],sigma=epsilon,eta=100*epsilon,smoothness:direction=none"
)


def test_a_compare_saves_itself_and_reads_back_as_the_same(tmp_path: Path) -> None:
    words = [f"word {i} {'a' if i % 2 else 'b'}" for i in range(80)]
    pd.DataFrame({"note": words, "mood": ["calm" if i % 2 else "cross" for i in range(80)]}).to_csv(
        "n.csv", index=False
    )
    own = {"data": "n.csv", "text": ["note"], "label": "mood", "metric": "f1:calm,accuracy", "model": "tiny"}
    suite = {"tasks": "demo-rte,demo-cola", "model": "tiny"}
    for which in (own, suite):
        request = Request(name="compare", methods=SAVED, seeds="3,", **which)  # type: ignore[arg-type]
        path = tmp_path / "elsewhere" / "saved.toml"
        write_study(request.study(), path, ["penalty"])
        assert "# Needs --import penalty" in path.read_text()
        assert str(tmp_path) not in path.read_text(), "own data are named relative to the file"
        again = Request(name=str(path))
        assert grid(again) == grid(request)
        assert [column.id for column in again.experiment().columns] == [c.id for c in request.experiment().columns]
    assert again.rerun() == "smart-repro runs rerun KEY"


def test_a_saved_study_replaces_no_file_of_other_content(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", "compare", "--tasks", "demo-rte", "--methods", "vanilla", "--save-study", "mine.toml"]
    assert [cli.run_command(words) for _ in range(2)] == [0, 0]
    edited = Path("mine.toml").read_text(encoding="utf-8") + "# my note\n"
    Path("mine.toml").write_text(edited, encoding="utf-8")
    assert cli.run_command(words) == 2
    assert "--save-study mine.toml: the file exists with other content" in capsys.readouterr().err
    assert Path("mine.toml").read_text(encoding="utf-8") == edited


def test_every_part_of_a_study_is_written_and_read(tmp_path: Path) -> None:
    study = read_study(written(STUDY))
    assert isinstance(study, Study)
    write_study(study, tmp_path / "again.toml")
    assert read_study(tmp_path / "again.toml") == study


def test_its_experiment_has_the_rows_settings_and_claims_of_the_file() -> None:
    written(STUDY)
    experiment = Request(name="study.toml").experiment()
    assert [row.id for row in experiment.rows] == [
        "vanilla",
        "smoothness[independent]:epsilon=0.001",
        "smoothness[independent]:epsilon=0.1",
        "long",
    ]
    assert {row.curve for row in experiment.rows} == {"", "smoothness[independent] over epsilon"}
    specs = {(row, place): spec for row, place, seed, spec in experiment.specs() if seed == 3}
    assert {spec.epochs for (row, _), spec in specs.items()} == {40, 60}
    assert all(spec.max_steps is None and spec.clip is None for spec in specs.values())
    assert {place: spec.max_length for (_, place), spec in specs.items()}["demo-cola"] == 24
    (claim,) = experiment.claims
    assert isinstance(claim, Claim)
    assert (claim.id, claim.a, claim.b, claim.tasks, claim.margin) == ("study-1", "long", "vanilla", ("demo-rte",), 0.5)
    assert claim.sentence == "long scores at most 0.5 lower than vanilla on demo-rte."
    assert experiment.notes == ("Does the radius matter?",)


def test_typed_options_stand_in_place_of_the_file() -> None:
    written(STUDY)
    request = Request(
        name="study.toml", tasks="demo-cola", methods="vanilla", seeds="1", settings=["max_length=16"], epochs=2
    )
    ((_, place, seed, spec),) = request.experiment().specs()
    assert (place, seed, spec.max_length, spec.epochs, spec.clip) == ("demo-cola", 0, 16, 2, None)
    with pytest.raises(UsageError, match=r"--data stands beside study.toml"):
        Request(name="study.toml", data="x.csv").experiment()
    with pytest.raises(UsageError, match="no task 'rte'"):
        Request(name="study.toml", tasks="rte").experiment()


@pytest.mark.parametrize("profile", ["demo", "small", "paper", None])
def test_a_profile_keeps_its_tasks_rows_seeds_and_settings(profile: str | None) -> None:
    written(STUDY.replace('"demo-cola"', '"rte"'))
    experiment = Request(name="study.toml", profile=profile).experiment()
    assert experiment.tasks == ("demo-rte", "rte")
    assert experiment.seeds == (3, 7)
    assert len(experiment.rows) == 4
    for row, _, _, spec in experiment.specs():
        assert spec.epochs == (60 if row == "long" else 40)
        assert (spec.clip, spec.max_steps) == (None, None)
    expected = {"demo": "tiny", "small": "minilm", "paper": "minilm", None: "minilm"}[profile]
    assert {spec.model for *_, spec in experiment.specs()} == {expected}


MISTAKES = {
    'nam = "x"': "study.toml: nam = 'x': no such key; did you mean 'name'?",
    "name = 3": "study.toml: name = 3: give a text",
    'name = "a/b"': "study.toml: name = 'a/b': give letters, digits",
    'name = "smart-table1"': "study.toml: name = 'smart-table1': that is an experiment of the suite",
    'seeds = "x"': "study.toml: seeds = 'x': expected a number of seeds",
    'baseline = "vanila"': "study.toml: baseline = 'vanila': no such row; did you mean 'vanilla'?",
    "settings = { epoch = 3 }": "study.toml, settings: epoch = 3: no such setting; did you mean 'epochs'?",
    "settings = { epochs = 0 }": "study.toml, settings: epochs = 0: epochs must be at least 1, got 0",
    '[[row]]\nid = "x"': "study.toml, [[row]] 2: method is missing: name of a method",
    '[[row]]\nmethod = "smrt"': "study.toml, [[row]] 2: method = 'smrt': no such method; did you mean 'smart'?",
    '[[row]]\nmethod = "smart[shared]"': "options stand in a table: options = { dropout",
    '[[row]]\nmethod = "smart"\noptions = { lambda = 3 }': "[[row]] 2.options: method 'smart' has no option 'lambda'",
    '[[row]]\nmethod = "smart"\noptions = { mu = [1, 1] }': "[[row]] 2.options: mu = [1, 1]: give a value, or a list",
    '[[row]]\nmethod = "smoothness"\noptions = { eta = "100*epsilon" }': "[[row]] 2.options: eta=100*epsilon: expected",
    '[[row]]\nmethod = "smoothness"\noptions = { epsilon = 0.1, eta = "radius" }': "eta of method 'smoothness' must be",
    '[[row]]\nmethod = "vanilla"\nsettings = { epochs = 2 }\nid = "vanilla"': "two rows are called vanilla",
    '[[row]]\nmethod = "smart"\noptions = { mu = [1, 2] }\nid = "x"': "x would name 2 rows: leave id and title out",
    '[[column]]\ntask = "rt"': "[[column]] 2: task = 'rt': no such task; did you mean 'rte'?",
    '[[column]]\ntask = "rte"\nmetric = "f1"': "[[column]] 2: metric = 'f1': no such metric; there are accuracy",
    '[[column]]\ntask = "rte"\nsplit = "dv"': "[[column]] 2: split = 'dv': no such split; did you mean 'dev'?",
    '[[column]]\ndata = "a.csv"\ntext = "t"\nlable = "y"': "lable = 'y': no such key of a column on own data; did you",
    '[[column]]\ndata = "a.csv"\ntext = "t"\nlabel = "y"\nmetric = "f1"': "[[column]] 2: --metric f1: say of which",
    '[[claim]]\nrow = "smart"': "[[claim]] 1: row = 'smart': no such row; there are vanilla",
    '[[claim]]\nrow = "vanilla"': "[[claim]] 1: row = 'vanilla' would be compared with itself: name another row in",
    '[[claim]]\nrow = "vanilla"\nsize = nan': "[[claim]] 1: size = nan: give a finite number",
    '[[claim]]\nrow = "vanilla"\nmin_seeds = 0': "[[claim]] 1: min_seeds = 0: give at least 2",
    '[[claim]]\nrow = "vanilla"\nmargin = 1': "[[claim]] 1: margin = 1: is for 'no less', 'no greater' and 'the same'",
    '[[claim]]\nrow = "vanilla"\nmetric = "f1"': "[[claim]] 1: metric = 'f1': no such metric; there are accuracy",
    '[[column]]\ndata = ""\ntext = "t"\nlabel = "y"': '[[column]] 2: data = "": give the name of a file or folder',
    '[[claim]]\nrow = "vanilla"\nis = "better"': "[[claim]] 1: is = 'better': no such direction",
    '[[claim]]\nrow = "vanilla"\nis = "the same"': "[[claim]] 1: a claim of sameness",
    '[[claim]]\nrow = "vanilla"\non = ["rte"]': "[[claim]] 1: on = 'rte': no such task; there are demo-rte",
}


@pytest.mark.parametrize("wrong", MISTAKES)
def test_a_mistake_is_one_line_that_names_file_key_value_and_remedy(wrong: str) -> None:
    base = '[[row]]\nmethod = "vanilla"\n[[column]]\ntask = "demo-rte"\n'
    written(f"{base}{wrong}\n" if wrong.startswith("[[") else f"{wrong}\n{base}")
    with pytest.raises(Mistakes) as raised:
        Request(name="study.toml").experiment()
    assert [line for line in raised.value.lines if MISTAKES[wrong] in line], raised.value.lines
    assert all("\n" not in line and line.startswith("study.toml") for line in raised.value.lines)


def test_all_mistakes_are_printed_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    written('nam = "x"\n[settings]\nepoch = 3\n[[row]]\nmethod = "smrt"\n[[column]]\ntask = "demo-rte"\n')
    assert cli.run_command(["plan", "study.toml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("smart-repro: study.toml") for line in lines)


@pytest.mark.parametrize(
    "text", ["", "[[row]\n", "row = 3\n", "row = []\ncolumn = []\n", 'row = ["x"]\n[[column]]\ntask = "demo-rte"\n']
)
def test_a_file_of_another_form_is_refused(text: str) -> None:
    written(text)
    with pytest.raises(UsageError, match=r"^study\.toml"):
        Request(name="study.toml").experiment()
    with pytest.raises(UsageError, match=r"absent\.toml: there is no such file"):
        Request(name="absent.toml").experiment()


def test_a_byte_order_mark_is_no_mistake_and_another_encoding_is() -> None:
    text = '# caf\u00e9\n[[row]]\nmethod = "vanilla"\n[[column]]\ntask = "demo-rte"\n'
    Path("study.toml").write_bytes(text.encode("utf-8-sig"))
    assert read_study(Path("study.toml")).tasks == ("demo-rte",)
    Path("study.toml").write_bytes(text.encode("cp1252"))
    with pytest.raises(UsageError, match=r"study\.toml, line 1: not UTF-8 \(byte 0xe9\); convert it"):
        read_study(Path("study.toml"))


def test_a_file_of_own_data_is_told_from_a_study() -> None:
    written('data = "a.csv"\ntext = "t"\nlabel = "y"\n')
    with pytest.raises(
        UsageError, match=r"study\.toml describes own data, and no study: smart-repro run compare --data"
    ):
        read_study(Path("study.toml"))


def test_the_format_explains_every_key() -> None:
    text = format_text()
    for key in (*TOP, *ROW, *COLUMN, *CLAIM, *OWN_COLUMN):
        assert f"\n  {key} " in text
    assert set(KINDS) <= set(OWN_COLUMN)


def test_a_file_of_defaults_changes_nothing_that_a_study_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(STUDY)
    written('tasks = "rte"\nmethods = "sda"\nepochs = 1\nprofile = "small"\nseeds = 9\n', "smart-repro.toml")
    assert cli.run_command(["plan", "study.toml", "--json"]) == 0
    cells = {tuple(cell.split("|")) for cell in json.loads(capsys.readouterr().out)["keys"]}
    assert cells == {(row, place, str(seed)) for row, place, seed, _ in Request(name="study.toml").experiment().specs()}
