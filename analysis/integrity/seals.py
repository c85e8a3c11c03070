"""Seal of a run folder: ``integrity.json`` holds, for each file, the sha256 of its bytes and a digest of its content.

The content decides, so that a file may be stored in another form; if the bytes are equal, the content is not compared.
The digest of content is taken of canonical JSON, line by line for a history; for a table, of its columns with the rows
ordered by epoch and id.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.integrity.keys import rebuilt, verify_key
from analysis.records import (
    NEEDED,
    OBJECTS,
    READERS,
    SCHEMA,
    SEAL,
    DamagedError,
    ResultsError,
    canonical,
    digest_of,
    parse_lines,
    read_bytes,
    read_json,
    read_object,
    read_seal,
    read_table,
    with_digest,
)

if TYPE_CHECKING:
    import pyarrow as pa

SCORE_TOLERANCE = 1e-9  # rounding differences of sums between machines
VERIFIED, UNVERIFIED, DAMAGED = "verified", "unverified", "damaged"


@dataclass(frozen=True)
class Finding:
    """Result of verifying a run.

    Attributes:
        key: key of the run.
        state: verified; unverified (it has no seal, and no fault was found); or damaged.
        file: the damaged file, relative to the run folder.
        reason: the fault.
        message: the fault in one line, with the remedy.
    """

    key: str
    state: str
    file: str = ""
    reason: str = ""
    message: str = ""


def inspect(folder: Path) -> Finding:
    """Verify a run folder, and return the fault instead of raising it."""
    try:
        return Finding(folder.name, verify(folder))
    except DamagedError as error:
        file = str(error.file.relative_to(folder)) if error.file.is_relative_to(folder) else str(error.file)
        return Finding(folder.name, DAMAGED, file, error.reason, str(error))
    except ResultsError as error:  # written by a newer version
        return Finding(folder.name, DAMAGED, "", str(error), str(error))


def verify(folder: Path) -> str:
    """Compare a run folder with its seal, and its contents with its key.

    Returns:
        ``"verified"``; or ``"unverified"`` if it has no seal, every file can be read, and its predictions give the
        stored scores.

    Raises:
        DamagedError: a file differs from what was written; the message names it.
    """
    names = run_files(folder)
    for name in NEEDED:
        if name not in names:
            raise DamagedError(folder / name, "does not exist")
    if not any(name.startswith("predictions/") for name in names):
        raise DamagedError(folder / "predictions", "holds no predictions")
    if (folder / SEAL).exists():
        _compare(folder, names, read_seal(folder / SEAL))
        _verify_names(folder, read_json(folder / "spec.json"), sealed=True)
        return VERIFIED
    for name in names:
        READERS[Path(name).suffix](folder / name)
    _verify_names(folder, read_json(folder / "spec.json"), sealed=False)
    for difference in _score_differences(folder):
        raise DamagedError(folder / "result.json", f"does not fit the predictions ({difference})")
    return UNVERIFIED


def _compare(folder: Path, names: list[str], stored: Mapping[str, Any]) -> None:
    if stored["key"] != folder.name:
        raise DamagedError(folder / SEAL, f"is the seal of run {stored['key']}")
    for name in sorted({*names, *stored["files"]}):
        if name not in names:
            raise DamagedError(folder / name, "does not exist")
        if name not in stored["files"]:
            raise DamagedError(folder / name, "was added after the run was finished")
        data = read_bytes(folder / name)
        if sha256(data).hexdigest() == stored["files"][name]["sha256"]:
            continue
        if content_digest(folder / name) != stored["files"][name]["content"]:
            raise DamagedError(folder / name, f"is not what {SEAL} says")


def _verify_names(folder: Path, stored: Mapping[str, Any], *, sealed: bool) -> None:
    """Check the key of a run by its contents; of an unsealed run, at least the keys in its files."""
    result = read_json(folder / "result.json")
    if result["key"] != folder.name:
        raise DamagedError(folder / "result.json", f"is of run {result['key']}")
    if stored["key"] != folder.name:
        raise DamagedError(folder / "spec.json", f"is of run {stored['key']}")
    if not sealed and "identity" not in stored and not _is_complete(stored):
        return
    try:
        verify_key(stored, folder.name)
    except ResultsError as error:
        raise DamagedError(folder / "spec.json", f"does not fit its run ({error})") from error


def _is_complete(stored: Mapping[str, Any]) -> bool:
    """Return True if a spec without an identity has all entries that an identity is made of."""
    try:
        rebuilt(stored)
    except ResultsError:
        return False
    return True


def run_files(folder: Path) -> list[str]:
    """Return the files of a run folder, relative to it, without the seal.

    Raises:
        DamagedError: the folder cannot be read.
    """
    try:
        entries = {entry.name for entry in os.scandir(folder)}
        tables = list(os.scandir(folder / "predictions")) if "predictions" in entries else []
    except OSError as error:
        raise DamagedError(folder, f"cannot be read ({error.strerror or error})") from error
    plain = [name for name in (*OBJECTS, "history.jsonl") if name in entries]
    tables_in_folder = [f"predictions/{entry.name}" for entry in tables if entry.name.endswith(".parquet")]
    return sorted([*plain, *(name for name in tables_in_folder if not Path(name).name.startswith("."))])


def seal_of(folder: Path, key: str = "", sealed_from: str = "") -> dict[str, Any]:
    """Return the content of ``integrity.json`` for a run folder.

    Args:
        folder: the run folder.
        key: key of the run; default: the folder's name.
        sealed_from: digest of the seal of the run that this one is a thinned copy of.

    Raises:
        ResultsError: a file cannot be read.
    """
    files = {
        name: {
            "sha256": sha256(read_bytes(folder / name)).hexdigest(),
            "content": content_digest(folder / name),
        }
        for name in run_files(folder)
    }
    origin = {"sealed_from": sealed_from} if sealed_from else {}
    return with_digest({"schema": SCHEMA, "key": key or folder.name, "files": files, **origin})


def content_digest(path: Path) -> str:
    """Return the digest of a file's content, which does not depend on the form it is written in.

    Raises:
        ResultsError: the file cannot be read.
    """
    if path.suffix == ".parquet":
        return table_digest(read_table(path))
    if path.suffix == ".jsonl":
        lines = parse_lines(path, read_bytes(path))
        return sha256("".join(f"{canonical(line)}\n" for line in lines).encode()).hexdigest()
    return digest_of(read_object(path))


def table_digest(table: pa.Table) -> str:
    """Return the digest of names and types, then of each column: little-endian numbers, texts with lengths."""
    import numpy as np
    import pyarrow as pa

    hashing = sha256(canonical([[field.name, str(field.type)] for field in table.schema]).encode())
    ordered = table.take(_row_order(table))
    for column in ordered.columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts = [text.encode() for text in column.to_pylist()]
            hashing.update(np.array([len(text) for text in texts], dtype="<i8").tobytes())
            hashing.update(b"".join(texts))
        else:
            values = column.to_numpy()
            hashing.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return hashing.hexdigest()


def _row_order(table: pa.Table) -> pa.Array:
    import pyarrow.compute as pc

    return pc.sort_indices(table, sort_keys=[("epoch", "ascending"), ("id", "ascending")])


def seal_problems(folder: Path) -> list[str]:
    """Return the reasons not to seal a run: its key, or a stored score, contradicts its contents, or a file is lost."""
    try:
        verify_key(read_json(folder / "spec.json"), folder.name)
        return score_problems(folder)
    except ResultsError as error:
        return [str(error)]


def score_problems(folder: Path) -> list[str]:
    """Return the stored scores of a run that its predictions after the last epoch do not give.

    Raises:
        ResultsError: a file is missing or damaged.
    """
    unknown_metrics = [
        f"{task}.{split}: no metric {metric!r} of predictions"
        for task, split, metrics in _stored_scores(folder)
        for metric in metrics
        if not _is_of_predictions(metric)
    ]
    return [*unknown_metrics, *_score_differences(folder)]


def _stored_scores(folder: Path) -> Iterator[tuple[str, str, Mapping[str, float]]]:
    for task, splits in read_json(folder / "result.json")["scores"].items():
        yield from ((task, split, metrics) for split, metrics in splits.items() if metrics)


def _is_of_predictions(metric: str) -> bool:
    from analysis import scores

    return metric in scores.METRICS and scores.METRICS[metric].uses == "predictions"


def _score_differences(folder: Path) -> Iterator[str]:
    """Yield the stored scores that differ from those of the predictions; a metric that is not known is left out."""
    import numpy as np

    from analysis import scores

    for task, split, metrics in _stored_scores(folder):
        table = read_table(folder / "predictions" / f"{task}.{split}.parquet")
        epochs = table["epoch"].to_numpy()
        last = table.filter(epochs == epochs.max())
        labels, predictions = (last[name].to_numpy() for name in ("label", "prediction"))
        for metric in filter(_is_of_predictions, metrics):
            recomputed = float(scores.METRICS[metric].function(labels, predictions, np.ones(len(labels))))
            if not abs(recomputed - metrics[metric]) <= SCORE_TOLERANCE:
                yield f"{task}.{split}: {metric} {metrics[metric]:.6f} is stored, its predictions give {recomputed:.6f}"
