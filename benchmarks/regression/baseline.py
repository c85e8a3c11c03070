"""A baseline: the results of a grid's runs by code that was known to be right, in one committed JSON file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from analysis.records import DamagedError, problem, with_digest, without_digest
from benchmarks.errors import UsageError
from benchmarks.store.files import write_json

SCHEMA = 1
FOLDER = Path(__file__).resolve().parent / "baselines"
# entries of the environment that the bits of a run depend on besides the code
MACHINE = ("device", "device_name", "instructions", "torch", "transformers", "numpy")
_TABLE = {str: [float]}
_CELL = {"settings": dict, "seeds": [int], "keys": [str], "scores": _TABLE, "parts": _TABLE}
_FORM = {"name": str, "cells": {str: _CELL}, "machine": {str: str}, "provenance": dict}  # see analysis.records


@dataclass(frozen=True)
class Cell:
    """The runs of one row on one task.

    Attributes:
        settings: settings of the runs except the seed.
        seeds, keys: one per run.
        scores: ``task.split.metric`` -> a score per run.
        parts: ``name@share`` -> per run the mean of a logged quantity over the first ``share`` of the updates.
    """

    settings: Mapping[str, Any]
    seeds: tuple[int, ...]
    keys: tuple[str, ...]
    scores: Mapping[str, tuple[float, ...]]
    parts: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Baseline:
    """All cells of a grid, with the machine and the provenance of their measurement.

    Attributes:
        machine: the environment's entries named in ``MACHINE``.
        provenance: commit, versions, date and command.
    """

    name: str
    cells: Mapping[str, Cell]
    machine: Mapping[str, str]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write the baseline by one rename, with the digest of its content."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, with_digest({"schema": SCHEMA, **asdict(self)}))


@dataclass(frozen=True)
class GridResults:
    """The results of a grid's runs by the present code.

    Attributes:
        failures: cell -> the reason why runs of it have no result.
        machines: machines of the runs; one, unless a results folder holds runs of several.
        seconds: cell -> time of its runs.
        environment: versions and commit of the runs.
        notes: facts that a reader must know.
    """

    name: str
    cells: Mapping[str, Cell]
    failures: Mapping[str, str]
    machines: tuple[Mapping[str, str], ...]
    seconds: Mapping[str, float]
    environment: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def read(path: Path) -> Baseline:
    """Read a baseline and verify its digest; one written by an earlier version has none.

    Raises: UsageError: if the file is missing, is no baseline, or is damaged.
    """
    remedy = "write one with `smart-repro check ... --update`, from code you trust"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no baseline {path}: name another with --baseline, or {remedy}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"the baseline {path} cannot be read ({error}): restore it from git, or delete it and {remedy}"
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise UsageError(f"{path} is no baseline of schema {SCHEMA} (found {schema}): delete it and {remedy}")
    if fault := _fault(path, content):
        raise UsageError(f"the baseline {path} is damaged, it {fault}: restore it from git, or delete it and {remedy}")
    cells = {name: _cell(cell) for name, cell in content["cells"].items()}
    return Baseline(content["name"], cells, content["machine"], content["provenance"])


def _fault(path: Path, content: Mapping[str, Any]) -> str | None:
    """Return the fault of a baseline's content, as the predicate of a sentence; None if there is none."""
    try:
        without_digest(path, content)
    except DamagedError as error:
        return error.reason
    if fault := problem(content, _FORM):
        return fault
    if not content["cells"] or not content["machine"]:
        return f"has no {'machine' if content['cells'] else 'cells'}"
    faults = ((name, _cell_fault(cell)) for name, cell in content["cells"].items())
    return next((f"{fault} in cell {name!r}" for name, fault in faults if fault), None)


def _cell_fault(cell: Mapping[str, Any]) -> str | None:
    seeds, tables = cell["seeds"], (cell["scores"], cell["parts"])
    columns = [values for table in tables for values in table.values()]
    if not columns:
        return "has neither scores nor parts"
    if not seeds or len(set(seeds)) != len(seeds):
        return f"has the seeds {seeds}"
    if any(len(values) != len(seeds) for values in (cell["keys"], *columns)):
        return "has not one key and one value per seed"
    return None if all(map(math.isfinite, chain(*columns))) else "has a value that is not finite"


def _cell(content: Mapping[str, Any]) -> Cell:
    tables = [
        {name: tuple(map(float, values)) for name, values in content[kind].items()} for kind in ("scores", "parts")
    ]
    return Cell(content["settings"], tuple(content["seeds"]), tuple(content["keys"]), *tables)
