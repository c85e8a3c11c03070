"""Compact copies of finished runs for a repository: what every table, figure and verdict is computed from, no more.

Predictions are copied as they are, so that a run can be done again and compared byte for byte. The history is averaged
to the points a curve is drawn with. Texts of data sets, paths of a machine and weights stay where they are.
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

VOTES = 5  # annotators of SNLI and MultiNLI; more are ChaosNLI's, whose licence does not let them be passed on
_ELSEWHERE = {"--data-dir": "path/to/data", "--data-file": "SPLIT=FILE", "--results": None}  # options of one machine
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
    """What was written: how many runs, how many of them are new, and bytes in all."""

    runs: int
    new: int
    size: int


def publish(store: Store, names: Iterable[str], folder: Path) -> Published:
    """Copy the finished runs of these experiments, and their newest manifests, into a folder that can be committed.

    Runs that are there already stay as they are.

    Raises: UsageError: a run has votes of more annotators than may be passed on, or the folder is the store's own.
        ResultsError: there is no such experiment, or a run of it is damaged.
    """
    if folder.resolve() == store.root.resolve():
        raise UsageError(f"{folder} is the results folder itself: name another to publish into")
    there, keys, new = Store(folder), dict[str, None](), 0
    results = Results(store.root)
    there.runs.mkdir(parents=True, exist_ok=True)
    for name in names:
        manifest = results.manifest(name)
        keys |= dict.fromkeys(key for key in manifest.all_keys() if results.is_done(key))
        for old in there.manifests(name).glob("*.json"):
            old.unlink()
        commands = {verb: portable(command) for verb, command in manifest.commands.items()}
        there.write_manifest(replace(manifest, commands=commands))
    for key in keys:
        if not there.is_done(key):
            _copy(store, key, there.runs / key)
            new += 1
    (folder / "NOTICE.md").write_text(notice(there), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Published(len(keys), new, size)


def portable(command: str) -> str:
    """A command line without the paths of the machine it was given on."""
    words, told = iter(shlex.split(command)), list[str]()
    for word in words:
        if word not in _ELSEWHERE:
            told.append(word)
            continue
        next(words, None)
        stand_in = _ELSEWHERE[word]
        told += [word, stand_in] if stand_in else []
    return shlex.join(told)


def thinned(lines: Iterable[str]) -> Iterator[str]:
    """A history in at most :data:`CURVE_POINTS` points; events are kept.

    Points are means over neighbouring updates, of maxima the maximum. A point stands at the last of its
    updates and says how many they are.
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
    """The run's folder appears whole, as in any results folder, with a seal of its own that names the original's."""
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
    """File names with the folder they lie in: what a data set's official layout fixes, not where it was kept."""
    data = spec["data"]
    sources = ["/".join(Path(source).parts[-2:]) for source in data["sources"]]
    notes = [re.sub(r"(?<![\w.])[~.]*/[\w./-]*/([\w.-]+/[\w.-]+)", r"\1", note) for note in data["notes"]]
    return {**spec, "data": {**data, "sources": sources, "notes": notes}}


def notice(store: Store) -> str:
    """What is published and whose data it rests on."""
    found: dict[str, Mapping[str, Any]] = {}
    for key in sorted(store.done_keys()):
        spec = read_json(store.runs / key / "spec.json")
        names = [spec["spec"]["task"], *spec["spec"]["with_tasks"]]
        names += [place.rpartition(".")[0] for place in spec["data"]["rows"] if "." in place]
        found |= dict.fromkeys(names, spec)
    lines = "".join(
        f"- {name}: own data of who ran it\n"
        if found[name]["task"].get("own")
        else f"- {TASKS[name].title}: {TASKS[name].licence or 'generated by this project'}\n"
        for name in sorted(found)
    )
    shown = store.root.name if store.root.is_absolute() else store.root
    return NOTICE.format(points=CURVE_POINTS, data=lines, folder=shown)


__all__ = ["Published", "notice", "portable", "publish", "thinned"]
