"""``--track NAME``: what a run writes into its history, also for a tracker, while it trains.

The trackers are those of :mod:`accelerate.tracking`: TensorBoard, Weights & Biases (offline: files for ``wandb sync``)
and MLflow (an SQLite file). They follow ``history.jsonl``, so they show the numbers that the analysis reads, under the
names that the Trainer's own callbacks write; what they write is no part of the run, lies in ``results/NAME`` and can be
deleted at any time.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from analysis.records import short_name
from benchmarks.errors import UsageError
from benchmarks.libraries import MLFLOW, WANDB, set_defaults

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

    from benchmarks.store.store import Store
    from benchmarks.training.job import Job

Report = Callable[[dict[str, Any]], None]
PROJECT = "smart-repro"  # project of Weights & Biases, experiment of MLflow
_POSITION = ("step", "epoch", "tokens")
_TRAINERS_NAMES = {"lr": "learning_rate", "gradient_norm": "grad_norm"}  # history -> log of transformers.Trainer


# --- the trackers ---


def _open_tensorboard(folder: Path, name: str, settings: dict[str, Any]) -> GeneralTracker:
    """Write event files. Settings are left out: TensorBoard lists them as a further run beside each run."""
    from accelerate.tracking import TensorBoardTracker

    shutil.rmtree(folder / name, ignore_errors=True)
    tracker = TensorBoardTracker(name, logging_dir=folder)
    tracker.start()
    return tracker


def _open_wandb(folder: Path, name: str, settings: dict[str, Any]) -> GeneralTracker:
    """Write files for ``wandb sync``: a worker needs neither a network nor an account."""
    from accelerate.tracking import WandBTracker

    set_defaults(WANDB)
    identity = name.rpartition(".")[2]
    folder.mkdir(parents=True, exist_ok=True)
    for earlier in folder.glob(f"wandb/offline-run-*-{identity}"):
        shutil.rmtree(earlier)
    quiet = {"console": "off", "silent": True, "x_disable_stats": True}
    tracker = WandBTracker(PROJECT, name=name, id=identity, dir=str(folder), mode="offline", settings=quiet)
    tracker.start()
    tracker.store_init_configuration(settings)
    return tracker


def _open_mlflow(folder: Path, name: str, settings: dict[str, Any]) -> GeneralTracker:
    """Write to the server that MLFLOW_TRACKING_URI names, otherwise to an SQLite file."""
    set_defaults(MLFLOW)
    import mlflow
    from accelerate.tracking import MLflowTracker

    folder.mkdir(parents=True, exist_ok=True)
    # a writer waits for the others; SQLite's default, 5 seconds, is short for many workers
    mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI") or f"{mlflow_store(folder)}?timeout=120")
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(PROJECT)
    if experiment is not None:
        for earlier in client.search_runs([experiment.experiment_id], f"attributes.run_name = '{name}'"):
            client.delete_run(earlier.info.run_id)
    tracker = MLflowTracker(PROJECT, logging_dir=str(folder / "artifacts"), run_name=name)
    tracker.start()
    tracker.store_init_configuration(settings)
    return tracker


_OPENERS: dict[str, Callable[[Path, str, dict[str, Any]], GeneralTracker]] = {
    "tensorboard": _open_tensorboard,
    "wandb": _open_wandb,
    "mlflow": _open_mlflow,
}
TRACKERS = tuple(_OPENERS)


def mlflow_store(folder: Path) -> str:
    """Return MLflow's name for its SQLite file in a folder."""
    return f"sqlite:///{folder.resolve() / 'mlflow.db'}"


def check(name: str) -> None:
    """Refuse, before any training, a tracker that does not exist or is not installed; "" is none.

    Raises:
        UsageError: with the names that exist, or the command that installs it.
    """
    if name and name not in TRACKERS:
        raise UsageError(f"--track {name}: no such tracker; give {', '.join(TRACKERS)}")
    if name and importlib.util.find_spec(name) is None:
        raise UsageError(f"--track {name} needs the package {name}: pip install 'smart-repro[{name}]'")


def hint(name: str, results: Path) -> str:
    """Return the command that shows what a tracker writes."""
    folder = results / name
    return {
        "tensorboard": f"tensorboard --logdir {folder}",
        "wandb": f"wandb sync {folder / 'wandb'}/offline-run-*",
        "mlflow": f"mlflow ui --backend-store-uri {mlflow_store(folder)}",
    }[name]


# --- following a run ---


@contextmanager
def tracked(name: str, store: Store, job: Job, report: Report) -> Iterator[Report]:
    """Follow the run between its reports and once more at its end; ``name`` "" follows nothing."""
    if not name:
        yield report
        return
    follower = Follower(name, store, job)

    def followed(event: dict[str, Any]) -> None:
        follower.read()
        report(event)

    try:
        yield followed
    finally:
        follower.finish()


class Follower:
    """Writer of scalars from the lines of a run's history as they are added.

    An attempt writes the run anew from its first line, which it kept: an interrupted run leaves no gap and no step
    twice. A tracker that fails ends the tracking with a line on standard error, not the run.
    """

    def __init__(self, tracker: str, store: Store, job: Job) -> None:
        self.tracker, self.store, self.job = tracker, store, job
        self.folder = store.root / tracker
        self._mark = self.folder / ".followed" / folder_name(job)  # that the tracker has the whole run
        self._read = 0  # bytes of the history
        self._writer: GeneralTracker | None = None
        self._failed = False

    def read(self) -> None:
        """Write the scalars of the lines added since the last call."""
        history = self._history()
        if history is None or self._failed:
            return
        try:
            self._follow(history)
        except Exception as error:
            self._give_up(error)

    def finish(self) -> None:
        """Write the end of a run that was followed, or that had nothing to report on the way (a vote)."""
        is_done = self.store.is_done(self.job.key)
        if self._writer is not None or (is_done and not self._mark.exists()):
            self.read()
        if self._writer is None or self._failed:
            return
        try:
            self._writer.finish()
        except Exception as error:
            self._give_up(error)
            return
        if is_done:
            self._mark.parent.mkdir(exist_ok=True)
            self._mark.touch()

    def _give_up(self, error: Exception) -> None:
        self._failed = True
        line = f"{self.job.spec.title} is not tracked any further, but goes on: {self.tracker}: {error}"
        print(" ".join(line.split()), file=sys.stderr)

    def _follow(self, history: Path) -> None:
        if self._writer is None:
            self._writer = self._open()
        with history.open(encoding="utf-8") as stream:
            stream.seek(self._read)
            for line in stream.readlines():
                row = json.loads(line)
                self._log(dict(scalars(row)), int(row["step"]))
            self._read = stream.tell()

    def _open(self) -> GeneralTracker:
        """Open the tracker; one process at a time, because the first one creates what all write to."""
        from accelerate import PartialState

        PartialState()  # accelerate's trackers ask it which process is the main one
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / ".lock"):
            return _OPENERS[self.tracker](self.folder, folder_name(self.job), settings(self.job))

    def _log(self, values: dict[str, float], step: int) -> None:
        if not values or self._writer is None:
            return
        if self.tracker == "mlflow":  # in a thread of its own: a commit to the database takes longer than an update
            self._writer.log(values, step=step, synchronous=False)
            return
        from transformers.integrations.integration_utils import rewrite_logs

        self._writer.log(rewrite_logs(values), step=step)

    def _history(self) -> Path | None:
        work_folder = self.store.inflight / self.job.key
        attempts = sorted(work_folder.glob("attempt-*"), key=lambda path: int(path.name.split("-")[1]))
        places = [*reversed(attempts), self.store.folder(self.job.key)]
        return next((path for place in places if (path := place / "history.jsonl").is_file()), None)


def folder_name(job: Job) -> str:
    """Name a run for people: the task, the method with its options, the seed, and the beginning of the key."""
    title = re.sub(r"[^\w.+=\[\]-]+", "_", job.spec.title)
    return f"{short_name(title)}.{job.key[:8]}"


def settings(job: Job) -> dict[str, Any]:
    """Return the run's settings as trackers store them: plain values, others as JSON."""
    return {
        name: value if isinstance(value, str | int | float | bool) else json.dumps(value)
        for name, value in {"key": job.key, **job.spec.to_json()}.items()
        if value is not None
    }


def scalars(row: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Yield name and value of what a line of a history holds, named as ``Trainer.log`` would.

    A score is what ``Trainer(eval_dataset={"rte.dev": ...})`` writes: ``eval_rte.dev_accuracy``. TensorBoard and
    Weights & Biases show ``train/loss`` and ``eval/rte.dev_accuracy``, as under the Trainer.
    """
    if row.get("event") == "epoch":
        for task, splits in row["scores"].items():
            for split, metrics in splits.items():
                yield from ((f"eval_{task}.{split}_{metric}", value) for metric, value in metrics.items())
    elif "event" not in row:
        yield from ((_TRAINERS_NAMES.get(name, name), value) for name, value in row.items() if name not in _POSITION)
