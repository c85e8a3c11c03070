"""Cache of parsed files and tokenised splits: Arrow files that a later start maps into memory.

The cache cannot change a result: an entry is named after everything it depends on and ends with its checksum; a damaged
one is made again. ``SMART_REPRO_CACHE`` moves the folder or, set to ``off``, disables the cache.
"""

from __future__ import annotations

import json
import os
import tempfile
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.parts.cache import cache_folder
from benchmarks.tasks.base import Split, Task

if TYPE_CHECKING:
    from smart_repro.encoding import Encoded

WORTHWHILE = 20_000_000  # bytes; smaller files are read in less than a second
MANY = 5_000  # rows; smaller splits are tokenised in less than a second
_CHECKSUM = 4  # bytes at the end of an entry


def cached_split(task: Task, split: str, files: Sequence[Path], read: Callable[[], Split]) -> Split:
    """Return the split that ``read`` gives, from the cache if it holds these files by path, size and time of change.

    The hash of the reading code is part of an entry's name, so a changed reader never uses an old entry.
    """
    folder = cache_folder()
    if folder is None or not all(file.is_file() for file in files):
        return read()
    states = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    if sum(size for _, size, _ in states) < WORTHWHILE:
        return read()
    path = folder / "splits" / f"{_name(task.name, split, states, _code())}.arrow"
    stored = _load_split(path, sources=tuple(str(file) for file in files))
    if stored is not None:
        return stored
    rows = read()
    _store(path, lambda target: _save_split(rows, target))
    return rows


def encode_split(tokenizer: Any, split: Split, max_length: int, ids: np.ndarray | None = None) -> Encoded:
    """Encode a split by :func:`smart_repro.encoding.encode`; a large one is kept in the cache.

    Args:
        tokenizer: the tokenizer of the model.
        split: the split.
        max_length: tokens an example is cut to.
        ids: ``(n,)`` example numbers; default 0..n-1.
    """
    from smart_repro import encoding

    def make() -> Encoded:
        return encoding.encode(tokenizer, split.texts, split.labels, max_length, ids)

    folder = cache_folder()
    if folder is None or len(split) < MANY:
        return make()
    code = Path(encoding.__file__).read_text(encoding="utf-8")
    path = folder / "tokens" / f"{_name(split.fingerprint, tokenizer_digest(tokenizer), max_length, code)}.arrow"
    stored = _read_table(path)
    if stored is None:
        encoded = make()
        _store(path, lambda target: _save_tokens(encoded, target))
        return encoded
    table, metadata = stored
    arrays = {name: table[name].chunk(0).flatten().to_numpy(zero_copy_only=True) for name in table.column_names}
    numbers = np.arange(len(split)) if ids is None else np.asarray(ids, dtype=np.int64)
    offsets = arrays.pop("offsets")
    return encoding.Encoded(arrays, offsets, metadata["padding"], numbers, split.labels, metadata["left"])


def tokenizer_digest(tokenizer: Any) -> str:
    """Return the sha256 of the tokenizer's serialisation without its length limits, which decides the tokens."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        state = json.loads(backend.to_str())
        state.pop("truncation", None)
        state.pop("padding", None)
    else:
        state = {"class": type(tokenizer).__qualname__, "vocabulary": sorted(tokenizer.get_vocab().items())}
    settings = [tokenizer.truncation_side, tokenizer.model_input_names, tokenizer.special_tokens_map]
    return sha256(json.dumps([state, settings], sort_keys=True, default=str).encode()).hexdigest()


def _name(*parts: object) -> str:
    return sha256(json.dumps(parts, default=str).encode()).hexdigest()


@cache
def _code() -> str:
    """Return the sha256 of the code that reads data."""
    digest = sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _store(path: Path, write: Callable[[Path], None]) -> None:
    """Write an entry under its final name in one step; on a full disk or a read-only home nothing is cached."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
            write(Path(folder) / path.name)
            os.replace(Path(folder) / path.name, path)
    except OSError:
        return


def _write_table(columns: dict[str, Any], metadata: dict[str, Any], path: Path) -> None:
    import pyarrow as pa

    table = pa.table(columns).replace_schema_metadata({"about": json.dumps(metadata)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    checksum = zlib.crc32(pa.memory_map(str(path)).read_buffer())
    with path.open("ab") as file:
        file.write(checksum.to_bytes(_CHECKSUM, "big"))


def _read_table(path: Path) -> tuple[Any, dict[str, Any]] | None:
    """Return the memory-mapped table and its metadata; None if the entry is missing or damaged."""
    import pyarrow as pa

    if not path.exists():
        return None
    try:
        content = pa.memory_map(str(path)).read_buffer()
        body, checksum = content[:-_CHECKSUM], content[-_CHECKSUM:]
        if zlib.crc32(body) != int.from_bytes(checksum, "big"):
            return None
        table = pa.ipc.open_file(pa.BufferReader(body)).read_all()
        return table, json.loads(table.schema.metadata[b"about"])
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError):
        return None


def _save_split(split: Split, path: Path) -> None:
    columns: dict[str, Any] = {"id": split.ids, "label": split.labels}
    columns |= {f"text{i}": texts for i, texts in enumerate(split.texts)}
    columns |= {f"extra:{name}": list(values) for name, values in split.extra.items()}
    if split.votes is not None:
        columns |= {f"votes{i}": np.ascontiguousarray(split.votes[:, i]) for i in range(split.votes.shape[1])}
    metadata = {
        "notes": split.notes,
        "left_out": split.left_out,
        "texts": len(split.texts),
        "classes": 0 if split.votes is None else split.votes.shape[1],
        "extra": list(split.extra),
        "fingerprint": split.fingerprint,
    }
    _write_table(columns, metadata, path)


def _load_split(path: Path, sources: tuple[str, ...]) -> Split | None:
    stored = _read_table(path)
    if stored is None:
        return None
    table, metadata = stored
    votes = [table[f"votes{i}"].to_numpy() for i in range(metadata["classes"])]
    split = Split(
        ids=table["id"].to_pylist(),
        texts=tuple(table[f"text{i}"].to_pylist() for i in range(metadata["texts"])),
        labels=table["label"].to_numpy(),
        votes=np.stack(votes, axis=1) if votes else None,
        sources=sources,  # as this user names the files
        notes=tuple(metadata["notes"]),
        extra={name: np.array(table[f"extra:{name}"].to_pylist(), dtype=object) for name in metadata["extra"]},
        left_out=metadata["left_out"],
    )
    vars(split)["fingerprint"] = metadata["fingerprint"]  # computed when stored: hashing again would take a second
    return split


def _save_tokens(encoded: Encoded, path: Path) -> None:
    import pyarrow as pa

    arrays = {**encoded.columns, "offsets": encoded.offsets}  # lengths differ: each array becomes one row with a list
    columns = {name: pa.ListArray.from_arrays([0, len(values)], pa.array(values)) for name, values in arrays.items()}
    _write_table(columns, {"padding": encoded.padding, "left": encoded.left}, path)
