"""Integrity of stored runs: a run's key, and the digests of its files.

The key is the sha256 of the run's *identity*, in canonical JSON: settings that differ from their defaults, the content
of data and weights, and the versions of task, method and numerics. ``spec.json`` stores the identity; for older runs,
:func:`rebuilt` computes it from the other entries.

``integrity.json`` is the seal of a run folder: for each file the sha256 of its bytes and a digest of its content. The
content decides, so that a file may be stored in another form; if the bytes are equal, the content is not compared. The
digest of content is taken of canonical JSON, line by line for a history; for a table, of its columns with the rows
ordered by epoch and id.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from analysis.run_fields import DEFAULTS, ELSEWHERE, KEY_SCHEMA, SEEDS

if TYPE_CHECKING:
    import pyarrow as pa

KEY_LENGTH = 32  # hexadecimal digits of the sha256
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


# --- a folder ---


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
        ``"verified"``; or ``"unverified"`` if it has no seal and every file can be read.

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
        return _table_digest(read_table(path))
    if path.suffix == ".jsonl":
        lines = parse_lines(path, read_bytes(path))
        return sha256("".join(f"{canonical(line)}\n" for line in lines).encode()).hexdigest()
    return digest_of(read_object(path))


def _table_digest(table: pa.Table) -> str:
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
    """Return the reasons not to seal a run: its key, or a stored score, contradicts its contents."""
    try:
        verify_key(read_json(folder / "spec.json"), folder.name)
    except ResultsError as error:
        return [str(error)]
    return score_problems(folder)


def score_problems(folder: Path) -> list[str]:
    """Return the stored scores of a run that differ from those of its predictions after the last epoch."""
    import numpy as np

    from analysis import scores

    problems, stored = [], read_json(folder / "result.json")["scores"]
    for task, splits in stored.items():
        for split, metrics in splits.items():
            table = read_table(folder / "predictions" / f"{task}.{split}.parquet") if metrics else None
            if table is None:
                continue
            epochs = table["epoch"].to_numpy()
            last = table.filter(epochs == epochs.max())
            labels, predictions = (last[name].to_numpy() for name in ("label", "prediction"))
            for metric, value in metrics.items():
                scoring = scores.METRICS.get(metric)
                if scoring is None or scoring.uses != "predictions":
                    problems.append(f"{task}.{split}: no metric {metric!r} of predictions")
                    continue
                recomputed = float(scoring.function(labels, predictions, np.ones(len(labels))))
                if not abs(recomputed - value) <= SCORE_TOLERANCE:
                    problems.append(
                        f"{task}.{split}: {metric} {value:.6f} is stored, its predictions give {recomputed:.6f}"
                    )
    return problems


# --- a key ---


def key_of(identity: Mapping[str, Any]) -> str:
    """Return the key of a run with this identity, which is the name of its folder."""
    return sha256(canonical(identity).encode()).hexdigest()[:KEY_LENGTH]


def numerics_of(stored: Mapping[str, Any]) -> int:
    """Return the numerics that a run was made with, from its ``spec.json``; runs without the entry have 1."""
    return int(stored.get("numerics", 1))


def identity_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity that was hashed for a run's key.

    Args:
        stored: the content of ``spec.json``.

    Raises:
        ResultsError: no identity is stored, and an entry to rebuild it from is missing.
    """
    identity = stored.get("identity")
    return dict(identity) if isinstance(identity, Mapping) else rebuilt(stored)


def rebuilt(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity computed from the other entries of ``spec.json``: settings, fingerprints, versions.

    Raises:
        ResultsError: an entry is missing or has another form; the message names it.
    """
    try:
        prints = stored["fingerprints"]
        extra = _extra(stored)
        numerics = numerics_of(stored)
        return {
            "schema": KEY_SCHEMA,
            "spec": _changed(stored["spec"]),
            "data": dict(prints["data"]),
            "weights": prints["weights"],
            "task_version": stored["task"]["version"],
            "method_version": stored["method"]["version"],
            **({"extra": extra} if extra else {}),
            **({"numerics": numerics} if numerics != 1 else {}),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"spec.json of run {stored.get('key')} lacks what its key is made of ({error!r}): run it again"
        ) from error


def verify_key(stored: Mapping[str, Any], key: str) -> None:
    """Check that a run has the key it is named after, and the settings that were hashed.

    Args:
        stored: the content of ``spec.json``.
        key: the name of the run's folder.

    Raises:
        ResultsError: an entry disagrees; the message names it.
    """
    identity, remedy = identity_of(stored), "its spec.json was edited or exchanged: remove the run and do it again"
    if stored.get("key") != key:
        raise ResultsError(f"the folder of run {key} holds run {stored.get('key')}: {remedy}")
    if identity.get("schema") != KEY_SCHEMA:
        raise ResultsError(f"run {key} has a key of schema {identity.get('schema')!r}: update smart-repro")
    if key_of(identity) != key:
        raise ResultsError(f"run {key} has the key {key_of(identity)} by what it stores: {remedy}")
    different = list(_differences(identity, rebuilt(stored)))
    if different:
        raise ResultsError(f"run {key} stores a {different[0]} that is not the one it was made with: {remedy}")


def _changed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that differ from their defaults; a seed that equals ``seed`` is at its default."""
    changed = {
        name: value
        for name, value in spec.items()
        if name not in ELSEWHERE and (name not in DEFAULTS or value != DEFAULTS[name])
    }
    for name in SEEDS:
        if name in changed and changed[name] == spec["seed"]:
            del changed[name]
    return changed


def _extra(stored: Mapping[str, Any]) -> dict[str, str]:
    """Return entries of some runs only: keys of parents, versions of further tasks, sources of plug-ins."""
    orders = stored["fingerprints"].get("class_orders")
    sources = [f"{module}={digest}" for module, digest in sorted(stored["fingerprints"].get("plugins", {}).items())]
    optional = {"class_orders": orders or "", "plugins": ",".join(sources)}
    if stored["fingerprints"].get("parents"):
        optional["parents"] = ",".join(stored["fingerprints"]["parents"])
    else:
        along = stored["spec"].get("with_tasks") or ()
        optional["task_versions"] = ",".join(f"{name}={stored['with_tasks'][name]['version']}" for name in along)
    return {name: text for name, text in optional.items() if text}


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for name in sorted(first.keys() | second.keys()):
        parts = first.get(name), second.get(name)
        if all(isinstance(part, Mapping) for part in parts):
            yield from _differences(parts[0], parts[1], f"{place}{name}.")  # type: ignore[arg-type]
        elif name not in first or name not in second or canonical(parts[0]) != canonical(parts[1]):
            yield f"{place}{name}"
