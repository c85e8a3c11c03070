"""Compact copies of finished runs for a repository: the sources of every table, figure and verdict.

The runs of an experiment become one part (:mod:`benchmarks.store.parts`), predictions in a form that changes no score
(:mod:`benchmarks.store.reduction`). The history is averaged to the points of a curve. Texts of data sets, paths of this
machine and weights are not copied.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.integrity import VERIFIED, seal_of
from analysis.parts.copies import have_same_results
from analysis.records import SEAL, read_json, read_seal, read_table
from analysis.results import Results, read_log
from analysis.schema import CURVE_POINTS, Manifest
from analysis.scores import displayed
from benchmarks.errors import UsageError
from benchmarks.sharing.tables import keep_complete_tables, replace_tables
from benchmarks.store.files import write_json
from benchmarks.store.parts import write_part
from benchmarks.store.reduction import form_for, forms_of, left_out, reduced
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
The runs are in `experiments/*/part-*.parquet`, tables that pandas opens; what a run lacks is in its `spec.json`.
`smart-repro report --results {folder}` makes every table, figure and verdict from these files;
`smart-repro runs rerun KEY --results {folder} --data-dir path/to/data` trains a run again and compares its predictions,
in the form in which they are stored here.
"""


@dataclass(frozen=True)
class Published:
    """The outcome of publishing.

    Attributes:
        runs: number of runs that are published.
        new: number of those that were added.
        size: bytes in all.
        differing: keys of the runs that the folder had already, with other results.
    """

    runs: int
    new: int
    size: int
    differing: tuple[str, ...] = ()


def publish(store: Store, names: Iterable[str], folder: Path) -> Published:
    """Copy the finished runs of these experiments, and their newest manifests, into a folder that can be committed.

    Runs that the folder has already are not changed: the others of an experiment become a further part of it. The new
    manifest replaces the experiment's others, unless a complete table would lose results.

    Raises: UsageError: a run has votes of more annotators than may be passed on, the folder is the store's own, or a
        complete table of it would lose results. ResultsError: there is no such experiment, or a run of it, or a part
        or manifest of the folder, is damaged.
    """
    if folder.resolve() == store.root.resolve():
        raise UsageError(f"{folder} is the results folder itself: name another to publish into")
    target, results = Store(folder), Results(store.root)
    target.packed.must_be_intact()
    manifests = [results.manifest(name) for name in names]
    scored = {split for manifest in manifests for split in _splits_of_logits(manifest)}
    keys, stored = dict[str, None](), target.done_keys()
    before = len(stored)
    for manifest in manifests:
        keep_complete_tables(target, manifest, stored.union(filter(results.is_done, manifest.all_keys())))
    published = {key for manifest in manifests for key in manifest.all_keys() if key in stored and results.is_done(key)}
    differing = tuple(key for key in sorted(published) if _differs(store.folder(key), target.folder(key)))
    for manifest in manifests:
        done = [key for key in manifest.all_keys() if results.is_done(key)]
        keys |= dict.fromkeys(done)
        _add_part(
            store, target.manifests(manifest.name), [key for key in dict.fromkeys(done) if key not in stored], scored
        )
        stored.update(done)
        commands = {verb: portable(command) for verb, command in manifest.commands.items()}
        replace_tables(target, replace(manifest, commands=commands))
    (folder / "NOTICE.md").write_text(notice(Store(folder)), encoding="utf-8")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Published(len(keys), len(stored) - before, size, differing)


def _differs(run: Path, copy: Path) -> bool:
    """Return True if the published copy of a run has other results; one that was made of this very run has not."""
    if all((folder / SEAL).exists() for folder in (run, copy)):
        seal = read_seal(copy / SEAL)
        if seal == read_seal(run / SEAL) or seal.get("sealed_from") == read_seal(run / SEAL)["digest"]:
            return False
    return not have_same_results(run, copy)


def _splits_of_logits(manifest: Manifest) -> Iterator[str]:
    """Yield the files of predictions (``snli.dev``) whose logits a metric scores; a holdout may choose their epoch."""
    for column in manifest.columns:
        if displayed(column.metric).uses == "logits":
            yield from (f"{column.task}.{split}" for split in (column.split, "holdout"))


def _add_part(store: Store, folder: Path, keys: Iterable[str], scored: Collection[str]) -> None:
    """Write these runs, compact, as a part into ``folder``; nothing if there are none."""
    with tempfile.TemporaryDirectory(prefix="smart-repro-") as scratch:
        runs = [Path(scratch, key) for key in keys]
        for run in runs:
            compact_copy(store, run.name, run, scored)
        if runs:
            write_part(folder, runs)


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


def compact_copy(store: Store, key: str, target: Path, scored: Collection[str] = ()) -> None:
    """Copy a run, with a new seal that names the original's and a note of what the copy lacks.

    Args:
        store: the results folder with the run.
        key: key of the run.
        target: folder to make.
        scored: files of predictions (``snli.dev``) that keep all logits.

    Raises:
        UsageError: it has votes that may not be passed on. ResultsError: it is damaged.
    """
    run = store.folder(key)
    sealed = store.verify_for_copy(key) == VERIFIED
    origin = read_seal(run / SEAL) if sealed else seal_of(run)
    (target / "predictions").mkdir(parents=True)
    forms = forms_of(run)
    for file in sorted((run / "predictions").glob("*.parquet")):
        table = read_table(file)
        _must_be_free(file, table)
        form = forms.setdefault(file.stem, form_for(table, is_scored=file.stem in scored))
        pq.write_table(reduced(table, form).replace_schema_metadata(None), target / "predictions" / file.name)
    for name in ("result.json", "measures.json"):
        if (run / name).exists():
            shutil.copyfile(run / name, target / name)
    environment = read_json(run / "environment.json")
    platform = str(environment.get("platform", "")).split("-")[0]
    write_json(target / "environment.json", {**environment, "platform": platform})
    history = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    points = list(thinned(history))
    (target / "history.jsonl").write_text("".join(f"{line}\n" for line in points), encoding="utf-8")
    is_shorter = len(points) < sum(bool(line.strip()) for line in history)
    spec = _without_paths(read_json(run / "spec.json"))
    note: dict[str, Any] = {"logits": forms, "left_out": left_out(forms, CURVE_POINTS if is_shorter else None)}
    if is_shorter:
        note["diverged"] = read_log(run / "history.jsonl").has_diverged
    write_json(target / "spec.json", {**spec, "published": note})
    write_json(target / SEAL, seal_of(target, key, sealed_from=origin["digest"]))


def _must_be_free(file: Path, table: pa.Table) -> None:
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
    titles: dict[str, str] = {}
    for key in sorted(store.done_keys()):
        spec = read_json(store.folder(key) / "spec.json")
        names = [spec["spec"]["task"], *spec["spec"]["with_tasks"]]
        names += [place.rpartition(".")[0] for place in spec["data"]["rows"] if "." in place]
        specs |= dict.fromkeys(names, spec)
        titles[names[0]] = spec["task"].get("title", names[0])
    lines = "".join(f"- {_owner(name, specs[name], titles.get(name, name))}\n" for name in sorted(specs))
    folder = store.root.name if store.root.is_absolute() else store.root
    return NOTICE.format(points=CURVE_POINTS, data=lines, folder=folder)


def _owner(name: str, spec: Mapping[str, Any], title: str) -> str:
    """Return a task and the terms of its data; the task of a plug-in that was not imported is known by its title."""
    if spec["task"].get("own"):
        return f"{name}: own data of who ran it"
    if name not in TASKS:
        return f"{title}: data of a plug-in, which names their terms"
    return f"{TASKS[name].title}: {TASKS[name].licence or 'generated by this project'}"


__all__ = ["Published", "compact_copy", "notice", "portable", "publish", "thinned"]
