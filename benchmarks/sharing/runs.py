"""The runs of a results folder, one by one: what they were, how two differ, doing one again, removing some."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.integrity import Finding, inspect, numerics_of
from analysis.integrity.verified import damaged
from analysis.records import ResultsError, read_json
from analysis.results import Results, load_manifest
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.files import partial_path
from benchmarks.store.store import Store, spec_of
from smart_repro.numerics import NUMERICS

if TYPE_CHECKING:
    from benchmarks.tasks.sources import Source
    from benchmarks.training.job import Job


def listing(store: Store, chosen: dict[str, str] | None = None) -> list[dict[str, Any]]:
    """One row per run, done or at work; ``chosen``: only those whose spec has these values (``task=rte``)."""
    return [row for row in _rows(store) if all(_matches(row, item) for item in (chosen or {}).items())]


def _rows(store: Store) -> Iterator[dict[str, Any]]:
    found = damaged(store.root, done := sorted(store.done_keys()))
    for key in done:
        folder = store.runs / key
        if key in found:
            yield {"key": key, "state": "damaged", "detail": found[key].message}
            continue
        about, result = read_json(folder / "spec.json"), read_json(folder / "result.json")
        spec = spec_of(about, folder / "spec.json")
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
    working = [path.name for path in store.inflight.glob("[!.]*")] if store.inflight.is_dir() else []
    for key, state in store.states([key for key in sorted(working) if not store.is_done(key)]).items():
        yield {"key": key, "state": state.state, "detail": state.detail}


def find(store: Store, name: str) -> str:
    """The run a key, or the beginning of one, means.

    Raises: UsageError: if there is none, or more than one.
    """
    known = store.done_keys() | {path.name for path in store.inflight.glob("[!.]*")}
    found = sorted(key for key in known if key.startswith(name))
    if len(found) != 1 or not name:
        what = f"{len(found)} runs begin with" if found else "no run begins with"
        raise UsageError(f"{what} {name!r} in {store.root}: `smart-repro runs list` shows their keys")
    return found[0]


def findings(store: Store, keys: Iterable[str]) -> list[Finding]:
    """What verifying these finished runs gives, every file of them read."""
    return [inspect(store.runs / key) for key in keys]


def compare(store: Store, one: str, other: str) -> dict[str, Any]:
    """What two finished runs differ in: settings, versions, scores, and whether they predict the same.

    Raises: UsageError: no such finished run. ResultsError: one is damaged.
    """
    folders = [store.runs / find(store, name) for name in (one, other)]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"run {folder.name} is not finished: `smart-repro runs list` shows which are")
        store.verify(folder.name)
    return {"runs": [folder.name for folder in folders], **_differing(*folders)}


def _differing(one: Path, other: Path) -> dict[str, Any]:
    from benchmarks.training.parents import differing_predictions

    specs = [read_json(folder / "spec.json") for folder in (one, other)]
    parts = {
        "settings": [spec["spec"] for spec in specs],
        "fingerprints": [spec.get("fingerprints", {}) for spec in specs],
        "environment": [read_json(folder / "environment.json") for folder in (one, other)],
        "scores": [read_json(folder / "result.json")["scores"] for folder in (one, other)],
    }
    found: dict[str, Any] = {name: _differences(*map(_flat, pair)) for name, pair in parts.items()}
    return {**found, "predictions": differing_predictions(one, other)}


def comparison_text(found: dict[str, Any]) -> str:
    """The same for people."""
    lines = ["runs: " + "  ".join(found["runs"])]
    lines += _parts(found, ("settings", "fingerprints", "environment", "scores"))
    different = ", ".join(found["predictions"])
    lines.append(f"predictions differ: {different}" if different else "predictions: the same, byte for byte")
    return "\n".join(lines)


def _parts(found: dict[str, Any], names: Iterable[str]) -> Iterator[str]:
    for part in names:
        yield f"{part}:" if found[part] else f"{part}: the same"
        yield from (f"  {name}: {one} | {other}" for name, (one, other) in found[part].items())


def imports(store: Store, key: str) -> list[str]:
    """The modules that a run's command imported, which manifests remember; else those that define its parts.

    Of a run without plug-ins there are none.
    """
    sources = read_json(store.runs / key / "spec.json").get("fingerprints", {}).get("plugins") or {}
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


def rerun_text(key: str, found: dict[str, Any]) -> str:
    """What :func:`rerun` found, for people: where predictions differ also the scores and versions, then | now."""
    if "numerics" in found:
        note = f"{key}: made with numerics {found['numerics'][0]}; only scores are compared"
        return "\n".join([note, *_parts(found, ("scores",))])
    if not found["predictions"]:
        return f"{key} is reproduced, byte for byte"
    return "\n".join([f"{key} differs in {', '.join(found['predictions'])}", *_parts(found, ("scores", "environment"))])


def reproduced(found: dict[str, Any]) -> bool:
    """Whether a rerun gave the same: predictions byte for byte, or scores where the numerics are other ones."""
    return not found["scores" if "numerics" in found else "predictions"]


def rerun(store: Store, key: str, source: Source) -> dict[str, Any]:
    """Do a finished run once more, beside the old one, which stays; what the two differ in, as in :func:`compare`.

    Of a run that was made with other numerics only ``scores`` are compared, and ``numerics`` is (then, now).

    Raises: UsageError: if the data, the model or the code are not those of the run any more, or it fails.
    """
    from benchmarks.training.execute import execute

    job, numerics = _job(store, key, source)
    if job.parents:
        raise UsageError(f"run {key} builds on other runs: do those again ({', '.join(job.parents)})")
    store.prepare()
    folder = partial_path(store.inflight / "rerun")
    try:
        again = Store(folder)
        again.prepare()
        outcome = execute(job, again)
        if outcome.state != "done":
            raise UsageError(f"run {key} could not be done again: {outcome.message}")
        found = _differing(store.runs / key, again.runs / job.key)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return found if numerics == NUMERICS else {"scores": found["scores"], "numerics": (numerics, NUMERICS)}


def _job(store: Store, key: str, source: Source) -> tuple[Job, int]:
    """The job that does a finished run again, and the numerics the run was made with.

    Raises: UsageError: if the data, the model or the code are not those of the run any more.
    """
    from benchmarks.training.job import Identities, make_job

    store.verify(key)
    spec = store.spec(key)
    numerics = numerics_of(read_json(store.runs / key / "spec.json"))
    then = make_job(spec, source, Identities(source, numerics))
    if then.key != key:
        raise UsageError(f"run {key} was made from other data, weights or code than are here: this would be {then.key}")
    return (then if numerics == NUMERICS else make_job(spec, source)), numerics


def keep_weights(store: Store, key: str, source: Source) -> None:
    """Do a finished run again for its weights, and the parents whose weights it needs. Its results stay as they are.

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


def remove(store: Store, keys: Iterable[str]) -> None:
    """Forget these runs. Raises UsageError if somebody works on one."""
    for key in keys:
        store.remove(key)


# --- small helpers ---


def _method(spec: RunSpec) -> str:
    return f"{spec.combine} of {len(spec.parents)} x {spec.choice.label}" if spec.combine else spec.choice.label


def _headline(scores: dict[str, dict[str, dict[str, float]]]) -> str:
    splits = next(iter(scores.values()), {})
    metrics = splits.get("dev") or next(iter(splits.values()), {})
    return next((f"{name} {100 * value:.1f}" for name, value in metrics.items()), "-")


def _matches(row: dict[str, Any], wanted: tuple[str, str]) -> bool:
    name, value = wanted
    return str(row.get(name, "")) == value


def _flat(content: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(content, dict):
        return {name: content}
    return {
        key: value for each, part in content.items() for key, value in _flat(part, f"{name}.{each}".strip(".")).items()
    }


def _differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = dict.fromkeys([*one, *other])
    return {name: (one.get(name), other.get(name)) for name in names if one.get(name) != other.get(name)}
