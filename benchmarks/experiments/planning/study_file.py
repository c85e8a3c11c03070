"""Study files: a user's own grid in TOML, read into a :class:`Study` with a line for every mistake.

The tables below are the format's only definition: they check a file, and ``smart-repro show study`` prints them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.schema import Claim, Contrast
from analysis.schema.constants import DIRECTIONS, QUANTIFIERS
from benchmarks.errors import MissingData, Mistakes, UsageError
from benchmarks.experiments import EXPERIMENTS, GROUPS
from benchmarks.experiments.planning.base import essential
from benchmarks.experiments.planning.study import Study, StudyClaim, StudyColumn, StudyRow
from benchmarks.experiments.planning.typed import parse_seeds
from benchmarks.spec import MethodGrid
from benchmarks.spec_checks import RULES, SETTINGS, field_problem
from benchmarks.tasks import TASKS
from benchmarks.tasks.own import described
from benchmarks.tasks.own.task_file import KINDS, read_toml
from smart_repro.declarations import methods
from smart_repro.registry import did_you_mean

ENDING = ".toml"
FEWEST_SEEDS = 2  # for a claim of one's own; a spread over seeds needs two
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")


@dataclass(frozen=True)
class Key:
    """A key of a table: what its value may be, in types and in words, and what it means."""

    kinds: tuple[type, ...]
    words: str
    meaning: str
    required: bool = False


_TEXT = ((str,), "a text")
_TEXTS = ((str, list), "a text or a list of texts")
_TABLE = ((dict,), "a table { name = value }")
_NUMBER = ((int, float), "a number")
_TABLES = ((list,), "tables, each headed [[...]]")
TOP: Mapping[str, Key] = {
    "name": Key(*_TEXT, "name in the results folder; default: the file's name"),
    "title": Key(*_TEXT, "heading of tables and reports"),
    "description": Key(*_TEXT, "what is asked, and why; shown with every table"),
    "seeds": Key(
        (int, str, list), "a number, a list or a range", 'how many (5), which ([3, 7]) or a range ("10-19"); default 5'
    ),
    "baseline": Key(*_TEXT, "id of the row that the others are compared with; default: the first"),
    "settings": Key(*_TABLE, "settings of all runs, as --set: `smart-repro show spec` lists them"),
    "row": Key(*_TABLES, "[[row]]: a line of the table", required=True),
    "column": Key(*_TABLES, "[[column]]: a task with its metrics", required=True),
    "claim": Key(*_TABLES, "[[claim]]: a statement that the report decides"),
}
ROW: Mapping[str, Key] = {
    "method": Key(*_TEXT, "name of a method: `smart-repro list methods`", required=True),
    "options": Key(
        *_TABLE, "its options; a list gives a row for each value, drawn as a curve; '100*epsilon' follows another"
    ),
    "id": Key(*_TEXT, "short name; default: method and options, as smart[shared]:mu=0.5"),
    "title": Key(*_TEXT, "name in tables; default: the id"),
    "settings": Key(*_TABLE, "settings of this row's runs, over all others"),
}
COLUMN: Mapping[str, Key] = {
    "task": Key(*_TEXT, "name of a task of the suite: `smart-repro list tasks`", required=True),
    "metric": Key(*_TEXTS, "its metrics, the first decides; default: all of the task's"),
    "split": Key(*_TEXT, "default: the one that is reported (dev, or test where there is no dev)"),
    "settings": Key(*_TABLE, "settings of this task's runs, over those of the study"),
}
OWN_COLUMN: Mapping[str, str] = {
    "data": "instead of task: a file or folder of own data, relative to the study file",
    "dev": "a file to evaluate on",
    "test": "a labelled file that the verdict is on",
    "text": "the text column, or a list of two",
    "label": "the column to predict",
    "group": "the column that names groups: no split divides one",
    "name": "name of the task; default own- and the file's name",
    "bad_rows": '"error" or "drop"',
    "split_seed": "seed of the cut into train and dev",
    "regression": "true: the label is a number",
    "metric": "as for --metric: accuracy, f1:CLASS, ...",
    "settings": "as above",
}
CLAIM: Mapping[str, Key] = {
    "row": Key(*_TEXT, "id of the row that the claim is about", required=True),
    "is": Key(*_TEXT, f"one of: {', '.join(DIRECTIONS)}; default greater"),
    "than": Key(*_TEXT, "id of the row it is compared with; default: the baseline"),
    "on": Key(*_TEXTS, "tasks; default: all"),
    "metric": Key(*_TEXT, "default: the first of each task"),
    "over": Key(*_TEXT, f"several tasks: one of {', '.join(QUANTIFIERS)}; default average"),
    "size": Key(*_NUMBER, "the expected difference in points; half of it is what does not matter"),
    "margin": Key(*_NUMBER, "of 'no less', 'no greater' and 'the same': the largest deviation that counts as none"),
    "min_seeds": Key((int,), "a whole number", "fewest seeds for a verdict; default 5"),
    "sentence": Key(*_TEXT, "the claim in words; default: made from the keys above"),
    "id": Key(*_TEXT, "default: the study's name and the claim's number"),
}


def is_study_file(name: str) -> bool:
    """Return True if an experiment's name is the path of a study file."""
    return name.endswith(ENDING)


def stored_name(name: str | None) -> str | None:
    """Return the name under which results are kept, of an experiment or of a study file."""
    if name is None or not is_study_file(name):
        return name
    path = Path(name)
    content = _content(path)
    return str(content.get("name", path.stem))


def read_study(path: Path, *, hub: bool = False) -> Study:
    """Return the study that a file describes; no data are read.

    Args:
        path: the file.
        hub: whether own data that are no path here are data sets of the hub.

    Raises:
        MissingData: there is no such file.
        Mistakes: with a line for each, naming file, table, key and value, and the remedy.
    """
    content = _content(path)
    if "column" not in content and ("data" in content or "task" in content):
        raise UsageError(
            f"{path} describes own data, and no study: smart-repro run compare --data {path} --methods ..."
        )
    reader = _Reader(path, hub)
    study = reader.study(content)
    if reader.mistakes:
        raise Mistakes(reader.mistakes)
    assert study is not None
    return study


def _content(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise MissingData(f"{path}: there is no such file; a study file says what is run (`smart-repro show study`)")
    return read_toml(path)


class _Reader:
    """Reads one file and collects its mistakes."""

    def __init__(self, path: Path, hub: bool) -> None:
        self.path, self.hub = path, hub
        self.mistakes: list[str] = []

    def mistake(self, place: str, text: str) -> None:
        line = f"{self.path}{f', {place}' if place else ''}: {text}"
        if line not in self.mistakes:
            self.mistakes.append(line)

    def study(self, content: dict[str, Any]) -> Study | None:
        """Return the study; if there are mistakes the result is None, or incomplete and not to be used."""
        content = self.checked("", content, TOP)
        rows = [row for place, table in self.tables("row", content) if (row := self.row(place, table))]
        columns = [column for place, table in self.tables("column", content) if (column := self.column(place, table))]
        name = content.get("name", self.path.stem)
        self.check_name(name)
        study = Study(
            name=name,
            title=content.get("title", ""),
            description=content.get("description", ""),
            rows=tuple(rows),
            columns=tuple(columns),
            seeds=self.seeds(content.get("seeds", 5)),
            baseline=content.get("baseline", ""),
            settings=self.settings("settings", content.get("settings", {})),
        )
        if self.mistakes:
            return None
        return self.with_claims(study, content)

    def with_claims(self, study: Study, content: dict[str, Any]) -> Study | None:
        """Return the study with its claims, whose rows and tasks must be there."""
        try:
            ids = [row.id for row in study.method_rows()]
        except UsageError as error:
            self.mistake("", str(error))
            return None
        self.check_among("", "baseline", study.baseline, ids)
        self.check_tasks(study)
        claims = [self.claim(place, table, ids, study) for place, table in self.tables("claim", content)]
        names = [claim.id for claim in claims if claim and claim.id]
        for repeated_id in sorted({name for name in names if names.count(name) > 1}):
            self.mistake("[[claim]]", f"id = {repeated_id!r} stands twice: give each claim its own")
        return Study(**{**vars(study), "claims": tuple(claim for claim in claims if claim)})

    # --- parts ---

    def row(self, place: str, table: dict[str, Any]) -> StudyRow | None:
        content = self.checked(place, table, ROW)
        settings = self.settings(f"{place}.settings", content.get("settings", {}))
        if "method" not in content:
            return None
        name = content["method"]
        if name not in methods():
            self.mistake(place, f"method = {name!r}: no such method{_near(name, methods())}{_as_options(name)}")
            return None
        grid = MethodGrid(name, tuple(self.options(place, content.get("options", {}))))
        try:
            points = grid.points()
        except UsageError as error:
            self.mistake(f"{place}.options", str(error))
            return None
        for point in points:
            try:
                essential(point.choice)
            except UsageError as error:
                self.mistake(f"{place}.options", str(error))
        return StudyRow(methods=grid, id=content.get("id", ""), title=content.get("title", ""), settings=settings)

    def options(self, place: str, table: dict[str, Any]) -> Iterable[tuple[str, tuple[Any, ...]]]:
        for name, value in table.items():
            values = tuple(value) if isinstance(value, list) else (value,)
            if not values or any(isinstance(entry, list | dict) for entry in values) or len(set(values)) < len(values):
                self.mistake(f"{place}.options", f"{name} = {value!r}: give a value, or a list of values, each once")
                continue
            yield name, values

    def column(self, place: str, table: dict[str, Any]) -> StudyColumn | None:
        if "data" in table:
            return self.own_column(place, table)
        content = self.checked(place, table, COLUMN, f"; for own data give {', '.join(OWN_COLUMN)}")
        settings = self.settings(f"{place}.settings", content.get("settings", {}))
        name = content.get("task")
        if name is None:
            return None
        if name not in TASKS:
            self.mistake(place, f"task = {name!r}: no such task{_near(name, TASKS)}; own data are named by `data`")
            return None
        task, metrics = TASKS[name], _words(content.get("metric", ()))
        for metric in metrics:
            self.check_among(place, "metric", metric, task.metrics)
        split = content.get("split", "")
        self.check_among(place, "split", split, task.splits)
        return StudyColumn(task=name, metrics=metrics, split=split, settings=settings)

    def own_column(self, place: str, table: dict[str, Any]) -> StudyColumn | None:
        settings = self.settings(f"{place}.settings", table.get("settings", {}))
        unknown_keys = [key for key in table if key not in OWN_COLUMN]
        for key in unknown_keys:
            self.mistake(place, f"{key} = {table[key]!r}: no such key of a column on own data{_near(key, OWN_COLUMN)}")
        content = {key: value for key, value in table.items() if key in KINDS}
        try:
            choices = described(f"{self.path}, {place}", self.path.parent, content, self.hub)
        except UsageError as error:
            self.mistakes.append(str(error))
            return None
        return StudyColumn(task=choices.task_name, settings=settings, choices=choices)

    def claim(self, place: str, table: dict[str, Any], rows: list[str], study: Study) -> StudyClaim | None:
        previous_mistakes, tasks = len(self.mistakes), study.tasks
        content = self.checked(place, table, CLAIM)
        self.check_amounts(place, content)
        for key in ("row", "than"):
            self.check_among(place, key, content.get(key, ""), rows)
        for task in _words(content.get("on", ())):
            self.check_among(place, "on", task, tasks)
        self.check_among(place, "is", content.get("is", ""), DIRECTIONS)
        self.check_among(place, "over", content.get("over", ""), QUANTIFIERS)
        self.check_among(place, "metric", content.get("metric", ""), _metrics(study, _words(content.get("on", ()))))
        if len(self.mistakes) > previous_mistakes:
            return None
        claim = StudyClaim(
            row=content["row"],
            direction=content.get("is", "greater"),
            than=content.get("than", ""),
            tasks=_words(content.get("on", ())),
            metric=content.get("metric", ""),
            quantifier=content.get("over", "average"),
            size=content.get("size"),
            margin=content.get("margin"),
            min_seeds=content.get("min_seeds", 5),
            sentence=content.get("sentence", ""),
            id=content.get("id", ""),
        )
        if claim.row == (claim.than or study.baseline or rows[0]):
            self.mistake(place, f"row = {claim.row!r} would be compared with itself: name another row in `than`")
        self.check_claim(place, claim, tasks)
        return claim

    def settings(self, place: str, table: Any) -> dict[str, Any]:
        if not isinstance(table, dict):
            self.mistake(place.removesuffix(".settings"), f"settings = {table!r}: give {_TABLE[1]}")
            return {}
        settings = {}
        for name, value in table.items():
            if name not in SETTINGS:
                remedy = _near(name, SETTINGS) or "; `smart-repro show spec` lists what can be set"
                self.mistake(place, f"{name} = {value!r}: no such setting{remedy}")
                continue
            settings[name] = _setting(name, value)
            if problem := field_problem({name: settings[name]}):
                self.mistake(place, f"{name} = {value!r}: {problem}")
        return settings

    def seeds(self, value: Any) -> tuple[int, ...]:
        text = "".join(f"{seed}," for seed in value) if isinstance(value, list) else str(value)
        try:
            return parse_seeds(text)
        except UsageError as error:
            self.mistake("", f"seeds = {value!r}: {str(error).partition(': ')[2]}")
            return ()

    # --- checks ---

    def checked(self, place: str, table: dict[str, Any], keys: Mapping[str, Key], hint: str = "") -> dict[str, Any]:
        """Return the keys whose values are of their kinds."""
        for key, value in table.items():
            if key not in keys:
                remedy = _near(key, keys) or f"; there are {', '.join(keys)}{hint}"
                self.mistake(place, f"{key} = {_short(value)}: no such key{remedy}")
            elif not _is_kind(value, keys[key].kinds):
                self.mistake(place, f"{key} = {_short(value)}: give {keys[key].words}")
        for key, rule in keys.items():
            if rule.required and not table.get(key):
                self.mistake(place, f"{key} is missing: {rule.meaning}")
        return {key: value for key, value in table.items() if key in keys and _is_kind(value, keys[key].kinds)}

    def tables(self, key: str, content: Mapping[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
        """Yield the tables under a heading, each with its name in messages."""
        for number, table in enumerate(content.get(key, ()), start=1):
            if isinstance(table, dict):
                yield f"[[{key}]] {number}", table
            else:
                self.mistake("", f"{key} = {_short(table)}: give tables, each headed [[{key}]]")

    def check_among(self, place: str, key: str, value: str, names: Iterable[str]) -> None:
        listed = list(names)
        if value and value not in listed:
            remedy = _near(value, listed) or f"; there are {', '.join(listed)}"
            self.mistake(place, f"{key} = {value!r}: no such {_NOUNS.get(key, key)}{remedy}")

    def check_name(self, name: str) -> None:
        if not NAME.fullmatch(name):
            self.mistake(
                "", f"name = {name!r}: give letters, digits, dots, dashes and underscores: a folder is named so"
            )
        if name in {*EXPERIMENTS, *GROUPS}:
            self.mistake("", f"name = {name!r}: that is an experiment of the suite; give another name")

    def check_tasks(self, study: Study) -> None:
        """Refuse own data whose name another column has, and one task with two tables of settings."""
        for name in study.tasks:
            columns = [column for column in study.columns if column.task == name]
            if len(columns) > 1 and any(column.choices for column in columns):
                self.mistake("[[column]]", f"two columns are called {name}: give own data a name of their own")
            elif any(dict(column.settings) != dict(columns[0].settings) for column in columns):
                self.mistake("[[column]]", f"{name} has columns with different settings: its runs fill all of them")

    def check_amounts(self, place: str, content: Mapping[str, Any]) -> None:
        """Refuse numbers of a claim that no comparison can have."""
        for key in ("size", "margin"):
            if not math.isfinite(content.get(key, 0)):
                self.mistake(place, f"{key} = {content[key]}: give a finite number")
        if content.get("min_seeds", FEWEST_SEEDS) < FEWEST_SEEDS:
            self.mistake(place, f"min_seeds = {content['min_seeds']}: give at least {FEWEST_SEEDS}: seeds must vary")
        if "margin" in content and content.get("is", "greater") in ("greater", "less"):
            self.mistake(
                place, f"margin = {content['margin']}: is for 'no less', 'no greater' and 'the same'; leave it out"
            )

    def check_claim(self, place: str, claim: StudyClaim, tasks: tuple[str, ...]) -> None:
        test = {key: value for key, value in vars(claim).items() if key in _TESTED}
        try:
            Claim(id=place, sentence="", contrast=Contrast(claim.row, claim.than), tasks=claim.tasks or tasks, **test)
        except ValueError as error:
            self.mistake(place, str(error).partition(": ")[2])


def _metrics(study: Study, tasks: tuple[str, ...]) -> list[str]:
    """Return the metrics of these tasks, or of all in the study."""
    listed = [
        column.metrics or (column.choices.metric_names()[0] if column.choices else TASKS[column.task].metrics)
        for column in study.columns
        if not tasks or column.task in tasks
    ]
    return list(dict.fromkeys(metric for metrics in listed for metric in metrics))


_TESTED = ("direction", "metric", "quantifier", "size", "margin", "min_seeds")
_NOUNS = {"row": "row", "than": "row", "baseline": "row", "on": "task", "is": "direction", "over": "quantifier"}


def _near(name: str, names: Iterable[str]) -> str:
    return did_you_mean(str(name), names)


def _as_options(name: str) -> str:
    """Return a remedy for a method that is typed as on the command line."""
    return '; options stand in a table: options = { dropout = "shared" }' if re.search(r"[\[:=]", name) else ""


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _words(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(str(entry) for entry in value)


def _is_kind(value: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


def _setting(name: str, value: Any) -> Any:
    """Return a value of the file as a run has it: lists as tuples, the word none as None, one name as a list of it."""
    if isinstance(value, str) and value.lower() == "none":
        return None
    if isinstance(value, str) and name in RULES and RULES[name].kind == "names":
        return (value,)
    return _as_tuple(value)


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value


def format_text() -> str:
    """Return what a study file may hold, for people."""
    tables = {
        "At the top": {key: rule.meaning for key, rule in TOP.items()},
        "[[row]]": {key: rule.meaning for key, rule in ROW.items()},
        "[[column]], a task of the suite": {key: rule.meaning for key, rule in COLUMN.items()},
        "[[column]], own data": dict(OWN_COLUMN),
        "[[claim]]": {key: rule.meaning for key, rule in CLAIM.items()},
    }
    lines = ["Keys of a study file (smart-repro run FILE.toml); docs/own-experiment.md has examples."]
    for heading, keys in tables.items():
        lines += ["", heading, *(f"  {key:<12} {meaning}" for key, meaning in keys.items())]
    return "\n".join(lines)
