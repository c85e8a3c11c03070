"""Compact copies of finished runs for a repository: the sources of every table, figure and verdict.

Predictions are copied unchanged, so that a run can be repeated and compared byte for byte. The history is averaged to
the points of a curve. Texts of data sets, paths of this machine and weights are not copied.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from analysis.integrity import VERIFIED, seal_of
from analysis.records import SEAL, read_json, read_seal
from analysis.results import Results
from analysis.schema import CURVE_POINTS
from benchmarks.errors import UsageError
from benchmarks.store.files import partial_path, sync, write_json
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS

VOTES = 5  # annotators of SNLI and MultiNLI; more votes are ChaosNLI's, whose licence forbids redistribution
_MACHINE_OPTIONS = {
    "--data-dir": "path/to/data",
    "--data-file": "SPLIT=FILE",
    "--results": None,
}  # options of one machine
NOTICE = """# Published runs

Compact copies of finished runs, written by `smart-repro runs publish`: settings, environment, scores, the history in at
most {points} points a run, and predictions (ids, labels, logits, and the five annotators' votes where a data set has
them). No text of any data set is here. The data sets are their authors', under their own terms:

{data}
`smart-repro report --results {folder}` makes every table, figure and verdict from these files;
`smart-repro runs rerun KEY --results {folder} --data-dir path/to/data` trains a run again and compares its predictions
byte for byte.
"""


@dataclass(frozen=True)
class Published:
    """The outcome: the number of runs, of new ones among them, and bytes in all."""

    runs: int
    new: int
    size: int


def publish(store: Store, names: Iterable[str], folder: Path) -> Published:
    """Copy the finished runs of these experiments, and their newest manifests, into a folder that can be committed.

    Runs that the folder has already are not changed.

    Raises: UsageError: a run has votes of more annotators than may be passed on, or the folder is the store's own.
        ResultsError: there is no such experiment, or a run of it is damaged.
    """
    if folder.resolve() == store.root.resolve():
        raise UsageError(f"{folder} is the results folder itself: name another to publish into")
    target, keys, new = Store(folder), dict[str, None](), 0
    results = Results(store.root)
    target.runs.mkdir(parents=True, exist_ok=True)
    for name in names:
        manifest = results.manifest(name)
        keys |= dict.fromkeys(key for key in manifest.all_keys() if results.is_done(key))
        for old in target.manifests(name).glob("*.json"):
            old.unlink()
        commands = {verb: portable(command) for verb, command in manifest.commands.items()}
        target.write_manifest(replace(manifest, commands=commands))
    for key in keys:
        if not target.is_done(key):
            _copy(store, key, target.runs / key)
            new += 1
    (folder / "NOTICE.md").write_text(notice(target), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Published(len(keys), new, size)


def portable(command: str) -> str:
    """Return a command line without the paths of this machine."""
    words, kept = iter(shlex.split(command)), list[str]()
    for word in words:
        if word not in _MACHINE_OPTIONS:
            kept.append(word)
            continue
        next(words, None)
        stand_in = _MACHINE_OPTIONS[word]
        kept += [word, stand_in] if stand_in else []
    return shlex.join(kept)


def thinned(lines: Iterable[str]) -> Iterator[str]:
    """Yield a history in at most :data:`CURVE_POINTS` points; events are kept.

    Points are means over neighbouring updates, or their maximum for maxima. A point has the step of its last update and
    the number of its updates.
    """
    rows = [json.loads(line) for line in lines if line.strip()]
    steps = [row for row in rows if "event" not in row]
    width = -(-len(steps) // CURVE_POINTS) or 1
    points = [_mean(list(block)) for _, block in groupby(steps, lambda row: (row["step"] - 1) // width)]
    events = [row for row in rows if "event" in row]
    for row in sorted([*points, *events], key=lambda row: (row["step"], "event" in row)):
        yield json.dumps(row)


def _mean(block: list[dict[str, Any]]) -> dict[str, Any]:
    point: dict[str, Any] = {"step": block[-1]["step"], "updates": len(block)}
    for name in block[-1]:
        if name != "step":
            values = [row[name] for row in block if name in row]
            point[name] = float(f"{max(values) if name.startswith('max_') else np.mean(values):.7g}")
    return point


def _copy(store: Store, key: str, target: Path) -> None:
    """Copy a run; its folder appears by one rename, with a new seal that names the original's."""
    run = store.runs / key
    sealed = store.verify(key) == VERIFIED
    origin = read_seal(run / SEAL) if sealed else seal_of(run)
    partial = partial_path(target)
    partial.mkdir()
    try:
        (partial / "predictions").mkdir()
        for file in sorted((run / "predictions").glob("*.parquet")):
            _must_be_free(file)
            shutil.copyfile(file, partial / "predictions" / file.name)
        for name in ("result.json", "measures.json"):
            if (run / name).exists():
                shutil.copyfile(run / name, partial / name)
        environment = read_json(run / "environment.json")
        platform = str(environment.get("platform", "")).split("-")[0]
        write_json(partial / "environment.json", {**environment, "platform": platform})
        history = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
        (partial / "history.jsonl").write_text("".join(f"{line}\n" for line in thinned(history)), encoding="utf-8")
        write_json(partial / "spec.json", _without_paths(read_json(run / "spec.json")))
        write_json(partial / SEAL, seal_of(partial, key, sealed_from=origin["digest"]))
        sync(*(path for path in partial.rglob("*") if path.is_file()))
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _must_be_free(file: Path) -> None:
    table = pq.ParquetFile(file).read()
    votes = [table[name].to_numpy() for name in table.column_names if name.startswith("votes_")]
    if votes and int(np.sum(votes, axis=0).max()) > VOTES:
        raise UsageError(f"{file} has votes of more than {VOTES} annotators (ChaosNLI?), which must not be passed on")


def _without_paths(spec: dict[str, Any]) -> dict[str, Any]:
    """Shorten file names to their last folder and name, which the data set's official layout fixes."""
    data = spec["data"]
    sources = ["/".join(Path(source).parts[-2:]) for source in data["sources"]]
    notes = [re.sub(r"(?<![\w.])[~.]*/[\w./-]*/([\w.-]+/[\w.-]+)", r"\1", note) for note in data["notes"]]
    return {**spec, "data": {**data, "sources": sources, "notes": notes}}


def notice(store: Store) -> str:
    """Return the text about the published runs and the owners of their data."""
    specs: dict[str, Mapping[str, Any]] = {}
    for key in sorted(store.done_keys()):
        spec = read_json(store.runs / key / "spec.json")
        names = [spec["spec"]["task"], *spec["spec"]["with_tasks"]]
        names += [place.rpartition(".")[0] for place in spec["data"]["rows"] if "." in place]
        specs |= dict.fromkeys(names, spec)
    lines = "".join(
        f"- {name}: own data of who ran it\n"
        if specs[name]["task"].get("own")
        else f"- {TASKS[name].title}: {TASKS[name].licence or 'generated by this project'}\n"
        for name in sorted(specs)
    )
    folder = store.root.name if store.root.is_absolute() else store.root
    return NOTICE.format(points=CURVE_POINTS, data=lines, folder=folder)


__all__ = ["Published", "notice", "portable", "publish", "thinned"]
