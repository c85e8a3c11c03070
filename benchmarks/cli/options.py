"""Options of the command line that are no part of what is run: how the work is done and what is printed.

What is run is :class:`benchmarks.options.GridOptions`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from benchmarks.cli import completion
from benchmarks.errors import UsageError
from benchmarks.options import DataOptions, GridOptions, OwnOptions, TuningOptions, Workers, whole

if TYPE_CHECKING:
    from benchmarks.engine.executor import Executor

_MINUTES_AT_MOST = 100_000


def _finite(kind: Any, value: float | None) -> None:
    if value is not None and not math.isfinite(value):
        raise ValueError("It must be a finite number.")


FLAT = Parameter(name="*")  # the fields of a dataclass are options themselves
Grid = Annotated[GridOptions, FLAT]
Tuning = Annotated[TuningOptions, FLAT]
Data = Annotated[DataOptions, FLAT]
Own = Annotated[OwnOptions, FLAT]
Name = Annotated[
    str,
    Parameter(
        help="an experiment (`smart-repro list experiments`), a paper (smart, sda: all of it), controls, or for a grid "
        "of your own compare or a study file (study.toml)",
        completer=lambda context: completion.experiments(),
    ),
]
StoredName = Annotated[
    str | None,
    Parameter(
        help="an experiment that was run, or its study file; default: all in the results folder",
        completer=completion.stored_experiments,
    ),
]
StudyOut = Annotated[
    Path | None,
    Parameter(name="--save-study", help="also write a grid of your own as a study file, to be edited and run again"),
]
Key = Annotated[
    str,
    Parameter(
        help="a run's key, or its beginning: `smart-repro runs list` shows them",
        completer=completion.keys,
    ),
]
Licence = Annotated[
    str, Parameter(help="of the model, as the hub names it: apache-2.0; default: the card says that none is stated")
]
Json = Annotated[bool, Parameter(name="--json", negative=(), help="print JSON")]
Quiet = Annotated[bool, Parameter(alias="-q", help="print results only, no progress")]


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """Options of the execution, none of which changes a result."""

    workers: Workers = None
    executor: Annotated[
        str,
        Parameter(
            help="local (this machine), ray (this machine or a cluster) or slurm (array jobs of a cluster)",
            completer=completion.words("local", "ray", "slurm"),
        ),
    ] = "local"
    address: Annotated[
        str | None, Parameter(help="of a running Ray cluster; default: Ray is started on this machine")
    ] = None
    partition: Annotated[str, Parameter(help="of SLURM; default: the cluster's own")] = ""
    time_limit: Annotated[
        int | None,
        Parameter(
            help="minutes of a SLURM task, after which it is queued again and goes on; default 60",
            converter=whole,
            validator=validators.Number(gte=1, lte=_MINUTES_AT_MOST),
        ),
    ] = None
    array_size: Annotated[
        int | None,
        Parameter(
            help="tasks of a SLURM array at most, of which each does a share of the runs; default 1000",
            converter=whole,
            validator=validators.Number(gte=1),
        ),
    ] = None
    slurm: Annotated[
        str, Parameter(help="further settings of sbatch: account=NAME,gpus_per_node=1,mem_gb=8,qos=NAME")
    ] = ""
    retry_failed: Annotated[bool, Parameter(help="also try again what failed for a reason that may not go away")] = (
        False
    )
    checkpoint_steps: Annotated[
        int | None,
        Parameter(
            help="save each run's state after every so many updates; default: by time only",
            converter=whole,
            validator=validators.Number(gte=1),
        ),
    ] = None
    checkpoint_minutes: Annotated[
        float,
        Parameter(
            help="save each run's state every so many minutes; 0: never by time",
            validator=(_finite, validators.Number(gte=0, lte=_MINUTES_AT_MOST)),
        ),
    ] = 1.0
    track: Annotated[
        str | None,
        Parameter(
            help="tensorboard, wandb or mlflow: loss parts, rates and scores of each run, live, in RESULTS/NAME",
            completer=completion.words("tensorboard", "wandb", "mlflow"),
        ),
    ] = None
    dry_run: Annotated[bool, Parameter(negative=(), help="show what would be done, train nothing")] = False
    quiet: Quiet = False

    @property
    def checkpoint(self) -> dict[str, float]:
        """The two intervals as :func:`benchmarks.training.execute.execute` takes them."""
        return {"checkpoint_steps": self.checkpoint_steps or 0, "checkpoint_seconds": 60 * self.checkpoint_minutes}

    def make_executor(self, memory: float) -> Executor:
        """Return what does the work; ``memory`` is what a run needs of a GPU, in bytes. Raises: UsageError."""
        from benchmarks.engine.choose import Cluster, make_executor

        cluster = Cluster(self.address, self.partition, self.time_limit, self.array_size, _sbatch(self.slurm))
        return make_executor(self.executor, self.workers, memory, cluster, is_used=not self.dry_run)


def _sbatch(text: str) -> dict[str, Any]:
    """Return the settings in ``name=value,name=value``; whole numbers as such. Raises: UsageError."""
    settings: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise UsageError(f"--slurm {part}: expected NAME=VALUE, as in account=NAME,gpus_per_node=1")
        settings[name] = int(value) if value.isdecimal() else value
    return settings


Execution = Annotated[ExecutionOptions, FLAT]


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """Options for reading and scoring the predictions of other programs."""

    metric: Annotated[
        str | None,
        Parameter(
            help="accuracy, macro_f1, balanced_accuracy, matthews, f1, pearson, spearman or rmse; default: accuracy of "
            "classes, pearson of numbers; of lm-evaluation-harness's files: one of theirs, default the first",
            completer=completion.words(
                "accuracy", "macro_f1", "balanced_accuracy", "matthews", "f1", "pearson", "spearman", "rmse"
            ),
        ),
    ] = None
    positive: Annotated[str | None, Parameter(help="the class whose F1 is compared")] = None
    labels: Annotated[
        Path | None, Parameter(help="a file of labels for predictions without: .npy, or a table with id and label")
    ] = None
    classes: Annotated[
        str | None, Parameter(help="comma-separated names in the order of class numbers and logits: neg,pos")
    ] = None
    filter_name: Annotated[
        str | None, Parameter(name="--filter", help="of lm-evaluation-harness's files with several")
    ] = None
    bound: Annotated[
        float | None,
        Parameter(help="a difference that does not matter, in points; default: 0.5, of F1 and correlations 1"),
    ] = None
    reference: Annotated[
        float | None,
        Parameter(help="score of a system that has learnt the task: no verdict where the baseline is far below it"),
    ] = None


Judging = Annotated[JudgeOptions, FLAT]
