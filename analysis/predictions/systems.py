"""The runs of one system, lined up item by item, from files, frames or arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.predictions import files
from analysis.predictions.files import LOGIT, examples
from analysis.records import ResultsError

if TYPE_CHECKING:
    import pandas as pd

Array = np.ndarray
_NO_ARRAY = "{} is no array of numbers or names: save it by numpy.save, without Python objects"


@dataclass(frozen=True)
class Labels:
    """Labels that stand apart from the predictions.

    Attributes:
        ids: ``(items,)`` text; None: the items are in the order of the arrays.
        values: ``(items,)`` text.
        groups: ``(items,)`` text, or None.
    """

    values: Array
    ids: Array | None = None
    groups: Array | None = None


@dataclass(frozen=True)
class System:
    """The runs of one system: the same items in the same order for every seed. All values are text.

    Attributes:
        seeds: in increasing order.
        ids: ``(items,)``.
        labels: ``(items,)``.
        predictions: ``(seeds, items)``; None where there are logits or scores alone.
        logits: ``(seeds, items, outputs)`` numbers, or None; ``outputs`` names them.
        scores: ``(seeds, items)`` numbers that another program gave the items, or None.
        score_name: the metric that the files ask for, or "".
        groups: ``(items,)`` which items were drawn together, or None.
        has_own_labels: whether they stand beside the predictions.
        epochs: the epoch of each seed's predictions, where the files say it.
    """

    name: str
    seeds: tuple[int, ...]
    ids: Array
    labels: Array
    predictions: Array | None = None
    logits: Array | None = None
    outputs: tuple[str, ...] = ()
    scores: Array | None = None
    score_name: str = ""
    groups: Array | None = None
    has_own_labels: bool = False
    epochs: tuple[int, ...] = ()


def read_labels(source: Any, groups: Any = None) -> Labels:
    """Return labels from a file (``.npy``, or a table with ``label`` and perhaps ``id`` and ``group``) or an array.

    Raises: ResultsError: names the file, what is wrong and the remedy.
    """
    if not isinstance(source, str | Path):
        values = np.asarray(source)
        return Labels(_texts(values), groups=_group_texts(groups, values))
    path = Path(source)
    if path.suffix.lower() == files.ARRAY:
        values = read_array(path)
        if values.ndim != 1:
            raise ResultsError(f"{path}: labels must be of shape (items,), got {values.shape}")
        return Labels(_texts(values), groups=_group_texts(groups, values))
    frame, _ = files.read_system(path, required="label")
    if frame["id"].duplicated().any():
        twice = frame.loc[frame["id"].duplicated(), "id"]
        raise ResultsError(f"{path}: ids must be there once; twice: {examples(twice)}")
    if groups is not None:
        raise ResultsError(f"{path} has ids, which groups= has not: give the groups as its column 'group'")
    grouped = frame["group"].to_numpy(dtype=object) if "group" in frame else None
    return Labels(frame["label"].to_numpy(dtype=object), frame["id"].to_numpy(dtype=object), grouped)


def _group_texts(groups: Any, labels: Array) -> Array | None:
    """Return groups as text. Raises ResultsError: they are no array with a group for each label."""
    if groups is None:
        return None
    values = np.asarray(groups)
    if values.shape != labels.shape:
        raise ResultsError(f"groups= must have one group for each label, {labels.shape}; got {values.shape}")
    return _texts(values)


def read_array(path: Path) -> Array:
    """Return the array of a ``.npy`` file, read without pickle. Raises ResultsError: it is none."""
    try:
        values = np.load(path, allow_pickle=False)
    except FileNotFoundError:
        raise ResultsError(f"{path} does not exist: give a file of predictions or a folder of such files") from None
    except (ValueError, OSError, EOFError) as error:
        raise ResultsError(_NO_ARRAY.format(path)) from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "biufU":
        raise ResultsError(_NO_ARRAY.format(path))
    return values


def of_array(name: str, values: Array, labels: Labels | None, classes: Sequence[str] | None) -> System:
    """Return a system from ``(seeds, items)`` predictions or ``(seeds, items, classes)`` logits; seeds count from 0.

    Raises: ResultsError: no labels, or shapes that do not fit.
    """
    if labels is None:
        raise ResultsError(f"{name}: an array has no labels: give them by --labels (in Python: labels=)")
    runs = values[None] if values.ndim == 1 else values
    if runs.ndim not in (2, 3) or (runs.ndim == 3 and runs.dtype.kind != "f"):
        raise ResultsError(
            f"{name}: an array is (seeds, items) predictions or (seeds, items, classes) floats; got {values.shape} "
            f"{values.dtype}"
        )
    if not len(runs) or (runs.ndim == 3 and runs.shape[2] < 2):
        reason = "it holds no run" if not len(runs) else "logits need a column for each of at least two classes"
        raise ResultsError(f"{name}: an array of shape {values.shape}: {reason}")
    if runs.shape[1] != len(labels.values):
        raise ResultsError(f"{name}: {runs.shape[1]:,} items, but there are {len(labels.values):,} labels")
    ids = _texts(np.arange(runs.shape[1])) if labels.ids is None else labels.ids
    seeds = tuple(range(len(runs)))
    if runs.ndim == 2:
        return System(name, seeds, ids, labels.values, _texts(runs), groups=labels.groups)
    outputs = tuple(classes) if classes is not None else tuple(map(str, range(runs.shape[2])))
    if len(outputs) != runs.shape[2]:
        raise ResultsError(f"{name}: {runs.shape[2]} logits an item for {len(outputs)} classes ({examples(outputs)})")
    return System(
        name, seeds, ids, labels.values, logits=runs.astype(np.float64), outputs=outputs, groups=labels.groups
    )


def of_frame(name: str, frame: pd.DataFrame, score_name: str, labels: Labels | None) -> System:
    """Return a system from the rows of :func:`analysis.predictions.files.read_system`.

    Raises: ResultsError: the same id twice for a seed, seeds with other ids, or an id with two labels or groups.
    """
    twice = frame[frame.duplicated(["id", "seed"])]
    if len(twice):
        pairs = (f"{row} (seed {seed})" for row, seed in zip(twice["id"], twice["seed"], strict=True))
        raise ResultsError(f"{name}: {len(twice):,} rows repeat an id and seed: {examples(pairs)}")
    seeds = tuple(sorted(int(seed) for seed in frame["seed"].unique()))
    by_seed = frame.groupby("seed", sort=False)
    ids = by_seed.get_group(seeds[0])["id"].to_numpy(dtype=object)
    ordered = [_in_order(name, by_seed.get_group(seed), ids, seed, seeds[0]) for seed in seeds]
    outputs = tuple(str(column).removeprefix(LOGIT) for column in frame if str(column).startswith(LOGIT))
    has_logits = bool(outputs) and "prediction" not in frame and "score" not in frame
    if has_logits and (len(outputs) < 2 or "" in outputs):
        columns = ", ".join(f"{LOGIT}{output}" for output in outputs)
        raise ResultsError(f"{name}: {columns}: logits need a column {LOGIT}NAME for each of at least two classes")
    return System(
        name,
        seeds,
        ids,
        _labels(name, ordered, ids, labels),
        _stacked(ordered, "prediction"),
        _numbers(name, ordered, [LOGIT + output for output in outputs]) if has_logits else None,
        outputs if has_logits else (),
        _numbers(name, ordered, ["score"])[..., 0] if "score" in frame else None,
        score_name,
        _groups(name, ordered, ids, labels),
        has_own_labels="label" in frame,
        epochs=tuple(int(rows["epoch"].iloc[0]) for rows in ordered) if _has_epochs(frame) else (),
    )


def _has_epochs(frame: pd.DataFrame) -> bool:
    return "epoch" in frame and not frame["epoch"].isna().any()  # of a folder some files may have no such column


def _in_order(name: str, rows: pd.DataFrame, ids: Array, seed: int, first: int) -> pd.DataFrame:
    """One seed's rows in the order of the first seed's ids."""
    if len(rows) == len(ids) and (rows["id"].to_numpy(dtype=object) == ids).all():
        return rows
    indexed = rows.set_index("id")
    present, required = set(indexed.index), set(ids)
    missing, extra = [i for i in ids if i not in present], present - required
    if missing or extra:
        differences = in_one_alone({f"seed {first}": missing, f"seed {seed}": sorted(extra)})
        raise ResultsError(f"{name}: ids differ between seeds: {differences}")
    return indexed.loc[ids]


def in_one_alone(ids: Mapping[str, Sequence[str]]) -> str:
    """Return which ids each side has alone, in words."""
    return "; ".join(f"{len(alone):,} in {name} alone: {examples(alone)}" for name, alone in ids.items() if alone)


def _stacked(runs: Sequence[pd.DataFrame], column: str) -> Array | None:
    if column not in runs[0]:
        return None
    return np.stack([rows[column].to_numpy(dtype=object) for rows in runs])


def _numbers(name: str, runs: Sequence[pd.DataFrame], columns: Sequence[str]) -> Array:
    """``(seeds, items, columns)`` numbers. Raises ResultsError: naming the items where there are none."""
    try:
        return np.stack([rows[list(columns)].to_numpy(dtype=object).astype(np.float64) for rows in runs])
    except ValueError:
        strange = (
            f"{value!r} in {column} of id {item}"
            for rows in runs
            for column in columns
            for item, value in zip(_ids_of(rows), rows[column], strict=True)
            if not _is_number(value)
        )
        raise ResultsError(f"{name}: {examples(columns)} must hold numbers; got {examples(strange)}") from None


def _ids_of(rows: pd.DataFrame) -> Sequence[str]:
    return list(rows.get("id", rows.index))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _labels(name: str, runs: Sequence[pd.DataFrame], ids: Array, labels: Labels | None) -> Array:
    """Return the label of each item, from the rows or from the separate labels."""
    stacked = _stacked(runs, "label")
    if stacked is not None:
        return _same(name, stacked, ids, "label")
    if labels is None:
        hint = f"; {files.near('label', runs[0].attrs['names'])}" if runs[0].attrs.get("names") else ""
        raise ResultsError(f"{name} has no column 'label', and no --labels (in Python: labels=) was given{hint}")
    return _by_id(name, ids, labels, labels.values)


def _groups(name: str, runs: Sequence[pd.DataFrame], ids: Array, labels: Labels | None) -> Array | None:
    stacked = _stacked(runs, "group")
    own_groups = None if stacked is None else _same(name, stacked, ids, "group")
    if labels is None or labels.groups is None:
        return own_groups
    groups = _by_id(name, ids, labels, labels.groups)
    if own_groups is not None and (own_groups != groups).any():
        raise ResultsError(
            f"{name}: its column 'group' differs from the groups beside the labels: leave one of them out"
        )
    return groups


def _by_id(name: str, ids: Array, labels: Labels, values: Array) -> Array:
    if labels.ids is None:
        if len(labels.values) != len(ids):
            raise ResultsError(f"{name}: {len(ids):,} items, but there are {len(labels.values):,} labels")
        if list(ids) != list(map(str, range(len(ids)))):
            raise ResultsError(
                f"{name}: the labels have no ids, and its own ({examples(ids)}) are not 0 to {len(ids) - 1} in order: "
                "give the labels as a table with 'id' and 'label'"
            )
        return values
    by_id = dict(zip(labels.ids, values, strict=True))
    missing = [item for item in ids if item not in by_id]
    if missing:
        raise ResultsError(f"{name}: {len(missing):,} ids have no label in the labels' file: {examples(missing)}")
    return np.array([by_id[item] for item in ids], dtype=object)


def _same(name: str, stacked: Array, ids: Array, noun: str) -> Array:
    """One value per item, which must be the same for every seed."""
    differs = (stacked != stacked[0]).any(0)
    if differs.any():
        pairs = (f"{ids[i]} ({' and '.join(dict.fromkeys(map(str, stacked[:, i])))})" for i in np.flatnonzero(differs))
        raise ResultsError(
            f"{name}: {noun}s differ between seeds for {int(differs.sum()):,} of {len(ids):,} ids: {examples(pairs)}"
        )
    return np.asarray(stacked[0])


def _texts(values: Array) -> Array:
    """Numbers or names as text without blanks around it; a float keeps all its digits."""
    return np.array([str(value).strip() for value in values.reshape(-1).tolist()], dtype=object).reshape(values.shape)
