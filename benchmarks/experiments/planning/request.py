"""What a command line asks for, as a value: from options to an experiment and a data source, and back to a command."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from analysis.schema import SPLITS
from benchmarks.errors import UsageError
from benchmarks.experiments import EXPERIMENTS, GROUPS, Experiment, narrowed
from benchmarks.experiments.planning import tuning
from benchmarks.experiments.planning.available import available, startable
from benchmarks.experiments.planning.compare import compare
from benchmarks.experiments.planning.groups import members
from benchmarks.experiments.planning.profiles import DEMO_SETTINGS, PROFILES, stand_in
from benchmarks.spec import MethodChoice, RunSpec, parse_methods, parse_value
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source, parse_data_files, resolve_source
from smart_repro.methods import METHODS

_OPTIONS = {
    "profile": "--profile",
    "tasks": "--tasks",
    "methods": "--methods",
    "seeds": "--seeds",
    "model": "--model",
    "layers": "--layers",
    "max_train_samples": "--max-train-samples",
    "epochs": "--epochs",
    "settings": "--set",
    "source": "--source",
    "data_dir": "--data-dir",
    "data_file": "--data-file",
    "grid_name": "--name",
    "plugins": "--import",
    "results": "--results",
}
_OF_A_RUN = ("source", "data_dir", "data_file", "plugins", "results")  # what `runs rerun` needs to know


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options ``plan``, ``run`` and ``reproduce`` share, as typed."""

    name: str
    profile: str | None = None
    tasks: str | None = None
    methods: str | None = None
    seeds: str | None = None
    model: str | None = None
    layers: int | None = None
    max_train_samples: int | None = None
    epochs: int | None = None
    settings: list[str] | None = None
    source: str | None = None
    data_dir: Path | None = None
    data_file: list[str] | None = None
    results: Path | None = None
    grid_name: str | None = None
    plugins: list[str] | None = None
    tune: bool = False
    tuned: bool = False

    @property
    def title(self) -> str:
        """The name under which results are kept."""
        return f"{self.name}-tuning" if self.tune else self.grid_name or self.name

    def experiment(self) -> Experiment:
        """The experiment asked for. Raises UsageError or UnknownNameError with what to do."""
        if self.name == "compare":
            return self._compare()
        if self.grid_name:
            raise UsageError("--name is for a grid of your own (compare); a published table keeps its name")
        profile = self.profile or "demo"
        if profile == "demo" and self.data_dir:
            raise UsageError(
                "--data-dir contradicts the profile demo, whose data are generated; use --profile small or paper"
            )
        whole = PROFILES[profile](EXPERIMENTS[self.name]())
        tasks = tuple(stand_in(task) or task if profile == "demo" else task for task in _names(self.tasks))
        return narrowed(
            whole,
            tasks=tasks,
            methods=self.methods,
            seeds=parse_seeds(self.seeds) if self.seeds else (),
            settings=self.changed(),
        )

    def each(self) -> list[Request]:
        """One request per experiment: itself, or one for every member of the group it names."""
        if self.name not in GROUPS:
            return [self]
        if self.grid_name:
            raise UsageError("--name is for a grid of your own (compare); a published table keeps its name")
        return [replace(self, name=name) for name in members(self.name)]

    def found(self) -> tuple[Experiment, Source]:
        """The experiment and where its data come from, without the columns whose data are not there.

        A task that is asked for by name must be there.

        Raises: UsageError, DataError.
        """
        experiment = self.experiment()
        source = self.where(experiment)
        asked = self.tasks is not None or self.name == "compare"
        experiment = startable(experiment if asked else available(experiment, source), source)
        if self.tune and self.tuned:
            raise UsageError("--tune makes the trials, --tuned uses them: give one after the other")
        if self.tune:
            experiment = tuning.tuning(experiment)
        elif self.tuned:
            experiment = tuning.tuned(experiment, self.results or Path("results"))
        return experiment, source

    def where(self, experiment: Experiment) -> Source:
        """Where the experiment's data come from."""
        if all(TASKS[task].generated for task in experiment.trained):
            return resolve_source(
                "generated" if self.source is None and not self.data_dir else self.source, self.data_dir
            )
        return resolve_source(self.source, self.data_dir, parse_data_files(self.data_file or []))

    def changed(self) -> dict[str, Any]:
        """The settings of a run the options name."""
        named = {
            "model": self.model,
            "layers": self.layers,
            "max_train_samples": self.max_train_samples,
            "epochs": self.epochs,
        }
        return {
            **{name: value for name, value in named.items() if value is not None},
            **parse_settings(self.settings or []),
        }

    def command(self, verb: str) -> str:
        """A command line that asks for the same."""
        flags = [f"--{name}" for name in ("tune", "tuned") if getattr(self, name)]
        return shlex.join(["smart-repro", verb, self.name, *self._options(_OPTIONS), *flags])

    def rerun(self) -> str:
        """A command line that does one finished run again, ``KEY``, and compares its predictions byte for byte."""
        return shlex.join(["smart-repro", "runs", "rerun", "KEY", *self._options(_OF_A_RUN)])

    def _options(self, names: Iterable[str]) -> Iterator[str]:
        for name in names:
            value = getattr(self, name)
            if value is None or (name == "results" and value == Path("results")):
                continue
            for each in value if isinstance(value, list) else [value]:
                yield from (_OPTIONS[name], str(each))

    def _compare(self) -> Experiment:
        if self.profile is not None:
            raise UsageError("compare takes no --profile: name --tasks, --methods and --model yourself")
        if not self.tasks or not self.methods:
            raise UsageError(
                "compare needs --tasks and --methods, for example --tasks rte,cola --methods vanilla,smart"
            )
        tasks = _names(self.tasks)
        demo = all(TASKS[task].generated for task in tasks)
        base = {**DEMO_SETTINGS} if demo and (self.model or "tiny") == "tiny" else {}
        return compare(
            tasks=tasks,
            methods=tuple(map(MethodChoice, METHODS)) if self.methods == "all" else tuple(parse_methods(self.methods)),
            seeds=parse_seeds(self.seeds or "5"),
            settings={**base, **({} if demo else {"model": "minilm"}), **self.changed()},
            name=self.title,
        )


def parse_seeds(text: str) -> tuple[int, ...]:
    """``"5"`` = five seeds from 0; ``"3,7"`` = these; ``"10-19"`` = a range. Raises UsageError."""
    text = text.strip()
    if re.fullmatch(r"\d+", text):
        if int(text) < 1:
            raise UsageError("--seeds 0: at least one seed is needed")
        return tuple(range(int(text)))
    seeds: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
        if match is None:
            raise UsageError(f"--seeds {text}: expected a number of seeds (5), a list (3,7) or a range (10-19)")
        seeds += range(int(match[1]), int(match[2] or match[1]) + 1)
    if not seeds:
        raise UsageError(f"--seeds {text}: there is no seed in it")
    return tuple(dict.fromkeys(seeds))


def parse_settings(options: Iterable[str]) -> dict[str, Any]:
    """``["batch_size=32"]`` as fields of a run. Raises UsageError for another form or an unknown field."""
    known = {field.name for field in fields(RunSpec)} - {"task", "method", "options", "seed"}
    found = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not equals or name not in known:
            raise UsageError(f"--set {option}: expected NAME=VALUE with one of {', '.join(sorted(known))}")
        found[name] = _splits(value) if name == "predict" else parse_value(value)
    return found


def _splits(text: str) -> tuple[str, ...]:
    """``"dev,train"`` or ``"('dev', 'train')"`` as splits to predict. Raises UsageError for what is none."""
    value = parse_value(text)
    wanted = value if isinstance(value, tuple) else _names(str(value))
    for each in wanted:
        if str(each).rpartition(":")[2] not in SPLITS:
            raise UsageError(f"--set predict={text}: {each!r} is no split: give some of {', '.join(SPLITS)}")
    return tuple(map(str, wanted))


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
