"""The options that several verbs share: each is described once, here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Callable


def task_names(incomplete: str) -> list[str]:
    """Completes a task in the shell. Other names would have to load torch first: too slow while somebody types."""
    from benchmarks.tasks import TASKS

    return [name for name in TASKS if name.startswith(incomplete)]


def words(*known: str) -> Callable[[str], list[str]]:
    """Completes one of these in the shell."""
    return lambda incomplete: [word for word in known if word.startswith(incomplete)]


Name = Annotated[
    str,
    typer.Argument(
        help="an experiment (`smart-repro list experiments`), a paper (smart, sda: all of it), controls, or "
        "compare for a grid of your own"
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        help="demo (generated data, minutes), small (real data, MiniLM) or paper; default demo",
        autocompletion=words("demo", "small", "paper"),
    ),
]
Tasks = Annotated[str | None, typer.Option(help="comma-separated: rte,cola,stsb")]
Methods = Annotated[
    str | None,
    typer.Option(
        help="comma-separated, with options: vanilla,smart:lambda_s=3,smart[independent]; or rows of a published "
        "table, by name"
    ),
]
Seeds = Annotated[str | None, typer.Option(help="how many (5), which (3,7) or a range (10-19)")]
Model = Annotated[str | None, typer.Option(help="tiny, minilm, a local folder or a hub id")]
Layers = Annotated[int | None, typer.Option(help="keep only the model's first so many layers")]
SampleCount = Annotated[
    int | None, typer.Option("--max-train-samples", help="train on so many examples (the same for every method)")
]
Epochs = Annotated[int | None, typer.Option(help="passes over the training set")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="any other setting of a run: --set batch_size=32 (see `smart-repro show spec`)"),
]
SourceKind = Annotated[str | None, typer.Option("--source", help="local, hub or generated")]
DataDir = Annotated[
    Path | None, typer.Option(help="folder with the data sets' official files (or set SMART_REPRO_DATA)")
]
DataFile = Annotated[list[str] | None, typer.Option(help="one file for one split: --data-file mnli:train=PATH")]
Results = Annotated[Path, typer.Option(help="where runs, manifests and reports are kept")]
RunName = Annotated[
    str | None, typer.Option("--name", help="name of a grid of your own in the results folder; default compare")
]
Plugins = Annotated[
    list[str] | None, typer.Option("--import", help="a module to import first: it may register methods and tasks")
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="print results only, no progress")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would be done, train nothing")]
Workers = Annotated[
    int | None, typer.Option(min=1, help="runs at a time; default: one per core, or as many as fit on the GPUs")
]
ExecutorName = Annotated[
    str, typer.Option("--executor", help="local (this machine) or ray (this machine or a cluster)")
]
Address = Annotated[str | None, typer.Option(help="of a Ray cluster that runs already; default: one of our own")]
Tune = Annotated[
    bool, typer.Option("--tune", help="first: equally many trials of every method, on examples and seeds of their own")
]
Tuned = Annotated[bool, typer.Option("--tuned", help="then: every method with its best trial on each task")]
RetryFailed = Annotated[bool, typer.Option(help="also try again what failed for a reason that may not go away")]
CheckpointSteps = Annotated[
    int | None, typer.Option(min=1, help="save each run's state after every so many updates; default: by time only")
]
CheckpointMinutes = Annotated[
    float, typer.Option(min=0.0, help="save each run's state every so many minutes; 0: never by time")
]
Track = Annotated[
    str | None, typer.Option(help="tensorboard: loss parts, rates and scores of each run, live, in RESULTS/tensorboard")
]

RESULTS = Path("results")
