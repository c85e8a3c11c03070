"""One part: a Parquet file of whole runs that is never rewritten. Its name has the sha256 of its bytes.

The file's metadata list its runs with the digests of their contents, so that they are known without reading the rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.records import DamagedError, ResultsError, problem, read_bytes

if TYPE_CHECKING:
    import pyarrow as pa

METADATA = b"smart-repro"  # entry of the file's metadata: JSON with the schema and the runs
SCHEMA = 1
DIGITS = 32  # hexadecimal digits of the sha256 in the name
_NAME = re.compile(rf"part-([0-9a-f]{{{DIGITS}}})\.parquet")
_FORM: Any = {"schema": int, "runs": {str: str}}


@dataclass(frozen=True)
class Part:
    """An intact part.

    Attributes:
        path: the file.
        digest: sha256 of its bytes, as in its name.
        runs: key of each run -> digest of its contents (:func:`benchmarks.store.parts.contents_digest`).
    """

    path: Path
    digest: str
    runs: Mapping[str, str]

    def table(self) -> pa.Table:
        """Return the rows of all runs. Raises DamagedError: the file was changed since it was opened."""
        return _opened(self.path, _checked_bytes(self.path)).read()


def part_name(data: bytes) -> str:
    """Return the name of a part with this content."""
    return f"part-{sha256(data).hexdigest()[:DIGITS]}.parquet"


def is_part(name: str) -> bool:
    """Return True if this is the file name of a part, not the key of a run."""
    return name.endswith(".parquet")


def read_part(path: Path) -> Part:
    """Read the list of a part's runs, after comparing all of its bytes with its name.

    Raises:
        DamagedError: the file is cut, changed, wrongly named, or no part.
        ResultsError: a newer version has written it.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise damaged_part(path, f"cannot be read ({error.strerror or error})") from error
    return _read_part(path, state.st_size, state.st_mtime_ns, state.st_ino)


@lru_cache(maxsize=256)
def _read_part(path: Path, *state: int) -> Part:
    """Read a part once for each state (size, time of change, inode) of its file."""
    metadata = (_opened(path, _checked_bytes(path)).schema_arrow.metadata or {}).get(METADATA)
    if metadata is None:
        raise damaged_part(path, "holds no runs")
    try:
        content = json.loads(metadata)
    except ValueError as error:
        raise damaged_part(path, f"lists no runs ({error})") from error
    if fault := problem(content, _FORM):
        raise damaged_part(path, fault)
    if content["schema"] > SCHEMA:
        raise ResultsError(
            f"{path} has schema {content['schema']}, this version reads up to {SCHEMA}: update smart-repro"
        )
    return Part(path, path.stem.removeprefix("part-"), content["runs"])


def damaged_part(path: Path, reason: str) -> DamagedError:
    """Return the error about a part that cannot be used, with the remedy."""
    return DamagedError(
        path, reason, f"restore it, in a git checkout by `git checkout -- {path}`; its runs are left out"
    )


def _checked_bytes(path: Path) -> bytes:
    data = read_bytes(path)
    if not _NAME.fullmatch(path.name) or part_name(data) != path.name:
        raise damaged_part(path, "is not what its name says" if data else "is empty")
    return data


def _opened(path: Path, data: bytes) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(pa.BufferReader(data))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise damaged_part(path, f"cannot be read ({str(error).splitlines()[0]})") from error
