"""Progress of the experiments of a results folder, from manifests and folder names alone, so that it is quick."""

from __future__ import annotations

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from analysis.integrity.verified import damaged
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Manifest
from benchmarks.errors import UsageError
from benchmarks.store.store import RunState, Store


def status(results: Path, name: str | None = None, store: Store | None = None) -> list[dict[str, Any]]:
    """Return one entry per experiment (its newest grid): counts, and the runs at work or failed.

    Raises: UsageError, ResultsError: if there is nothing, or nothing of that name.
    """
    store, opened = store or Store(results), Results(results)
    entries = []
    for experiment in [name] if name else experiments(results):
        try:
            entries.append(_entry(store, opened.manifest(experiment)))
        except ResultsError as error:
            if not opened.grids_of(experiment):
                raise  # there is no such experiment
            entries.append(_unreadable(experiment, error))
    return entries


def experiments(results: Path) -> list[str]:
    """Return the names of the experiments in a results folder. Raises UsageError if there are none."""
    names = Results(results).experiments()
    if not names:
        raise UsageError(f"there are no experiments in {results}; `smart-repro run` or `reproduce` makes some")
    return names


def watch(results: Path, name: str | None = None, every: float = 2.0) -> None:
    """Print the status every so many seconds until no run is at work."""
    store = Store(results)  # one for all rounds: it detects the end of processes on other machines
    while True:
        entries = status(results, name, store)
        if sys.stdout.isatty():
            screen = getattr(sys.stdout, "rich_proxied_file", sys.stdout)  # unescaped, since the next line is a control
            print("\033[2J\033[H", end="", file=screen, flush=True)  # clear the screen
        print(time.strftime("%H:%M:%S"), text(entries), sep="\n", flush=True)
        if not any(entry["running"] for entry in entries):
            return
        time.sleep(every)


def text(entries: list[dict[str, Any]]) -> str:
    """Return the status as text."""
    lines = []
    for entry in entries:
        states = ", ".join(f"{entry[state]} {word}" for state, word in _WORDS.items() if entry[state])
        lines.append(f"{entry['name']}: {entry['runs']} runs: {states or 'none'}   ({entry['title']})")
        lines += [f"  {detail['state']}: {detail['run']}: {detail['detail']}" for detail in entry["details"]]
    return "\n".join(lines)


_WORDS = {"done": "done", "damaged": "damaged", "running": "running", "failed": "failed", "todo": "to do"}


def _unreadable(name: str, error: ResultsError) -> dict[str, Any]:
    """Return the entry of an experiment whose manifest is damaged."""
    details = [{"run": "the manifest", "key": "", "state": "damaged", "detail": str(error)}]
    return {"name": name, "title": "damaged", "runs": 0, **dict.fromkeys(_WORDS, 0), "details": details}


def _entry(store: Store, manifest: Manifest) -> dict[str, Any]:
    runs = {
        key: f"{row} {task} seed {seed}"
        for row, tasks in manifest.cells.items()
        for task, keys in tasks.items()
        for seed, key in zip(manifest.seeds, keys, strict=False)
    }
    states = store.states(list(runs))
    done = [key for key, state in states.items() if state.state == "done"]
    states |= {key: RunState(key, "damaged", finding.message) for key, finding in damaged(store.root, done).items()}
    counts = Counter(state.state for state in states.values())
    return {
        "name": manifest.name,
        "title": manifest.title,
        "runs": len(runs),
        **{state: counts.get(state, 0) for state in _WORDS},
        "details": [
            {"run": runs[key], "key": key, "state": state.state, "detail": state.detail}
            for key, state in states.items()
            if state.detail
        ]
        + [
            {"run": name, "key": "", "state": "damaged", "detail": message}
            for name, message in store.packed.faults.items()
            if counts["todo"]  # the part may hold them
        ],
    }
