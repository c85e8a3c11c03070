"""Single runs of a results folder: list, compare, repeat, remove."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.integrity import DAMAGED, Finding, inspect, numerics_of
from analysis.integrity.verified import damaged
from analysis.records import ResultsError, read_json, results_option
from analysis.results import Results, load_manifest
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.files import partial_path
from benchmarks.store.reduction import differing_predictions, exactness
from benchmarks.store.store import Store, spec_of
from smart_repro.numerics import NUMERICS

if TYPE_CHECKING:
    from benchmarks.tasks.sources import Source
    from benchmarks.training.job import Job


def listing(store: Store, conditions: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """Return a row per run, done or at work; ``conditions`` selects by values of the row (``task=rte``)."""
    return [row for row in _rows(store) if all(_matches(row, item) for item in (conditions or {}).items())]


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    damaged_runs = damaged(store.root, done := sorted(store.done_keys()))
    for key in done:
        folder = store.folder(key)
        if key in damaged_runs:
            yield {"key": key, "state": "damaged", "detail": damaged_runs[key].message}
            continue
        stored, result = read_json(folder / "spec.json"), read_json(folder / "result.json")
        spec = spec_of(stored, folder / "spec.json")
        yield {
            "key": key,
            "state": "done",
            "task": "+".join(spec.tasks),
            "method": _method(spec),
            "seed": spec.seed,
            "model": spec.model,
            "score": _headline(result["scores"]),
            "seconds": round(result.get("seconds", 0.0), 1),
            "MiB": round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20, 1),
            "weights": "kept" if store.weights(key).is_file() else "-",
        }
    for name, message in store.packed.faults.items():
        yield {"key": name, "state": "damaged", "detail": message}
    working = [path.name for path in store.inflight.glob("[!.]*")] if store.inflight.is_dir() else []
    for key, state in store.states([key for key in sorted(working) if not store.is_done(key)]).items():
        yield {"key": key, "state": state.state, "detail": state.detail}


def find(store: Store, name: str) -> str:
    """Return the key of the run that a key, or the beginning of one, identifies; a whole key is always that run's.

    Raises: UsageError: if there is none, or more than one.
    """
    keys = store.done_keys() | {path.name for path in store.inflight.glob("[!.]*")}
    matches = [name] if name in keys else sorted(key for key in keys if key.startswith(name))
    if len(matches) != 1 or not name:
        problem = f"{len(matches)} runs begin with" if matches else "no run begins with"
        raise UsageError(
            f"{problem} {name!r} in {store.root}: `smart-repro runs list{results_option(store.root)}` shows their keys"
            f"{store.packed.hint()}"
        )
    return matches[0]


def findings(store: Store, keys: Iterable[str]) -> list[Finding]:
    """Verify these finished runs by reading every file of them."""
    return [inspect(store.folder(key)) for key in keys]


def damaged_parts(store: Store) -> list[Finding]:
    """Return a finding for each damaged part of published runs."""
    return [Finding(name, DAMAGED, name, message, message) for name, message in store.packed.faults.items()]


def compare(store: Store, first: str, second: str) -> dict[str, Any]:
    """Return the differences of two finished runs: settings, versions, scores, and predictions.

    Raises: UsageError: no such finished run. ResultsError: one is damaged.
    """
    folders = [store.folder(find(store, name)) for name in (first, second)]
    for folder in folders:
        if not folder.is_dir():
            option = results_option(store.root)
            raise UsageError(f"run {folder.name} is not finished: `smart-repro runs list{option}` shows which are")
        store.verify(folder.name)
    return {"runs": [folder.name for folder in folders], **_differing(*folders)}


def _differing(first: Path, second: Path) -> dict[str, Any]:
    specs = [read_json(folder / "spec.json") for folder in (first, second)]
    parts = {
        "settings": [spec["spec"] for spec in specs],
        "fingerprints": [spec.get("fingerprints", {}) for spec in specs],
        "environment": [read_json(folder / "environment.json") for folder in (first, second)],
        "scores": [read_json(folder / "result.json")["scores"] for folder in (first, second)],
    }
    differences: dict[str, Any] = {name: _differences(*map(_flat, pair)) for name, pair in parts.items()}
    return {
        **differences,
        "predictions": differing_predictions(first, second),
        "exactness": exactness(first, second),
    }


def comparison_text(comparison: dict[str, Any]) -> str:
    """Return the comparison as text."""
    lines = ["runs: " + "  ".join(comparison["runs"])]
    lines += _parts(comparison, ("settings", "fingerprints", "environment", "scores"))
    different = ", ".join(comparison["predictions"])
    lines.append(
        f"predictions differ: {different}" if different else f"predictions: the same, {comparison['exactness']}"
    )
    return "\n".join(lines)


def _parts(comparison: dict[str, Any], names: Iterable[str]) -> Iterator[str]:
    for part in names:
        yield f"{part}:" if comparison[part] else f"{part}: the same"
        yield from (f"  {name}: {first} | {second}" for name, (first, second) in comparison[part].items())


def imports(store: Store, key: str) -> list[str]:
    """Return the modules that a run's command imported, by its manifest; else those that define its parts.

    A run without plug-ins has none.
    """
    sources = read_json(store.folder(key) / "spec.json").get("fingerprints", {}).get("plugins") or {}
    if not sources:
        return []
    results = Results(store.root)
    for grid in (path for name in results.experiments() for path in reversed(results.grids(name))):
        try:
            manifest = load_manifest(grid)
        except ResultsError:
            continue
        words = shlex.split(manifest.commands.get("run", "")) if key in manifest.all_keys() else []
        modules = [module for flag, module in pairwise(words) if flag == "--import"]
        if modules:
            return modules
    return list(sources)


def rerun_text(key: str, comparison: dict[str, Any]) -> str:
    """Return the outcome of :func:`rerun` as text; if predictions differ, with scores and versions, then | now."""
    if "numerics" in comparison:
        note = f"{key}: made with numerics {comparison['numerics'][0]}; only scores are compared"
        return "\n".join([note, *_parts(comparison, ("scores",))])
    if not comparison["predictions"]:
        return f"{key} is reproduced, {comparison['exactness']}"
    return "\n".join(
        [f"{key} differs in {', '.join(comparison['predictions'])}", *_parts(comparison, ("scores", "environment"))]
    )


def reproduced(comparison: dict[str, Any]) -> bool:
    """Return whether a rerun agrees: in predictions, or in scores if the numerics differ."""
    return not comparison["scores" if "numerics" in comparison else "predictions"]


def rerun(store: Store, key: str, source: Source) -> dict[str, Any]:
    """Repeat a finished run, which is kept, and return the differences as in :func:`compare`.

    For a run of other numerics only ``scores`` are compared, and ``numerics`` is (then, now).

    Raises: UsageError: if the data, the model or the code are not those of the run any more, or it fails.
    """
    from benchmarks.training.execute import execute

    job, numerics = _job(store, key, source)
    if job.parents:
        raise UsageError(f"run {key} depends on other runs: repeat those ({', '.join(job.parents)})")
    store.prepare()
    folder = partial_path(store.inflight / "rerun")
    try:
        repeated = Store(folder)
        repeated.prepare()
        outcome = execute(job, repeated)
        if outcome.state != "done":
            raise UsageError(f"run {key} could not be done again: {outcome.message}")
        comparison = _differing(store.folder(key), repeated.runs / job.key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return comparison if numerics == NUMERICS else {"scores": comparison["scores"], "numerics": (numerics, NUMERICS)}


def _job(store: Store, key: str, source: Source) -> tuple[Job, int]:
    """Return the job that repeats a finished run, and the numerics of the run.

    Raises: UsageError: if the data, the model or the code are not those of the run any more.
    """
    from benchmarks.training.job import Identities, make_job

    store.verify(key)
    spec = store.spec(key)
    numerics = numerics_of(read_json(store.folder(key) / "spec.json"))
    job = make_job(spec, source, Identities(source, numerics))
    if job.key != key:
        raise UsageError(f"run {key} was made from other data, weights or code than are here: this would be {job.key}")
    return (job if numerics == NUMERICS else make_job(spec, source)), numerics


def keep_weights(store: Store, key: str, source: Source) -> str:
    """Repeat a finished run for its weights, with the parents whose weights it needs; its results are kept.

    Returns: how exactly its predictions are the same.

    Raises: UsageError: as :func:`rerun`; also if the run predicts something else now, or has no weights (a vote).
    """
    from dataclasses import replace

    from benchmarks.training.execute import execute

    spec = store.spec(key)
    if spec.combine == "vote":
        raise UsageError(f"run {key} is a vote of {len(spec.parents)} runs and has no weights of its own")
    job, numerics = _job(store, key, source)
    if numerics != NUMERICS:
        raise UsageError(
            f"run {key} was made with numerics {numerics}, which this version cannot repeat bit for bit: plan its "
            "experiment again, which makes it anew"
        )
    for parent in job.parents:
        if not store.is_done(parent):
            raise UsageError(f"run {key} builds on run {parent}, which is not in {store.root}: `smart-repro run` first")
        if not store.is_done(parent, weights=True):
            keep_weights(store, parent, source)
    outcome = execute(replace(job, keep_weights=True, retry=True), store)
    if outcome.state not in ("done", "skipped"):
        raise UsageError(f"run {key} could not be done again: {outcome.message}")
    return exactness(store.folder(key), store.folder(key))


def remove(store: Store, keys: Iterable[str]) -> None:
    """Delete these runs. Raises UsageError if a process works on one, or one is sealed in a part."""
    for key in keys:
        store.remove(key)


# --- small helpers ---


def _method(spec: RunSpec) -> str:
    return f"{spec.combine} of {len(spec.parents)} x {spec.choice.label}" if spec.combine else spec.choice.label


def _headline(scores: dict[str, dict[str, dict[str, float]]]) -> str:
    splits = next(iter(scores.values()), {})
    metrics = splits.get("dev") or next(iter(splits.values()), {})
    return next((f"{name} {100 * value:.1f}" for name, value in metrics.items()), "-")


def _matches(row: dict[str, Any], condition: tuple[str, str]) -> bool:
    name, value = condition
    return str(row.get(name, "")) == value


def _flat(content: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(content, dict):
        return {name: content}
    return {
        key: value
        for entry, part in content.items()
        for key, value in _flat(part, f"{name}.{entry}".strip(".")).items()
    }


def _differences(first: dict[str, Any], second: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*first, *second])
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}
