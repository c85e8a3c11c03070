"""A baseline: the results of a grid's runs by code that was known to be right, in one committed JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.errors import UsageError
from benchmarks.store.files import write_json

SCHEMA = 1
FOLDER = Path(__file__).resolve().parent / "baselines"
# entries of the environment that the bits of a run depend on besides the code
MACHINE = ("device", "device_name", "instructions", "torch", "transformers", "numpy")


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
        """Write the baseline by one rename."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"schema": SCHEMA, **asdict(self)})


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
    """Read a baseline.

    Raises: UsageError: if the file is missing, or is no baseline.
    """
    remedy = "write one with `smart-repro check ... --update`, from code you trust"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"there is no baseline {path}: name another with --baseline, or {remedy}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"the baseline {path} cannot be read ({error}): restore it from git, or {remedy}") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        schema = content.get("schema") if isinstance(content, dict) else type(content).__name__
        raise UsageError(f"{path} is no baseline of schema {SCHEMA} (found {schema}): {remedy}")
    try:
        baseline = Baseline(
            content["name"],
            {name: _cell(cell) for name, cell in content["cells"].items()},
            content["machine"],
            content["provenance"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"the baseline {path} is damaged ({error!r}): restore it from git, or {remedy}") from error
    return baseline


def _cell(content: Mapping[str, Any]) -> Cell:
    seeds = tuple(int(seed) for seed in content["seeds"])
    tables = [
        {name: tuple(map(float, values)) for name, values in content[kind].items()} for kind in ("scores", "parts")
    ]
    cell = Cell(content["settings"], seeds, tuple(content["keys"]), *tables)
    if not seeds or any(len(values) != len(seeds) for table in tables for values in table.values()):
        raise ValueError("a cell needs one value per seed")
    return cell
