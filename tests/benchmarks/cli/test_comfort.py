"""What makes the command pleasant: defaults from a file, completion, examples, plain output in a pipe, doctor."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import subprocess
import sys
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import smart_repro
from benchmarks.cli import app as cli
from benchmarks.cli import config, doctor
from benchmarks.errors import UsageError

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = "import sys; sys.argv[0] = 'smart-repro'; from smart_repro._command import main; main()"
Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Run ``smart-repro`` in this process, in an empty folder."""
    monkeypatch.setenv("SMART_REPRO_DATA", "")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smart-repro", *map(str, words)])
        code = cli.run_command(sys.argv[1:])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def script(*words: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a separate process, its output in a pipe."""
    return subprocess.run(
        [sys.executable, "-P", "-c", SCRIPT, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **environment},
    )


# --- smart-repro.toml ---

PLAN = ("plan", "compare", "--tasks", "demo-rte", "--methods", "vanilla", "--json")


def planned(shell: Shell, *words: object) -> int:
    """How many runs a plan has: one for each seed."""
    code, out, err = shell(*words)
    assert code == 0, err
    return int(json.loads(out)["runs"])


def test_the_file_gives_defaults_that_the_command_line_overrules(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "smart-repro.toml").write_text('seeds = 2\nresults = "kept"\n')
    assert planned(shell, *PLAN) == 2
    assert planned(shell, *PLAN, "--seeds", 4) == 4
    _, _, err = shell(*PLAN[:-1])
    assert f"--results {tmp_path / 'kept'}" in err


def test_the_file_is_found_from_folders_below_and_its_paths_are_its_own(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "smart-repro.toml").write_text('seeds = 2\nresults = "kept"\n')
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    assert planned(shell, *PLAN) == 2
    assert f"--results {tmp_path / 'kept'}" in shell(*PLAN[:-1])[2]
    (tmp_path / "a" / "smart-repro.toml").write_text("seeds = 3\n")
    assert planned(shell, *PLAN) == 3  # the nearest one alone


@pytest.mark.parametrize("place", [0, 1, len(PLAN)])
def test_another_file_may_be_named_anywhere(shell: Shell, tmp_path: Path, place: int) -> None:
    (tmp_path / "smart-repro.toml").write_text("seeds = 2\n")
    (tmp_path / "other.toml").write_text("seeds = 3\n")
    assert planned(shell, *PLAN[:place], "--config", "other.toml", *PLAN[place:]) == 3
    assert planned(shell, *PLAN[:place], "--config=other.toml", *PLAN[place:]) == 3


def test_where_data_come_from_is_asked_of_the_command_line_the_environment_and_the_file(
    shell: Shell, tmp_path: Path, glue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looked_in(*words: object) -> str:
        code, _, err = shell("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--seeds", 1, *words)
        assert code == 2  # none of these folders has RTE
        return err

    for name in ("of_the_file", "of_the_environment", "typed"):
        (tmp_path / name).mkdir()
    (tmp_path / "smart-repro.toml").write_text('data_dir = "of_the_file"\nmodel = "tiny"\n')
    assert "under " + str(tmp_path / "of_the_file") in looked_in()
    monkeypatch.setenv("SMART_REPRO_DATA", str(tmp_path / "of_the_environment"))
    assert "of_the_environment" in looked_in()
    assert "contradicts SMART_REPRO_DATA" in looked_in("--source", "hub")  # as without a file
    monkeypatch.setenv("SMART_REPRO_DATA", "")
    assert "under typed" in looked_in("--data-dir", "typed")
    assert "of_the_file" not in looked_in("--source", "hub")
    monkeypatch.setenv("SMART_REPRO_DATA", "")
    assert planned(shell, *PLAN, "--seeds", 1) == 1  # and generated data are generated
    monkeypatch.setenv("SMART_REPRO_DATA", "")
    assert shell("plan", "smart-table3", "--profile", "demo", "--seeds", 1)[0] == 0


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ('result = "x"', "no option 'result'; did you mean 'results'?"),
        ("zzz = 1", "no option 'zzz'; there are address, allow_dirty, array_size,"),
        ('workers = "two"', "'two' is no whole number"),
        ("workers = true", "'True' is no whole number"),
        ("workers = 0", "Must be >= 1"),
        ("results = [1, 2]", "for [results]"),
        ("quiet = 3", 'unable to convert "3" into bool'),
        ("default_data_dir = 'x'", "no option 'default_data_dir'"),
        ("config = 'x'", "no option 'config'"),
        ("results = ", "cannot be read"),
        ("[set]\nbatch_sise = 3", "did you mean 'batch_size'?"),
        ("[set]\nbatch_size = 0", "batch_size must be at least 1, got 0"),
        ("epochs = 2.5", "'2.5' is no whole number"),
    ],
)
def test_a_file_that_is_wrong_is_named(shell: Shell, tmp_path: Path, content: str, complaint: str) -> None:
    (tmp_path / "smart-repro.toml").write_text(content + "\n")
    code, _, err = shell("run", *PLAN[1:-1], "--dry-run")
    assert code == 2
    assert complaint in err
    assert "smart-repro.toml" in err or content.startswith("[set]")
    assert len(err.strip().splitlines()) == 1


def test_an_experiment_can_be_a_file(shell: Shell, tmp_path: Path) -> None:
    """Every option of a grid stands in the file, lists as lists; the command names the experiment alone."""
    (tmp_path / "smart-repro.toml").write_text(
        'tasks = ["demo-rte", "demo-cola"]\nmethods = ["vanilla", "smart:lambda_s=3"]\nseeds = [3, 7]\nepochs = 1\n'
        'name = "mine"\nprofile = "demo"\ndry_run = true\n[set]\nbatch_size = 8\nclip = "none"\n'
    )
    code, out, err = shell("plan", "compare", "--json")
    assert code == 0, err
    content = json.loads(out)
    assert (content["experiment"], content["runs"]) == ("mine", 8)
    assert {key.rsplit("|", 1)[1] for key in content["keys"]} == {"3", "7"}
    _, _, err = shell("plan", "compare")
    command = err.strip().removeprefix("Next: ")
    for part in ("--tasks demo-rte,demo-cola", "--methods vanilla,smart:lambda_s=3", "--seeds 3,7,", "--name mine"):
        assert part in command
    assert "--set batch_size=8 --set clip=none" in command
    code, out, err = shell("run", "compare")  # dry_run is an option too
    assert (code, "8 runs: 8 to do" in out) == (0, True), err
    assert shell("plan", "smart-table3", "--tasks", "demo-rte", "--methods", "vanilla")[0] == 0  # has no use for a name


def test_paths_of_the_file_are_seen_from_the_file(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "smart-repro.toml").write_text(
        'data_file = ["rte:train=data/train.tsv"]\nmodel = "./model"\njunit = "out.xml"\n'
    )
    defaults = config.read(tmp_path / "smart-repro.toml", lambda: config.option_names(cli.app))
    cli.app.config = (defaults,)
    grid = cli.app.parse_args(["plan", "compare"])[1].arguments["grid"]
    assert grid.data_file == [f"rte:train={tmp_path / 'data' / 'train.tsv'}"]
    assert grid.model == str(tmp_path / "model")
    assert cli.app.parse_args(["check"])[1].arguments["junit"] == tmp_path / "out.xml"


def test_a_file_that_is_not_there_is_named(shell: Shell) -> None:
    code, _, err = shell("--config", "gone.toml", "list", "tasks")
    assert (code, "gone.toml cannot be read" in err) == (2, True)


def test_the_file_takes_every_option_of_every_verb() -> None:
    names = config.option_names(cli.app)
    assert names >= {"results", "data_dir", "tasks", "methods", "epochs", "set", "profile", "import", "only", "format"}
    for path, verb in VERBS.items():
        for argument in verb.assemble_argument_collection():
            shown = [name for name in argument.names if name.startswith("--") and argument.show]
            assert all(name[2:].replace("-", "_") in names for name in shown), path


# --- where data come from ---


def test_the_hub_is_asked_only_where_it_is_named(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """The FAQ says so: nothing but --source hub (or a hub id as the model) leads to the network."""
    from benchmarks.errors import MissingData
    from benchmarks.tasks import hub

    asked: list[str] = []

    def load_from_hub(task: Any, split: str) -> Any:
        asked.append(f"{task.name} {split}")
        raise MissingData("the hub was asked")

    monkeypatch.setattr(hub, "load_from_hub", load_from_hub)
    grid = ("plan", "compare", "--tasks", "rte", "--methods", "vanilla", "--model", "tiny")
    for words in (grid, ("data", "rte"), ("plan", "smart-table3", "--profile", "small"), ("data", "demo-rte")):
        code, out, err = shell(*words)
        assert code == (0 if "demo-rte" in words else 2), (words, err)
        assert "--source hub" in out + err or "demo-rte" in words
    assert asked == []
    assert shell(*grid, "--source", "hub")[0] == 2
    assert asked


# --- help and completion ---


def commands(app: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name in app:
        if name.startswith("-"):
            continue
        if app[name].default_command is None:
            yield from commands(app[name], (*path, name))
        else:
            yield (*path, name), app[name]


VERBS = dict(commands(cli.app))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_has_an_example_that_its_own_parser_takes(path: tuple[str, ...]) -> None:
    (example,) = re.findall(r"Example: (smart-repro .*)", " ".join(VERBS[path].help.split()))
    words = shlex.split(example)[1:]
    assert tuple(words[: len(path)]) == path
    cli.app.config = ()
    verb, _, _ = cli.app.parse_args(words)
    assert verb is VERBS[path].default_command


@pytest.mark.parametrize("path", [(), ("runs",), *VERBS], ids=" ".join)
def test_help_of_every_verb_names_its_options(path: tuple[str, ...], shell: Shell) -> None:
    for flag in ("--help", "-h"):
        code, out, err = shell(*path, flag)
        assert (code, err) == (0, "")
        assert out.startswith("Usage: smart-repro")


def test_the_version_is_the_packages(shell: Shell) -> None:
    assert shell("--version") == (0, f"{smart_repro.__version__}\n", "")


def test_the_next_command_can_be_pasted_and_keeps_every_option(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "plug_in.py").write_text("")
    grid = (
        "compare",
        "--tasks",
        "demo-rte",
        "--methods",
        "smart[shared]:lambda_s=3",
        "--seeds",
        "3,7",
        "--name",
        "a.b",
    )
    more = ("--set", "clip=none", "--import", "plug_in", "--results", "kept here", "--workers", "1")
    lines = {
        words: shell(*words)[2]
        for words in (
            ("plan", *grid, *more),
            ("list", "methods", "--import", "plug_in"),
            ("list", "claims", "--experiment", "smart-table1"),
            ("data", "demo-rte", "--import", "plug_in"),
            ("doctor", "--results", "kept here"),
        )
    }
    for words, err in lines.items():
        (line,) = re.findall(r"(?m)^Next: (smart-repro .*?)(?:  #.*)?$", err)
        pasted = shlex.split(line)[1:]
        cli.app.config = ()
        _, bound, _ = cli.app.parse_args(pasted)
        assert bound.arguments, line
        for option in ("--import", "--results"):
            values = [words[place + 1] for place, word in enumerate(words) if word == option]
            assert [pasted[place + 1] for place, word in enumerate(pasted) if word == option] == values, line
    run = shlex.split(lines["plan", *grid, *more].strip().removeprefix("Next: smart-repro "))
    assert run[0] == "run"
    assert set(run[1:]) == {*grid, *more}


def completed(folder: Path, *words: str) -> list[str]:
    """Return the words that the installed completion script would offer for the last of these words."""
    done = script("__complete", *words, folder=folder)
    assert done.returncode == 0, done.stderr
    offered = [line.partition("\t")[0] for line in done.stdout.splitlines() if not line.startswith("\x1f")]
    return [name for name in offered if name.startswith(words[-1])]


def test_the_shell_completes_experiments_tasks_methods_and_keys(tmp_path: Path) -> None:
    assert completed(tmp_path, "run", "smart-table1") == ["smart-table1", "smart-table1-large"]
    assert completed(tmp_path, "data", "demo-m") == ["demo-mrpc", "demo-mnli"]
    assert completed(tmp_path, "list", "me") == ["methods"]
    assert completed(tmp_path, "plan", "compare", "--tasks", "rte,demo-mn") == ["rte,demo-mnli"]
    assert completed(tmp_path, "plan", "compare", "--methods", "sd") == ["sda", "sdv"]
    assert completed(tmp_path, "plan", "compare", "--set", "batch") == ["batch_size="]
    assert completed(tmp_path, "show", "smoot") == ["smoothness"]
    (tmp_path / "kept" / "runs" / ("3fa9" + "0" * 28)).mkdir(parents=True)
    for words in (("runs", "show"), ("show",)):
        assert completed(tmp_path, *words, "--results", "kept", "3f") == ["3fa9" + "0" * 28]


def test_the_installed_script_knows_verbs_and_options() -> None:
    text = cli.app.generate_completion(prog_name="smart-repro", shell="bash")
    for word in ("reproduce", "unpack", "--executor", "--data-dir", "__complete"):
        assert word in text


# --- plain output ---

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # all but tab and line feed


@pytest.mark.parametrize(
    "words",
    [
        ["list", "tasks"],
        ["run", "compare", "--tasks", "demo-rte", "--methods", "vanilla", "--seeds", "1", "--set", "max_steps=2"],
        ["status", "gone"],
    ],
    ids=lambda words: words[0],
)
def test_a_pipe_gets_text_alone(words: list[str], tmp_path: Path) -> None:
    done = script(*words, folder=tmp_path)
    assert done.returncode == (2 if "gone" in words else 0)
    assert done.stdout + done.stderr
    assert not CONTROL.search(done.stdout + done.stderr)


def on_a_terminal(*words: str, folder: Path, **environment: str) -> str:
    """Return the output of the command on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", SCRIPT, *words],
        cwd=folder,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    found = b""
    try:
        while piece := os.read(ours, 4096):
            found += piece
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
        process.wait()
    return found.decode()


def test_no_color_means_no_escape_on_a_terminal_either(tmp_path: Path) -> None:
    assert "\x1b[1m" in on_a_terminal("list", "tasks", folder=tmp_path)
    plain = on_a_terminal("list", "tasks", folder=tmp_path, NO_COLOR="1")
    assert "demo-rte" in plain
    assert "\x1b" not in plain


# --- doctor ---


def test_doctor_names_the_file_and_a_remedy_for_whatever_is_amiss(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "smart-repro.toml").write_text("workers = 1\n")
    code, out, _ = shell("doctor", "--json")
    found = {check["what"]: check for check in json.loads(out)}
    assert code == 0
    wanted = {
        "config file",
        "python",
        "torch",
        "extra ray",
        "device",
        "cores",
        "threads",
        "memory",
        "disk",
        "cache",
        "data",
        "hub",
        "model minilm",
    }
    assert wanted <= set(found)
    assert found["config file"]["found"] == f"{tmp_path / 'smart-repro.toml'}: workers = 1"
    assert all(check["remedy"] for check in found.values() if check["state"] != "ok")


def test_doctor_lists_the_data_sets_of_the_folder(glue: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMART_REPRO_DATA", str(glue))
    (check,) = doctor.data_checks()
    assert (check.state, check.found) == ("ok", f"{glue}: cola, stsb, rte")
    monkeypatch.setenv("SMART_REPRO_DATA", str(glue / "gone"))
    (check,) = doctor.data_checks()
    assert (check.state, "SMART_REPRO_DATA" in check.remedy) == ("bad", True)


def test_doctor_asks_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(doctor.urllib.request, "urlopen", refused)
    check = doctor.hub_check()
    assert (check.state, "no route" in check.found, "--data-dir" in check.remedy) == ("note", True, True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "switched off" in doctor.hub_check().found


def test_an_unreadable_default_is_an_error_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(UsageError, match=r"x\.toml cannot be read"):
        config.read(path, set)


# --- the next command ---


def next_command(err: str) -> list[str]:
    """Return the words of the command that a verb names last."""
    (line,) = [line for line in err.splitlines() if line.startswith("Next: ")]
    return shlex.split(line.removeprefix("Next: "))


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "--tasks", "demo-rte,demo-cola", "--methods", "smart[independent]:lambda_s=3,vanilla"],
        ["compare", "--tasks", "demo-rte", "--methods", "vanilla", "--name", "mine", "--results", "my results"],
        ["compare", "--tasks", "demo-rte", "--methods", "vanilla", "--set", "clip=none", "--set", "batch_size=8"],
        [
            "smart-table3",
            "--tasks",
            "rte",
            "--methods",
            "vanilla",
            "--seeds",
            "3,7",
            "--layers",
            "1",
            "--max-train-samples",
            "200",
            "--tune",
        ],
        ["compare", "--tasks", "demo-rte", "--methods", "vanilla", "--workers", "3", "--import", "json"],
    ],
)
def test_the_next_command_can_be_pasted_and_asks_for_the_same(shell: Shell, words: list[str]) -> None:
    code, _, err = shell("plan", *words)
    assert code == 0, err
    program, verb, *rest = next_command(err)
    assert (program, verb) == ("smart-repro", "run")
    cli.app.config = ()
    typed = cli.app.parse_args(["plan", *words])[1].arguments
    offered = cli.app.parse_args(["run", *rest])[1].arguments
    workers = typed.pop("workers", None)
    assert workers == (offered.pop("execution").workers if workers else None)
    assert offered == typed


def test_data_names_a_command_with_the_tasks_and_the_folder_it_was_given(shell: Shell, glue: Path) -> None:
    code, _, err = shell("data", "rte", "--data-dir", glue)
    assert code == 0, err
    expected = ["compare", "--tasks", "rte", "--methods", "vanilla,smart", "--data-dir", str(glue)]
    assert next_command(err) == ["smart-repro", "run", *expected]
    assert next_command(shell("list", "claims")[2])[:2] == ["smart-repro", "show"]
    assert shell(*next_command(shell("list", "claims")[2])[1:])[0] == 0


# --- modules that a file asks for ---


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a git repository with a file that asks for a module, and a folder below it."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "below").mkdir()
    (tmp_path / "smart-repro.toml").write_text('import = ["asked_for_by_a_file"]\n')
    for folder in (tmp_path, tmp_path / "below"):
        (folder / "asked_for_by_a_file.py").write_text("import builtins; builtins.asked_for = True\n")
    monkeypatch.delattr("builtins.asked_for", raising=False)
    monkeypatch.delitem(sys.modules, "asked_for_by_a_file", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def imported() -> bool:
    import builtins

    return hasattr(builtins, "asked_for")


@pytest.mark.parametrize("folder", [".", "below"])
def test_a_module_is_imported_from_the_users_own_file_here_or_at_the_git_root_and_it_is_said(
    folder: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project / folder)
    assert cli.run_command(["list", "profiles"]) == 0
    assert imported()
    assert f"{project}/smart-repro.toml: importing asked_for_by_a_file" in capsys.readouterr().err


def test_no_module_is_imported_for_a_file_farther_up_or_another_users(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project / "below")
    (project / "below" / ".git").mkdir()
    assert cli.run_command(["list", "profiles"]) == 0
    assert "is not heeded: the file lies neither in this folder nor" in capsys.readouterr().err
    monkeypatch.chdir(project)
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    assert cli.run_command(["list", "profiles"]) == 0
    assert "is not heeded: the file is another user's; give --import" in capsys.readouterr().err
    assert not imported()
