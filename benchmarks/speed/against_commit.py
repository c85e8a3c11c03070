"""Compare the results of this version with those of another commit, on the same machine.

``python -m benchmarks.speed.against_commit runs [COMMIT]`` trains six small runs (plain, SMART, SDA on two generated
data sets) with both and compares them bit for bit: a difference is a failure unless
:data:`smart_repro.numerics.NUMERICS` was raised.

``python -m benchmarks.speed.against_commit reports COMMIT EXPERIMENT...`` writes the reports of ``results/published``
with both and compares every number of every table, cell by cell.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.integrity import numerics_of
from analysis.results import Results

ROOT = Path(__file__).resolve().parents[2]
SIX = ("--tasks", "demo-rte,demo-cola", "--methods", "vanilla,smart,sda", "--seeds", "1", "--set", "max_steps=12")
NUMBER = re.compile(r"(?<![\w.])[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|nan|inf)(?!\w)")
RENAMED = {"smallest difference seen": "smallest detectable difference"}  # columns of tables, older name first
# Columns that say what a line of a table is about.
NAMES = ("id", "key", "row", "column", "task", "metric", "method", "slice", "agreement", "seed", "label", "model")
NOT_RUN = "not run"  # the verdict on a claim that was not run
_CLOCK = ("seconds", "timing")  # entries of a history's lines that differ between equal runs


class NoCheckoutError(RuntimeError):
    """A missing git checkout or commit: there is nothing to compare with."""


@dataclass(frozen=True)
class Compared:
    """The outcome of a comparison.

    Attributes:
        count: number of compared numbers or files.
        differences: one line each; empty where both sides agree.
        raised: (numerics of the commit, numerics of this version), where they differ.
    """

    count: int
    differences: tuple[str, ...]
    raised: tuple[int, int] | None = None

    @property
    def failed(self) -> bool:
        """True if results differ although the numerics were not raised."""
        return bool(self.differences) and not (self.raised and self.raised[1] > self.raised[0])


def main() -> None:
    """Compare and print the differences; exit code 1 if a difference is a failure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("runs", "reports"))
    parser.add_argument("commit", nargs="?", help="default: the last commit, or its parent where nothing is changed")
    parser.add_argument("experiments", nargs="*")
    options = parser.parse_args()
    commit = options.commit or parent_commit()
    comparison = runs(commit) if options.part == "runs" else reports(commit, options.experiments)
    print("\n".join(comparison.differences))
    note = f"; numerics {comparison.raised[0]}, now {comparison.raised[1]}" if comparison.raised else ""
    print(f"{options.part} against {commit}: {comparison.count} compared, {len(comparison.differences)} differ{note}")
    sys.exit(1 if comparison.failed else 0)


# --- another commit ---


def parent_commit() -> str:
    """Return the commit to compare with: HEAD if files differ from it, else its first parent.

    Raises: NoCheckoutError: outside a git checkout.
    """
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "smart_repro", "benchmarks", "analysis")
    return _git("rev-parse", "HEAD" if changed.strip() else "HEAD~1").decode().strip()


def unpack_commit(commit: str, folder: Path) -> Path:
    """Unpack the files of a commit, without touching the checkout. Raises NoCheckoutError."""
    content = _git("archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(folder, filter="data")
    return folder


def command(code: Path, arguments: Sequence[str], folder: Path) -> None:
    """Run ``smart-repro`` of one source tree in another folder. Raises RuntimeError with the end of its output."""
    environment = {**os.environ, "PYTHONPATH": str(code), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    start = "from smart_repro._command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(
            f"smart-repro {' '.join(arguments)} of {code} failed:\n{(done.stdout + done.stderr)[-2000:]}"
        )


def _git(*arguments: str) -> bytes:
    if not (ROOT / ".git").exists():
        raise NoCheckoutError(f"{ROOT} is no git checkout")
    try:
        return subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, check=True).stdout
    except FileNotFoundError as error:
        raise NoCheckoutError("there is no git here") from error
    except subprocess.CalledProcessError as error:
        raise NoCheckoutError(f"git {' '.join(arguments)}: {error.stderr.decode().strip()}") from error


# --- runs ---


def runs(commit: str) -> Compared:
    """Train the six runs with both and compare predictions, histories and scores bit for bit."""
    with tempfile.TemporaryDirectory(prefix="against-") as folder:
        sides = {"then": unpack_commit(commit, Path(folder, "code")), "now": ROOT}
        for name, code in sides.items():
            command(code, ["run", "compare", *SIX, "--results", name], Path(folder))
        return compared_runs(Path(folder, "then"), Path(folder, "now"))


def compared_runs(older: Path, newer: Path) -> Compared:
    """Compare two results folders with the same runs; their keys may differ."""
    sides = [dict(sorted(_by_setting(folder))) for folder in (older, newer)]
    numerics = [{numerics_of(_json(run / "spec.json")) for run in side.values()} for side in sides]
    if any(len(values) != 1 for values in numerics):
        raise RuntimeError(f"no runs, or runs of several numerics: {numerics}")
    differences, count = [], 0
    for setting in sorted(sides[0].keys() | sides[1].keys()):
        files = [content(side[setting]) if setting in side else {} for side in sides]
        names = sorted(files[0].keys() | files[1].keys())
        count += len(names)
        differences += [f"{setting}: {name}" for name in names if files[0].get(name) != files[1].get(name)]
    raised = (numerics[0].pop(), numerics[1].pop())
    return Compared(count, tuple(differences), raised if raised[0] != raised[1] else None)


def content(run: Path) -> dict[str, bytes]:
    """Return the results of a run: every file of predictions, the history without times, the scores."""
    files = {path.name: path.read_bytes() for path in sorted((run / "predictions").glob("*.parquet"))}
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    lines_without_times = [{name: value for name, value in line.items() if name not in _CLOCK} for line in lines]
    files["history.jsonl"] = json.dumps(lines_without_times).encode()
    files["scores"] = json.dumps(_json(run / "result.json")["scores"]).encode()
    return files


def _by_setting(results: Path) -> Iterator[tuple[str, Path]]:
    for run in (results / "runs").iterdir():
        spec = _json(run / "spec.json")["spec"]
        options = json.dumps(spec.get("options", {}))
        yield f"{spec['task']} {spec['method']} {options} seed {spec['seed']}", run


def _json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


# --- reports ---


def reports(commit: str, experiments: Sequence[str]) -> Compared:
    """Write the reports of ``results/published`` with both and compare every table."""
    with tempfile.TemporaryDirectory(prefix="against-") as folder:
        sides = {"then": unpack_commit(commit, Path(folder, "code")), "now": ROOT}
        for name, code in sides.items():
            link_runs(Results(ROOT / "results" / "published"), Path(folder, name))
            for experiment in experiments:
                command(code, ["report", experiment, "--results", name], Path(folder))
        return compared_tables(Path(folder, "then", "reports"), Path(folder, "now", "reports"))


def link_runs(results: Results, folder: Path) -> None:
    """Make a results folder of links to runs and manifests, for versions that know no parts; caches are its own."""
    (folder / "runs").mkdir(parents=True)
    for key in results.run_keys():
        (folder / "runs" / key).symlink_to(results.folder(key).resolve())
    for manifest in results.root.resolve().glob("experiments/*/*.json"):
        place = folder / manifest.relative_to(results.root.resolve())
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(manifest)


def compared_tables(older: Path, newer: Path) -> Compared:
    """Compare every CSV file of two reports, cell by cell; words and the order of lines may differ, numbers may not.

    Lines are matched by the columns of :data:`NAMES`. The numbers of a claim that was not run are its reason, in words.
    """
    differences: list[str] = []
    count = 0
    for path in sorted(older.rglob("*.csv")):
        name = path.relative_to(older)
        if not (newer / name).is_file():
            differences.append(f"{name}: missing")
            continue
        older_rows, newer_rows = _rows(path), _rows(newer / name)
        if len(older_rows) != len(newer_rows):
            differences.append(f"{name}: {len(older_rows)} rows, {len(newer_rows)} now")
        names = [
            name for name in NAMES if older_rows and newer_rows and name in older_rows[0] and name in newer_rows[0]
        ]
        pairs = zip(_by_name(older_rows, names), _by_name(newer_rows, names), strict=False)
        for (number, row), (_, newer_row) in pairs:
            is_reason = row.get("verdict") == newer_row.get("verdict") == NOT_RUN
            for column, cell in row.items():
                if is_reason and column == "numbers":
                    continue
                numbers, newer_cell = (
                    NUMBER.findall(cell),
                    newer_row.get(column, newer_row.get(RENAMED.get(column, ""))),
                )
                count += len(numbers)
                if not _are_equal(numbers, NUMBER.findall(newer_cell or "")):
                    differences.append(f"{name}, line {number}, {column}: {cell!r}, now {newer_cell!r}")
    if not count:
        raise RuntimeError(f"{older} holds no table")
    return Compared(count, tuple(differences))


def _by_name(rows: list[dict[str, str]], names: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Return the rows with their lines in the file, sorted by the columns of these names."""
    return sorted(enumerate(rows, 2), key=lambda line: [line[1][name] for name in names])


def _are_equal(numbers: list[str], newer_numbers: list[str]) -> bool:
    """Compare printed numbers; those with all their digits may differ in the last one, by the order of a sum."""
    return len(numbers) == len(newer_numbers) and all(
        a == b or math.isclose(float(a), float(b), rel_tol=1e-12) for a, b in zip(numbers, newer_numbers, strict=True)
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [{str(name): str(cell or "") for name, cell in row.items()} for row in csv.DictReader(stream)]


if __name__ == "__main__":
    main()
