"""Options of the experiment and its data, declared once for the command line, files and notebooks.

Each field is an option of ``plan``, ``run``, ``reproduce`` and ``check``. Its name, kind and help are read from here by
the parser, and so is its flag when a command line is written out again. What a value may be is checked by
:mod:`benchmarks.experiments.planning.request`, because it depends on the experiment.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from cyclopts import Parameter, Token, validators

from analysis.records import RESULTS_FOLDER
from benchmarks.errors import UsageError
from benchmarks.spec_checks import SETTINGS

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

Completer = Callable[["CompletionContext"], Iterable[str]]
# Kind -> its names, for completion. The command line fills it, because this module must not import the registries.
CANDIDATES: dict[str, Callable[[], Iterable[str]]] = {}
RESULTS = RESULTS_FOLDER
WORKERS_AT_MOST = 4096


def whole(kind: Any, tokens: Sequence[Token]) -> int:
    """Parse a whole number; the command line's parser would accept ``2.5`` as 2."""
    text = tokens[0].value
    if not re.fullmatch(r"[+-]?[0-9]{1,19}", text):
        raise ValueError(f"{text!r} is no whole number below 10^19")
    return int(text)


def settings(context: CompletionContext) -> list[str]:
    """Offer the settings of a run, each with its equals sign."""
    return [f"{name}=" for name in SETTINGS]


def listed(kind: str) -> Completer:
    """Return a completer for a comma-separated list of a kind's names: it completes the last of them."""

    def complete(context: CompletionContext) -> list[str]:
        typed, comma, _ = context.incomplete.rpartition(",")
        return [f"{typed}{comma}{name}" for name in CANDIDATES.get(kind, list)()]

    return complete


Plugins = Annotated[
    list[str] | None,
    Parameter(name="--import", help="a module to import first: it may register methods, tasks and experiments"),
]
Results = Annotated[Path, Parameter(help="where runs, manifests and reports are kept")]
Workers = Annotated[
    int | None,
    Parameter(
        help="runs at a time; default: one per core, or as many as fit on the GPUs",
        converter=whole,
        validator=validators.Number(gte=1, lte=WORKERS_AT_MOST),
    ),
]


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """Options for the source of the examples.

    ``data``, ``dev`` and ``test`` are own data, in place of the suite's data sets.
    """

    data: Annotated[
        str | None,
        Parameter(
            help="own data: a .csv, .tsv, .jsonl, .parquet or .arrow file, a folder, a task.toml, or with --source hub "
            "the id of a data set"
        ),
    ] = None
    dev: Annotated[str | None, Parameter(help="own data: a file to evaluate on; default: 20 % of --data")] = None
    test: Annotated[str | None, Parameter(help="own data: a labelled file that the verdict is on, instead of dev")] = (
        None
    )

    source: Annotated[
        str | None, Parameter(help="local, hub or generated", completer=lambda context: ("local", "hub", "generated"))
    ] = None
    data_dir: Annotated[
        Path | None, Parameter(help="folder with the data sets' official files (or set SMART_REPRO_DATA)")
    ] = None
    data_file: Annotated[list[str] | None, Parameter(help="one file for one split: --data-file mnli:train=PATH")] = None
    default_data_dir: Annotated[
        Path | None, Parameter(show=False, help="the data folder of smart-repro.toml, for tasks that read files")
    ] = None


@dataclass(frozen=True, kw_only=True)
class OwnOptions:
    """Options for own data: their columns and metrics. They describe ``data`` of :class:`DataOptions`."""

    text: Annotated[list[str] | None, Parameter(help="own data: the text column; give it twice for pairs of texts")] = (
        None
    )
    label: Annotated[str | None, Parameter(help="own data: the column to predict")] = None
    group: Annotated[
        str | None,
        Parameter(help="own data: the column that names groups (author, patient): no split divides one"),
    ] = None
    task_name: Annotated[str | None, Parameter(help="own data: name of the task; default own- and the file's name")] = (
        None
    )
    bad_rows: Annotated[
        str | None,
        Parameter(
            help="own data: error (default) or drop, for rows without a text or a label",
            completer=lambda context: ("error", "drop"),
        ),
    ] = None
    split_seed: Annotated[
        int | None, Parameter(help="own data: seed of the cut into train and dev; default 0", converter=whole)
    ] = None
    regression: Annotated[bool, Parameter(negative=(), help="own data: the label is a number to predict")] = False
    metric: Annotated[
        str | None,
        Parameter(
            help="own data: comma-separated, the first decides: accuracy, macro_f1, balanced_accuracy, matthews, "
            "f1:CLASS; pearson, spearman, rmse for numbers"
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class GridOptions(OwnOptions, DataOptions):
    """Options for the runs: of an experiment, or of a user's own grid."""

    profile: Annotated[
        str | None,
        Parameter(
            help="demo (generated data, minutes), small (real data, MiniLM) or paper; default demo",
            completer=lambda context: ("demo", "small", "paper"),
        ),
    ] = None
    tasks: Annotated[str | None, Parameter(help="comma-separated: rte,cola,stsb", completer=listed("tasks"))] = None
    methods: Annotated[
        str | None,
        Parameter(
            help="comma-separated, with options: vanilla,smart:lambda_s=3,smart[independent]; a curve over an option: "
            "smoothness:epsilon=[1e-3,1e-2],sigma=epsilon,eta=100*epsilon; or rows of a published table, by name",
            completer=listed("methods"),
        ),
    ] = None
    seeds: Annotated[str | None, Parameter(help="how many (5), which (3,7) or a range (10-19)")] = None
    model: Annotated[
        str | None,
        Parameter(help="tiny, minilm, a local folder or a hub id", completer=lambda context: ("tiny", "minilm")),
    ] = None
    layers: Annotated[int | None, Parameter(help="keep only the model's first so many layers", converter=whole)] = None
    max_train_samples: Annotated[
        int | None, Parameter(help="train on so many examples (the same for every method)", converter=whole)
    ] = None
    epochs: Annotated[int | None, Parameter(help="passes over the training set", converter=whole)] = None
    settings: Annotated[
        list[str] | None,
        Parameter(
            name="--set",
            help="any other setting of a run: --set batch_size=32 (see `smart-repro show spec`)",
            completer=settings,
        ),
    ] = None
    grid_name: Annotated[
        str | None,
        Parameter(name="--name", help="name of a grid of your own in the results folder; default compare"),
    ] = None
    plugins: Plugins = None


@dataclass(frozen=True, kw_only=True)
class TuningOptions:
    """Equal tuning of every method, in two steps."""

    tune: Annotated[
        bool,
        Parameter(
            negative=(),
            help="first: equally many trials of every method, on examples and seeds of their own",
        ),
    ] = False
    tuned: Annotated[bool, Parameter(negative=(), help="then: every method with its best trial on each task")] = False


@cache
def flags(options: type) -> Mapping[str, str]:
    """Return field -> flag, for one of the classes above."""
    hints = get_type_hints(options, include_extras=True)
    names_of_flags = {}
    for field in fields(options):
        parameters = [
            parameter
            for parameter in getattr(hints[field.name], "__metadata__", ())
            if isinstance(parameter, Parameter)
        ]
        names = [name for parameter in parameters for name in parameter.name or ()]
        names_of_flags[field.name] = names[0] if names else "--" + field.name.replace("_", "-")
    return names_of_flags


def check_given(options: Any) -> None:
    """Refuse an option whose value is an empty text: it would count as not given. Raises UsageError."""
    for field in fields(options):
        if getattr(options, field.name) == "":
            raise UsageError(
                f"{flags(options.__class__)[field.name]} is empty: give a value, or leave it out (is a variable of the "
                "shell not set?)"
            )


def words(options: Any, only: Collection[str] | None = None) -> Iterator[str]:
    """Yield the words of a command line that give these options: flags with their values, without defaults.

    Args:
        options: the options.
        only: fields to include; None: all.
    """
    for field in fields(options):
        value = getattr(options, field.name)
        flag = flags(options.__class__)[field.name]
        if value == field.default or field.name == "default_data_dir" or (only is not None and field.name not in only):
            continue
        if value is True:
            yield flag
            continue
        for item in value if isinstance(value, list | tuple) else [value]:
            yield from (flag, str(item))


def results_words(results: Path | None) -> list[str]:
    """Return the option for a results folder, unless it is the default one."""
    return [] if results in (None, RESULTS) else ["--results", str(results)]


def command(*parts: str) -> str:
    """Return a command line that a shell splits into these words."""
    return shlex.join(["smart-repro", *parts])
