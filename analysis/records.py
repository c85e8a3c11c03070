"""Readers of stored files: each parses a file and checks its form; an error names the file, the fault and the remedy.

A form (the type ``Form``) describes the expected types by example: ``{"step": int, "loss?": float}`` is an object with
an integer ``step`` and an optional number ``loss``; ``{str: float}`` is an object with any keys and numbers as values;
``[str]`` is a list of strings; a tuple lists alternatives. An object may have more keys than its form names.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.run_fields import DEFAULTS

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = 1
SEAL = "integrity.json"  # digests of a finished run's files: see analysis/integrity
# JSON objects of a run folder; the folder also holds history.jsonl and predictions/*.parquet
OBJECTS = ("spec.json", "environment.json", "result.json", "measures.json")
NEEDED = ("spec.json", "environment.json", "history.jsonl", "result.json")
RESULTS_FOLDER = Path("results")  # where every command looks without --results
PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9+@\[\]_.-]{0,99}")  # of an experiment, and of its folder
NAME_BYTES = 120  # longest file name; with the affixes of a temporary file it stays below 200
UNPACKED = "parts-1"  # folder in the cache for unpacked parts; another number when they are unpacked differently
DIGEST = "digest"  # key of the sha256 of all other entries of a JSON object

Form = Any
Lines = list[dict[str, Any]]


class ResultsError(ValueError):
    """A results folder that cannot be read; the message names the file, the fault and the remedy."""


class DamagedError(ResultsError):
    """A stored file that is missing, cannot be parsed, or differs from what was written.

    Attributes:
        file: path of the file.
        reason: the fault, as the predicate of a sentence: "is not JSON".
    """

    def __init__(self, file: Path, reason: str, remedy: str = "") -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file} {reason}: {remedy or remedy_for(file)}")


def remedy_for(file: Path) -> str:
    """Return the remedy for a damaged file: remove its run or the unpacked copy, or restore a file of no run."""
    folder = file.parent.parent if file.parent.name == "predictions" else file.parent
    if folder.parent.parent.name == UNPACKED:
        return f"delete {folder.parent}, which is unpacked again from its part"
    if folder.parent.name == "runs":
        option = results_option(folder.parent.parent)
        return f"`smart-repro runs remove {folder.name}{option}`, then run the experiment again"
    return "restore it from a copy, or delete it and run the experiment again"


def results_option(root: Path) -> str:
    """Return the option that a command line needs for a results folder: " --results FOLDER", or "" for the default."""
    return "" if root == RESULTS_FOLDER else f" --results {shlex.quote(str(root))}"


def short_name(name: str) -> str:
    """Return a file name of at most :data:`NAME_BYTES`; a longer name is cut and made unique by a digest."""
    if len(name.encode()) <= NAME_BYTES:
        return name
    prefix = name.encode()[: NAME_BYTES - 9].decode(errors="ignore")
    return f"{prefix}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


# --- forms ---

_ANY = (None, bool, int, float, str, list, dict)
_SETTING: Form = {type(None): _ANY, bool: bool, int: int, float: float, str: str, list: list, dict: dict}
_SCORES: Form = {str: {str: {str: float}}}
_SPEC: Form = {
    "key": str,
    "identity?": dict,
    "numerics?": int,
    "spec": {
        "task": str,
        "seed": int,
        "method_config?": dict,
        **{f"{name}?": _SETTING[type(value)] for name, value in DEFAULTS.items() if name != "seed"},
    },
    "fingerprints?": {"data?": {str: str}, "weights?": str, "parents?": [str], "plugins?": {str: str}},
    "task?": {
        "title?": str,
        "kind?": str,
        "labels?": (None, [str]),
        "metrics?": [str],
        "generated?": bool,
        "ceiling?": {str: float},
        "version?": int,
    },
    "with_tasks?": {str: {"version": int}},
    "data?": {"sources?": [str], "notes?": [str], "rows?": {str: int}},
    "model?": {"name?": str, "contaminated?": str, "revision?": (None, str)},
    "method?": {"paper?": str, "version?": int, "cost?": (float, str)},
    "published?": {"logits": {str: str}, "left_out": [str]},
}
_RESULT: Form = {
    "key": str,
    "scores": _SCORES,
    "seconds?": float,
    "evaluation_seconds?": float,
    "steps?": int,
    "source?": str,
    "timing?": {str: float},
}
_ENVIRONMENT: Form = {}
_MEASURES: Form = {"moments?": [{str: float}], "smoothness?": [{str: float}]}
_OBJECT_FORMS: Mapping[str, Form] = {
    "spec.json": _SPEC,
    "environment.json": _ENVIRONMENT,
    "result.json": _RESULT,
    "measures.json": _MEASURES,
}
_LINE: Form = {"event?": str, "step": int, "epoch?": float, "scores?": _SCORES}
_LEASE: Form = {
    "host": str,
    "boot": str,
    "processes?": str,
    "pid": int,
    "started": float,
    "ticks?": (None, int),
    "token?": str,
    "heartbeat": int,
    "released?": bool,
}
_FAILURE: Form = {"kind": str, "message": str}
_SEALED: Form = {"sha256": str, "content": str}
_SEAL: Form = {"schema": int, "key": str, "files": {str: _SEALED}, "sealed_from?": str, DIGEST: str}
_TIMING: Form = {
    "machine": str,
    "kind": str,
    "method": str,
    "cost": float,
    "done": bool,
    "preparation": float,
    "update": float,
    "prediction": float,
    "memory": float,
}


def problem(value: Any, form: Form, place: str = "") -> str | None:
    """Return the first fault of a value, or None if it has the form.

    Args:
        value: parsed JSON.
        form: the expected types.
        place: path of the value within the file, such as ``spec.seed``; "" for the whole file.
    Returns: the predicate of a sentence about the file: "lacks spec.seed".
    """
    if isinstance(form, tuple):
        return (
            None
            if any(problem(value, alternative) is None for alternative in form)
            else f"has {_shown(value)} as {place or 'content'}"
        )
    if form is None or isinstance(form, type):
        return None if _has_type(value, form) else f"has {_shown(value)} as {place or 'content'}"
    if isinstance(form, list):
        if not isinstance(value, list):
            return f"has no list as {place or 'content'}"
        problems = (problem(item, form[0], f"{place}[{number}]") for number, item in enumerate(value))
        return next((fault for fault in problems if fault), None)
    if not isinstance(value, dict):
        return f"holds a {type(value).__name__}, not an object" if not place else f"has no object as {place}"
    return _entry_problem(value, form, place)


def _entry_problem(value: dict[str, Any], form: Mapping[Any, Form], place: str) -> str | None:
    if str in form:
        problems = (problem(item, form[str], f"{place}.{name}".strip(".")) for name, item in value.items())
        return next((fault for fault in problems if fault), None)
    for entry, expected in form.items():
        name, path = entry.rstrip("?"), f"{place}.{entry.rstrip('?')}".strip(".")
        if name not in value:
            if entry.endswith("?"):
                continue
            return f"lacks {path}"
        if fault := problem(value[name], expected, path):
            return fault
    return None


def _has_type(value: Any, expected: Any) -> bool:
    """Return True if a JSON value has the expected type; a float may be an integer or NaN, a bool is no number.

    Numbers that would overflow in numpy are refused.
    """
    if expected is None:
        return value is None
    if expected is float:
        return (isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300) or value != value
    if expected is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, expected)


def _shown(value: Any) -> str:
    """Return a value for a message, at most 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


# --- JSON ---


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object of a run folder and check it against the form for its file name.

    Raises:
        ResultsError: the file is missing or damaged, or has a newer schema; the message names it.
    """
    value = read_object(path)
    schema = value.get("schema", SCHEMA)
    if not _has_type(schema, int):
        raise DamagedError(path, f"has {_shown(schema)} as schema")
    if schema > SCHEMA:
        raise ResultsError(f"{path} has schema {schema}, this version reads up to {SCHEMA}: update smart-repro")
    if fault := problem(value, _OBJECT_FORMS.get(path.name, {})):
        raise DamagedError(path, fault)
    return value


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        ResultsError: the file is missing, or holds no JSON object; the message names it.
    """
    value = _parsed(path, read_bytes(path))
    if not isinstance(value, dict):
        raise DamagedError(path, f"holds a {type(value).__name__}, not an object")
    return value


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
        ResultsError: the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DamagedError(path, "does not exist") from None
    except OSError as error:
        raise DamagedError(path, f"cannot be read ({error.strerror or error})") from error


def _parsed(path: Path, data: bytes, subject: str = "is") -> Any:
    """Parse JSON; ``subject`` begins the fault "... not JSON", such as ", line 3, is". Raises DamagedError."""
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedError(path, f"{subject} not JSON ({error})") from error


def read_lines(path: Path) -> Lines:
    """Read the lines of ``history.jsonl``.

    Raises:
        ResultsError: a line is damaged; the message names file and line.
    """
    return parse_lines(path, read_bytes(path))


def parse_lines(path: Path, data: bytes) -> Lines:
    """Parse the bytes of ``history.jsonl``; errors as for :func:`read_lines`."""
    lines: Lines = []
    for number, line in enumerate(data.split(b"\n"), 1):
        if not line.strip():
            continue
        row = _parsed(path, line, f", line {number}, is")
        fault = problem(row, _LINE)
        if fault is None and "event" not in row and not set(map(type, row.values())) <= {int, float}:
            fault = "has an entry that is no number"
        if fault is not None:
            raise DamagedError(path, f", line {number}, {fault}")
        lines.append(row)
    return lines


def read_timings(path: Path) -> Lines:
    """Read the intact lines of ``timings.jsonl``; damaged lines are skipped, because the file is only a cache."""
    try:
        data = path.read_bytes()
    except OSError:
        return []
    return [row for line in data.split(b"\n") if line.strip() and (row := _timing(line)) is not None]


def _timing(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None
    return row if problem(row, _TIMING) is None else None


# --- files with a digest of their content ---


def canonical(content: Any) -> str:
    """Return JSON with sorted keys and without spaces; integers and floats stay different: 0 and 0.0."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def digest_of(content: Any) -> str:
    """Return the sha256 of the content's canonical JSON, in hexadecimal."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def with_digest(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with an additional entry: the digest of all other entries."""
    other_entries = {name: value for name, value in content.items() if name != DIGEST}
    as_read = json.loads(json.dumps(other_entries))  # the digest is verified after reading: tuples are lists then
    return {**other_entries, DIGEST: digest_of(as_read)}


def without_digest(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content without its digest, after verifying it; files of earlier versions have no digest.

    Raises:
        DamagedError: the content does not have the stored digest.
    """
    other_entries = {name: value for name, value in content.items() if name != DIGEST}
    if DIGEST in content and content[DIGEST] != digest_of(other_entries):
        raise DamagedError(path, "does not match the digest in it")
    return other_entries


def read_lease(path: Path) -> dict[str, Any]:
    """Read a lease.

    Raises:
        ResultsError: the lease is damaged, so its owner is unknown.
        FileNotFoundError: there is no lease.
    """
    return _read_digested(path, _LEASE)


def read_failure(path: Path) -> dict[str, Any]:
    """Read the record of a run's failure.

    Raises:
        ResultsError: the record is damaged.
        FileNotFoundError: there is no record.
    """
    return _read_digested(path, _FAILURE)


def read_seal(path: Path) -> dict[str, Any]:
    """Read ``integrity.json`` of a run, with its digest.

    Raises:
        ResultsError: the file is missing or damaged, or has a newer schema.
    """
    content = read_object(path)
    if fault := problem(content, _SEAL):
        raise DamagedError(path, fault)
    if content["schema"] > SCHEMA:
        raise ResultsError(
            f"{path} has schema {content['schema']}, this version reads up to {SCHEMA}: update smart-repro"
        )
    return {**without_digest(path, content), DIGEST: content[DIGEST]}


def _read_digested(path: Path, form: Form) -> dict[str, Any]:
    if not path.exists():
        raise FileNotFoundError(path)
    content = without_digest(path, read_object(path))
    if fault := problem(content, form):
        raise DamagedError(path, fault)
    return content


def read_cells(path: Path) -> dict[str, dict[str, Any]]:
    """Return name -> cell of a cache file; empty if the file is missing, damaged or of an earlier version."""
    try:
        content = read_object(path)
        cells = without_digest(path, content) if DIGEST in content else {}
    except ResultsError:
        return {}
    return {name: cell for name, cell in cells.items() if isinstance(cell, dict)}


# --- predictions ---


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a table of predictions.

    Raises:
        ResultsError: the file cannot be read, has no rows, lacks a column, or a column has a wrong type or nulls.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = read_bytes(path)
    try:
        table = pq.ParquetFile(pa.BufferReader(data)).read(columns=columns)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, MemoryError, KeyError, TypeError) as error:
        first_line = (str(error).splitlines() or [""])[0]
        raise DamagedError(path, f"cannot be read ({first_line})") from error
    missing = {"epoch", *(columns or ("id", "label", "prediction"))} - set(table.column_names)
    if missing or not table.num_rows:
        raise DamagedError(path, f"has no {', '.join(sorted(missing)) or 'rows'}")
    table = _widened(table)
    for field in table.schema:
        kinds = [pa.types.is_integer] if field.name == "epoch" else [pa.types.is_integer, pa.types.is_floating]
        fits = _is_text(field.type) if field.name in ("id", "group") else any(kind(field.type) for kind in kinds)
        if not fits or table[field.name].null_count:
            raise DamagedError(path, f"has a column {field.name} of another kind, or with values missing")
    return table


def _widened(table: pa.Table) -> pa.Table:
    """Return a table with the types of a run's own files: published ones may have int8 answers and float16 logits."""
    import pyarrow as pa

    wide = {("label", pa.int8()): pa.int64(), ("prediction", pa.int8()): pa.int64()}
    wide |= {(name, pa.float16()): pa.float32() for name in table.column_names}
    fields = [field.with_type(wide.get((field.name, field.type), field.type)) for field in table.schema]
    schema = pa.schema(fields, table.schema.metadata)
    return table if schema == table.schema else table.cast(schema)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def read_texts(path: Path) -> tuple[pa.Table | None, str]:
    """Read a table of texts (``id text_0 [text_1]``) and the fingerprint of its split; None and "" if unreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.ParquetFile(pa.BufferReader(path.read_bytes())).read()
        table.validate(full=True)
        fingerprint = (table.schema.metadata or {}).get(b"fingerprint", b"").decode()
    except (pa.ArrowException, OSError, ValueError, MemoryError, KeyError, TypeError):
        return None, ""
    is_complete = "id" in table.column_names and all(_is_text(field.type) for field in table.schema)
    return (table, fingerprint) if is_complete else (None, "")


READERS: Mapping[str, Callable[[Path], Any]] = {".json": read_json, ".jsonl": read_lines, ".parquet": read_table}
