"""Results folders: ``Results.open("results")`` is the argument of every function of this package in place of a path.

Each file is read once. What was read does not change: open the folder again to see later changes.
"""

from __future__ import annotations

import difflib
import os
import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.integrity import numerics_of
from analysis.integrity.verified import damaged
from analysis.parts import PackedRuns, packed_runs, run_folder
from analysis.records import (
    PLAIN_NAME,
    ResultsError,
    read_json,
    read_lines,
    read_object,
    read_table,
    read_texts,
    without_digest,
)
from analysis.schema import Manifest, SchemaError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

KEPT_BYTES = 256 * 2**20  # of predictions and histories; runs and manifests are small and all kept
_PARSED = 4  # bytes in memory of one byte of a history
_NAMED = 5  # damaged runs that a warning names
MOST_ERRORS = 3  # standard errors by which a loss may end above its start: by chance 1 in 300 runs of 400 updates does


class DamagedRunsWarning(UserWarning):
    """Damaged runs, or parts that may hold runs, were left out."""


@dataclass(frozen=True)
class Run:
    """Parsed small files of one finished run.

    ``numerics`` is the version of the arithmetic it was made with, ``published`` the note on a published copy.
    """

    key: str
    spec: dict[str, Any]
    task: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    method: dict[str, Any]
    fingerprints: dict[str, Any]
    environment: dict[str, Any]
    result: dict[str, Any]
    numerics: int = 1
    published: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Log:
    """Log of one run's training.

    Attributes:
        steps: a record per update, in order; of an update that was repeated after a resume, the last record.
        epochs: ``epoch step task split metric score`` after each epoch, with the same rule.
        stored_divergence: :attr:`has_diverged` of a published run, whose steps are too few to tell; None: they tell.
    """

    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]
    stored_divergence: bool | None = None

    @property
    def has_diverged(self) -> bool:
        """True if the run diverged.

        It did if its task loss on the training data is larger at the end than at the start by more than
        :data:`MOST_ERRORS` standard errors, or NaN. Start and end are the means over the first and the last tenth of
        the updates (at least one update); the standard error is that of their difference, from the spread of the losses
        at the start, which is that at the end too if nothing has changed.
        """
        import numpy as np

        if self.stored_divergence is not None:
            return self.stored_divergence
        losses = np.array([float(step["task"]) for step in self.steps if step.get("task") is not None])
        if len(losses) < 2:
            return False
        tenth = max(1, len(losses) // 10)
        start, end = losses[:tenth], losses[-tenth:]
        error = np.sqrt(2 * start.var(ddof=1) / tenth) if tenth > 1 else 0.0
        return not end.mean() - start.mean() <= MOST_ERRORS * error  # "not <=" is also true for NaN


class Results:
    """Runs and manifests of one results folder.

    The set of finished runs is read at its first use. The predictions and histories used last are kept in memory, up to
    ``kept_bytes`` in total; frames are returned as copies, so that they may be changed.
    """

    def __init__(self, root: Path, kept_bytes: int = KEPT_BYTES) -> None:
        self.root = root
        self.cache = _Kept(kept_bytes)
        self._runs: dict[str, Run] = {}
        self._manifests: dict[str, Manifest] = {}
        self.damaged: dict[str, str] = {}  # key -> what is wrong, of the runs that :meth:`leave_out_damaged` left out

    @classmethod
    def open(cls, results: str | Path | Results) -> Results:
        """Return the folder as a value; a value is returned unchanged."""
        return results if isinstance(results, Results) else cls(Path(results))

    def __repr__(self) -> str:
        return f"Results({str(self.root)!r})"

    # --- runs ---

    @cached_property
    def packed(self) -> PackedRuns:
        """Runs that are in parts."""
        return packed_runs(self.root)

    @cached_property
    def _done(self) -> frozenset[str]:
        try:
            entries = [entry.name for entry in os.scandir(self.root / "runs") if entry.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            entries = []
        return frozenset(name for name in entries if not name.startswith(".")) | self.packed.parts.keys()

    def run_keys(self) -> list[str]:
        """Return the keys of the finished runs; a run folder appears by one rename, so a run with a folder is finished.

        Raises:
            ResultsError: there is no ``runs`` folder and no intact part.
        """
        runs = self.root / "runs"
        if not runs.is_dir() and not self._done:
            raise ResultsError(
                f"{runs} is not a folder: no results here; run an experiment first, or give another --results"
                f"{self.packed.hint()}"
            )
        return sorted(self._done)

    def leave_out_damaged(self, keys: Iterable[str]) -> dict[str, str]:
        """Verify these runs and all their parents; damaged ones count as not finished from now on.

        Returns: key -> fault and remedy, of each damaged run; if a run is missing, also of each damaged part by its
            file name, since it may hold the run.
        """
        requested_keys = list(dict.fromkeys(keys))
        unverified = [key for key in requested_keys if self.is_done(key)]
        if len(unverified) < len(requested_keys):
            self.damaged |= self.packed.faults
        checked: set[str] = set()
        while unverified:
            findings = damaged(self.root, unverified)
            self.damaged |= {key: finding.message for key, finding in findings.items()}
            checked.update(unverified)
            intact = [key for key in unverified if key not in findings]
            parents = [parent for key in intact for parent in self.run(key).fingerprints.get("parents") or ()]
            unverified = [key for key in dict.fromkeys(parents) if key not in checked and self.is_done(key)]
        self.__dict__["_done"] = self._done - self.damaged.keys()
        return self.damaged

    def is_done(self, key: str) -> bool:
        """Return True if the run with this key is finished."""
        return key in self._done

    def folder(self, key: str) -> Path:
        """Return the folder of a run; a part is unpacked at first need. Raises ResultsError: it cannot be unpacked."""
        return run_folder(self.root, key, self.packed)

    def run(self, key: str) -> Run:
        """Return spec, environment and result of one run.

        Raises:
            ResultsError: the run is not finished, or a file cannot be read.
        """
        if key not in self._runs:
            self._runs[key] = self._read_run(key)
        return self._runs[key]

    def finished(self, manifest: Manifest) -> list[Run]:
        """Return the experiment's finished runs, in table order."""
        return [self.run(key) for key in manifest.all_keys() if self.is_done(key)]

    def same_numerics(self, keys: Iterable[str]) -> int:
        """Return the numerics of the finished runs among ``keys`` (1 if none is finished).

        Raises:
            ResultsError: they differ, so the runs must not be compared or pooled.
        """
        example_runs: dict[int, str] = {}
        for key in keys:
            if self.is_done(key):
                example_runs.setdefault(self.run(key).numerics, key)
        if len(example_runs) > 1:
            names = ", ".join(f"run {key[:12]} with numerics {number}" for number, key in sorted(example_runs.items()))
            raise ResultsError(f"runs of different numerics are not compared or pooled ({names}): run the older again")
        return next(iter(example_runs), 1)

    def measures(self, key: str) -> dict[str, Any]:
        """Return ``measures.json`` of one run: ``moments`` and ``smoothness``; empty if the run measured nothing."""
        path = self.folder(key) / "measures.json"
        return read_json(path) if path.is_file() else {}

    def _read_run(self, key: str) -> Run:
        folder = self.folder(key)
        if not folder.is_dir():
            raise ResultsError(
                f"{folder} does not exist: this run is not finished; `smart-repro status` shows what is"
                f"{self.packed.hint()}"
            )
        spec, result = read_json(folder / "spec.json"), read_json(folder / "result.json")
        return Run(
            key=key,
            spec=spec.get("spec", {}),
            task=spec.get("task", {}),
            data=spec.get("data", {}),
            model=spec.get("model", {}),
            method=spec.get("method", {}),
            fingerprints=spec.get("fingerprints", {}),
            environment=read_json(folder / "environment.json"),
            result=result,
            numerics=numerics_of(spec),
            published=spec.get("published", {}),
        )

    # --- experiments ---

    def experiments(self) -> list[str]:
        """Return the names of the experiments in the folder."""
        folder = self.root / "experiments"
        return sorted(p.name for p in folder.iterdir() if any(p.glob("*.json"))) if folder.is_dir() else []

    def grids_of(self, name: str) -> list[Path]:
        """Return the manifests of an experiment; none for a name that no experiment can have."""
        return self.grids(name) if PLAIN_NAME.fullmatch(name) else []

    def grids(self, name: str) -> list[Path]:
        """Return the manifests of an experiment, the newest last."""
        paths = (self.root / "experiments" / name).glob("*.json")
        return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def manifest(self, name: str) -> Manifest:
        """Return the newest manifest of an experiment.

        Raises:
            ResultsError: there is none; the message names the experiments of the folder.
        """
        if name not in self._manifests:
            grids = self.grids_of(name)
            if not grids:
                names = self.experiments()
                matches = difflib.get_close_matches(name, names, n=1)
                remedy = f"there are: {', '.join(names)}" if names else "none; `smart-repro run` makes some"
                remedy = f"did you mean {matches[0]!r}? {remedy}" if matches else remedy
                raise ResultsError(f"no experiment named {name!r} in {self.root / 'experiments'}: {remedy}")
            self._manifests[name] = load_manifest(grids[-1])
        return self._manifests[name]

    # --- the large files ---

    def predictions(
        self, key: str, task: str, split: str, epoch: int | str = "last", columns: list[str] | None = None
    ) -> pd.DataFrame:
        """Return predictions of one run: ``id epoch label prediction logit_0.. [votes_0..]``, in file order.

        Args:
            key: key of the run.
            task: name of the task.
            split: name of the split.
            epoch: "last" (used for claims), "all", or a number.
            columns: columns to read, besides ``epoch``; None: all.

        Raises:
            ResultsError: there is no such file or epoch, or a column is missing.
        """
        name = ("predictions", key, task, split, epoch, None if columns is None else tuple(columns))
        frame = self.cache.get(name)
        if frame is None:
            frame = read_predictions(self.folder(key) / "predictions" / f"{task}.{split}.parquet", epoch, columns)
            self.cache.keep(name, frame, int(frame.memory_usage(deep=True).sum()))
        copy: pd.DataFrame = frame.copy()
        return copy

    def log(self, key: str) -> Log:
        """Return ``history.jsonl`` of one run.

        Raises:
            ResultsError: the file cannot be read; the message names file and line.
        """
        log: Log | None = self.cache.get(("log", key))
        if log is None:
            path = self.folder(key) / "history.jsonl"
            log = read_log(path)
            self.cache.keep(("log", key), log, _PARSED * path.stat().st_size)
        return log

    def history(self, key: str) -> pd.DataFrame:
        """Return the updates of a run as a frame, a row per update; parts that a method lacks are NaN."""
        import pandas as pd

        return pd.DataFrame.from_records(self.log(key).steps)

    def texts(self, task: str, split: str, fingerprint: str = "") -> pd.DataFrame | None:
        """Return ``id text_0 [text_1]`` from ``texts/<task>.<split>.parquet``, or None, as keeping texts is optional.

        Args:
            task: name of the task.
            split: name of the split.
            fingerprint: fingerprint of the split the runs were scored on; texts with another fingerprint are ignored.
        """
        table, of = read_texts(self.root / "texts" / f"{task}.{split}.parquet")
        return None if table is None or (fingerprint and of and of != fingerprint) else table.to_pandas()


def warn_of_damage(damage: Mapping[str, str], stacklevel: int = 2) -> None:
    """Warn that these runs and parts are left out, if there are any; the first one's fault and remedy are quoted.

    Args:
        damage: the result of :meth:`Results.leave_out_damaged`.
        stacklevel: the frame that the warning is attributed to; 1 is the caller.
    """
    if damage:
        more = [f"and {len(damage) - _NAMED} more"] if len(damage) > _NAMED else []
        names = ", ".join([*sorted(damage)[:_NAMED], *more])
        warnings.warn(
            f"damaged and left out: {names}. {damage[min(damage)]}. `smart-repro runs verify` names every fault",
            DamagedRunsWarning,
            stacklevel=stacklevel + 1,
        )


def load_manifest(path: str | Path) -> Manifest:
    """Read ``results/experiments/<name>/<grid-hash>.json``, of the current or an older schema version.

    Raises:
        ResultsError: the file cannot be read.
    """
    path = Path(path)
    try:
        return Manifest.from_json({"grid": path.stem, **without_digest(path, read_object(path))})
    except (SchemaError, TypeError, KeyError, AttributeError, ValueError) as error:
        if isinstance(error, ResultsError):
            raise
        raise ResultsError(f"{path}: {error}; plan the experiment again to rewrite it") from error


class _Kept:
    """Cache with a limit in bytes that drops the value that was not used for the longest time."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes = limit, 0
        self._values: OrderedDict[Any, tuple[Any, int]] = OrderedDict()

    def get(self, name: Any) -> Any:
        if name not in self._values:
            return None
        self._values.move_to_end(name)
        return self._values[name][0]

    def keep(self, name: Any, value: Any, size: int) -> None:
        if size > self.limit:
            return
        self._values[name] = (value, size)
        self.bytes += size
        while self.bytes > self.limit:
            _, (_, freed) = self._values.popitem(last=False)
            self.bytes -= freed


def read_predictions(path: Path, epoch: int | str, columns: list[str] | None) -> pd.DataFrame:
    """Return the stored predictions of one epoch. Raises: ResultsError: if they are absent or damaged."""
    if not path.is_file():
        stored = ", ".join(sorted(p.stem for p in path.parent.glob("*.parquet"))) or "no predictions"
        raise ResultsError(f"{path} does not exist: the run stored {stored}")
    table = read_table(path, None if columns is None else list(dict.fromkeys(["epoch", *columns])))
    if epoch != "all":
        table = _of_epoch(table, epoch, path)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _of_epoch(table: pa.Table, epoch: int | str, path: Path) -> pa.Table:
    """Return the rows of one epoch: filtered here, since converting ids is slow."""
    epochs = table["epoch"].to_numpy()
    at = epochs.max() if epoch == "last" else int(epoch)
    mask = epochs == at
    if not mask.any():
        raise ResultsError(f"{path} has no epoch {at}; it has {sorted(set(epochs.tolist()))}")
    return table if mask.all() else table.filter(mask)


def read_log(path: Path) -> Log:
    """Read the log of a run's training from its ``history.jsonl``.

    Raises: ResultsError: the file cannot be read; the message names file and line.
    """
    steps: dict[int, dict[str, Any]] = {}
    epochs: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in read_lines(path):
        if "event" not in line and "step" in line:
            steps[line["step"]] = line
        elif line.get("event") == "epoch":
            for task, splits in line.get("scores", {}).items():
                for split, metrics in splits.items():
                    for metric, value in metrics.items():
                        position = {"epoch": line["epoch"], "step": line.get("step"), "task": task, "split": split}
                        epochs[line["epoch"], task, split, metric] = {**position, "metric": metric, "score": value}
    return Log([steps[number] for number in sorted(steps)], list(epochs.values()))
