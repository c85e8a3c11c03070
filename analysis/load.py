"""Reading result folders: runs, manifests, predictions, histories. Nothing here trains, scores or draws.

``analysis.load(results)`` gives one tidy frame; the other functions give one file each, with an error that names the
file and the remedy when it is not what it should be.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from analysis.records import ResultsError, read_json

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


@dataclass(frozen=True)
class Row:
    """One arm of an experiment: a method in one reading; ``x`` is its place on the curve it is a point of.

    ``combine`` is "vote" or "average" where each of its runs combines finished runs: its parents.
    """

    id: str
    title: str
    method: str = ""
    reading: str = ""
    curve: str = ""
    x: float | None = None
    combine: str = ""


@dataclass(frozen=True)
class Column:
    """One number per arm: a metric on a split of a task; ``ceiling`` is the best reachable score, where it is known."""

    id: str
    task: str
    metric: str
    split: str = "dev"
    title: str = ""
    ceiling: float | None = None


@dataclass(frozen=True)
class Published:
    """What a paper prints for one cell, in percent."""

    row: str
    column: str
    value: float
    metric: str = ""
    split: str = ""
    source: str = ""


@dataclass(frozen=True)
class Point:
    """A published number that is no cell: ``quantity`` at ``x`` on ``axis`` (epoch, micro-batch, agreement ...)."""

    row: str
    column: str
    quantity: str
    axis: str
    x: float | str
    value: float
    source: str = ""


@dataclass(frozen=True)
class Manifest:
    """What an experiment consists of: which run keys fill which cell of its table."""

    name: str
    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    seeds: tuple[int, ...]
    cells: dict[str, dict[str, list[str]]]
    baseline_row: str | None = None
    profile: str | None = None
    grid: str = ""
    published: tuple[Published, ...] = ()
    claims: tuple[dict[str, Any], ...] = ()
    layout: str = "methods-by-tasks"
    warnings: tuple[str, ...] = ()
    reasons_missing: dict[str, str] = field(default_factory=dict)
    commands: dict[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    about: dict[str, Any] = field(default_factory=dict)

    def keys(self, row: str, column: Column) -> list[str]:
        """The run keys of a cell, one per seed in seed order; empty where the experiment has no such cell."""
        cells = self.cells.get(row, {})
        return cells.get(column.id, cells.get(column.task, []))

    def reason(self, row: str, column: Column) -> str:
        """Why the planner left a cell out, "" where it did not; ``*`` stands for every row or column."""
        ids = [f"{r}|{c}" for r in (row, "*") for c in (column.id, column.task, "*")]
        return next((self.reasons_missing[i] for i in ids if i in self.reasons_missing), "")

    def distinct(self) -> list[Column]:
        """The columns that differ in their runs: curves belong to runs, whatever is read from them."""
        seen: dict[tuple[tuple[str, ...], ...], Column] = {}
        for column in self.columns:
            seen.setdefault(tuple(tuple(self.keys(row.id, column)) for row in self.rows), column)
        return list(seen.values())

    def row(self, row_id: str) -> Row:
        """The row of that id. Raises KeyError."""
        return {row.id: row for row in self.rows}[row_id]

    def all_keys(self) -> list[str]:
        """Every run key once, in table order."""
        return list(dict.fromkeys(key for tasks in self.cells.values() for keys in tasks.values() for key in keys))


@dataclass(frozen=True)
class Run:
    """The small files of one finished run, parsed."""

    key: str
    spec: dict[str, Any]
    task: dict[str, Any]
    data: dict[str, Any]
    model: dict[str, Any]
    method: dict[str, Any]
    fingerprints: dict[str, Any]
    environment: dict[str, Any]
    result: dict[str, Any]


def load(results: str | Path) -> pd.DataFrame:
    """Every score of every finished run, tidy: one row per run, task, split and metric.

    Columns: ``key method seed model task split metric score`` (a fraction), ``train_task`` (the task it was trained
    on), ``results`` (this folder), ``generated seconds steps source``, every other field of the spec under its own
    name, and the method's settings as ``config.<name>``. Rows, filtered as you like, are what :mod:`analysis.frames`
    takes.

    Raises: ResultsError: if there is no ``runs`` folder below ``results``, or a file in it cannot be read.
    """
    import pandas as pd

    records = [
        {**record, "results": str(results)} for key in run_keys(results) for record in _records(read_run(results, key))
    ]
    first = ["key", "method", "seed", "model", "train_task", "task", "split", "metric", "score", "results"]
    frame = pd.DataFrame.from_records(records)
    if frame.empty:
        return pd.DataFrame(columns=first)
    return frame[[c for c in first if c in frame] + [c for c in frame if c not in first]]


def run_keys(results: str | Path) -> list[str]:
    """Keys of the finished runs: a run folder appears whole, so being there means being done."""
    runs = Path(results) / "runs"
    if not runs.is_dir():
        raise ResultsError(
            f"{runs} is not a folder: no results here; run an experiment first, or give another --results"
        )
    return sorted(p.name for p in runs.iterdir() if p.is_dir() and not p.name.startswith("."))


def is_done(results: str | Path, key: str) -> bool:
    """Whether the run of that key is finished."""
    return (Path(results) / "runs" / key).is_dir()


def read_run(results: str | Path, key: str) -> Run:
    """Spec, environment and result of one run."""
    folder = Path(results) / "runs" / key
    if not folder.is_dir():
        raise ResultsError(f"{folder} does not exist: this run is not finished; `smart-repro status` shows what is")
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
    )


def load_manifest(path: str | Path) -> Manifest:
    """Read one ``results/experiments/<name>/<grid-hash>.json``."""
    path = Path(path)
    raw = read_json(path)
    try:
        return Manifest(
            rows=tuple(_build(Row, r) for r in raw["rows"]),
            columns=tuple(_build(Column, c) for c in raw["columns"]),
            published=tuple(_build(Published, p) for p in raw.get("published") or ()),
            name=raw["name"],
            title=raw.get("title") or raw["name"],
            seeds=tuple(raw["seeds"]),
            cells=raw["cells"],
            baseline_row=raw.get("baseline_row"),
            profile=raw.get("profile"),
            grid=raw.get("grid", path.stem),
            claims=(*(raw.get("claims") or ()), *(raw.get("further_claims") or ())),
            layout=raw.get("layout") or "methods-by-tasks",
            warnings=tuple(raw.get("warnings") or ()),
            reasons_missing=raw.get("reasons_missing") or {},
            commands=raw.get("commands") or {},
            points=tuple(_build(Point, p) for p in raw.get("points") or ()),
            about=raw.get("about") or {},
        )
    except (KeyError, TypeError) as error:
        raise ResultsError(f"{path} is not a manifest ({error!r}): plan the experiment again to rewrite it") from error


def latest_manifest(results: str | Path, name: str) -> Manifest:
    """The newest manifest of that experiment."""
    folder = Path(results) / "experiments" / name
    found = sorted(folder.glob("*.json"), key=lambda p: (p.stat().st_mtime_ns, p.name))
    if not found:
        known = experiments(results)
        there = f"there are: {', '.join(known)}" if known else "none was planned or run here"
        raise ResultsError(f"no experiment named {name!r} in {folder.parent}: {there}")
    return load_manifest(found[-1])


def experiments(results: str | Path) -> list[str]:
    """Names of the experiments a results folder knows."""
    folder = Path(results) / "experiments"
    return sorted(p.name for p in folder.iterdir() if any(p.glob("*.json"))) if folder.is_dir() else []


def predictions(
    results: str | Path, key: str, task: str, split: str, epoch: int | str = "last", columns: list[str] | None = None
) -> pd.DataFrame:
    """Predictions of one run: ``id epoch label prediction logit_0.. [votes_0..]``, in file order.

    Args:
        epoch: "last" (what claims use), "all", or a number.
        columns: only these (``epoch`` is always read).
    Raises: ResultsError: no such file, no such epoch, or a column is missing.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = Path(results) / "runs" / key / "predictions" / f"{task}.{split}.parquet"
    if not path.is_file():
        raise ResultsError(f"{path} does not exist: the run stored {_stored(path.parent)}")
    try:
        wanted = None if columns is None else list(dict.fromkeys(["epoch", *columns]))
        table = pq.ParquetFile(path).read(columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise ResultsError(
            f"{path} cannot be read ({error}): delete its run folder and run the experiment again"
        ) from error
    missing = {"epoch", *(columns or ("id", "label", "prediction"))} - set(table.column_names)
    if missing or not table.num_rows:
        raise ResultsError(f"{path} has no {', '.join(sorted(missing)) or 'rows'}: delete its run folder and run again")
    if epoch == "all":
        return table.to_pandas()
    epochs = table["epoch"].to_numpy()
    at = epochs.max() if epoch == "last" else int(epoch)
    chosen = epochs == at
    if not chosen.any():
        raise ResultsError(f"{path} has no epoch {at}; it has {sorted(set(epochs.tolist()))}")
    return (table if chosen.all() else table.filter(chosen)).to_pandas()  # the ids of other epochs are never made


@dataclass(frozen=True)
class Log:
    """What one run wrote while it trained.

    Attributes:
        steps: one record per update, in order; a step that was repeated after a resume counts once (the last).
        epochs: ``epoch step task split metric score`` after each epoch, likewise.
    """

    steps: list[dict[str, Any]]
    epochs: list[dict[str, Any]]


def read_log(results: str | Path, key: str) -> Log:
    """``history.jsonl`` of one run. Raises ResultsError naming file and line."""
    steps: dict[int, dict[str, Any]] = {}
    epochs: dict[tuple[Any, ...], dict[str, Any]] = {}
    for line in _lines(results, key):
        if "event" not in line and "step" in line:
            steps[line["step"]] = line
        elif line.get("event") == "epoch":
            for task, splits in line.get("scores", {}).items():
                for split, metrics in splits.items():
                    for metric, value in metrics.items():
                        about = {"epoch": line["epoch"], "step": line.get("step"), "task": task, "split": split}
                        epochs[line["epoch"], task, split, metric] = {**about, "metric": metric, "score": value}
    return Log([steps[number] for number in sorted(steps)], list(epochs.values()))


def history(results: str | Path, key: str) -> pd.DataFrame:
    """The updates of a run as a frame: a row per update, parts a method does not have as NaN."""
    import pandas as pd

    return pd.DataFrame.from_records(read_log(results, key).steps)


def epoch_scores(results: str | Path, key: str) -> pd.DataFrame:
    """Scores after each epoch: ``epoch step task split metric score``."""
    import pandas as pd

    columns = ["epoch", "step", "task", "split", "metric", "score"]
    return pd.DataFrame.from_records(read_log(results, key).epochs, columns=columns)


def measures(results: str | Path, key: str) -> dict[str, Any]:
    """``measures.json`` of one run: ``moments`` and ``smoothness``; empty where the run measured nothing."""
    path = Path(results) / "runs" / key / "measures.json"
    return read_json(path) if path.is_file() else {}


def texts(results: str | Path, task: str, split: str, fingerprint: str = "") -> pd.DataFrame | None:
    """``id text_0 [text_1]`` from ``results/texts/<task>.<split>.parquet``, or None: keeping texts is optional.

    Args:
        fingerprint: of the split the runs were scored on; texts of other data are not taken for theirs.
    """
    import pyarrow.parquet as pq

    path = Path(results) / "texts" / f"{task}.{split}.parquet"
    if not path.is_file():
        return None
    table = pq.ParquetFile(path).read()
    of = (table.schema.metadata or {}).get(b"fingerprint", b"").decode()
    return None if fingerprint and of and of != fingerprint else table.to_pandas()


def _lines(results: str | Path, key: str) -> Iterator[dict[str, Any]]:
    path = Path(results) / "runs" / key / "history.jsonl"
    if not path.is_file():
        raise ResultsError(f"{path} does not exist: the run is not finished, or its folder was edited")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except json.JSONDecodeError as error:
            raise ResultsError(
                f"{path}, line {number}, is not JSON ({error}): delete the run folder and run again"
            ) from error


def _records(run: Run) -> Iterator[dict[str, Any]]:
    spec = {k: v for k, v in run.spec.items() if k not in ("task", "method_config") and not isinstance(v, dict | list)}
    config = {f"config.{k}": v for k, v in (run.spec.get("method_config") or {}).items()}
    about = {
        **spec,
        **config,
        "train_task": run.spec.get("task"),
        "generated": bool(run.task.get("generated", False)),
        **{k: run.result.get(k) for k in ("seconds", "steps", "source")},
        "key": run.key,
    }
    for task, splits in run.result.get("scores", {}).items():
        for split, metrics in splits.items():
            for metric, value in metrics.items():
                yield {**about, "task": task, "split": split, "metric": metric, "score": value}


def _stored(folder: Path) -> str:
    return ", ".join(sorted(p.stem for p in folder.glob("*.parquet"))) or "no predictions"


def _build(kind: type[T], raw: dict[str, Any]) -> T:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: v for k, v in raw.items() if k in names})
