"""Measure how much differences between arms vary over seeds and items, for the forecasts of ``smart-repro plan``.

``python docs/_scripts/spreads.py RESULTS...`` reads the newest manifest of every experiment in each results folder and
replaces the entries of ``benchmarks/engine/spreads.json`` for the tasks it finds there. An entry pools, by root mean
square, the differences of all rows with their baseline that have at least five seeds. Generated tasks have an entry for
each learning rate other than the profile's, as SMART's Table 1 has a rate of its own. Made so far from

    smart-repro run compare --tasks demo-mnli,demo-rte,demo-cola --methods vanilla,smart --seeds 5 --results FIRST
    smart-repro run smart-table1 --seeds 1100-1133 --results SECOND
    python docs/_scripts/spreads.py FIRST SECOND results/published
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from analysis.contrasts import difference, measure, shared_seeds
from analysis.power import Noise, noise_of, pooled
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS
from benchmarks.engine.spread import PATH, Entry, entries
from benchmarks.experiments.planning.profiles import DEMO_SETTINGS
from benchmarks.tasks import TASKS

FEWEST_SEEDS = 5
Kind = tuple[str, str, str, int | None, float | None]  # task, metric, model, max_train_samples, learning_rate


def spreads(results: Results) -> list[Entry]:
    """Return an entry for every task, metric and size of run in a results folder."""
    contrasts: dict[Kind, list[tuple[Noise, int, int]]] = {}
    for name in results.experiments():
        for kind, *contrast in _contrasts(results, results.manifest(name)):
            contrasts.setdefault(kind, []).append(tuple(contrast))  # type: ignore[arg-type]
    return [_entry(kind, parts, results) for kind, parts in sorted(contrasts.items(), key=str)]


def _contrasts(results: Results, manifest: Manifest) -> Iterator[tuple[Kind, Noise, int, int]]:
    """Yield kind, spread as fractions, seeds and items of every row's difference with the baseline."""
    baseline = manifest.baseline_row or ""
    for column in manifest.columns:
        for row in manifest.rows:
            if row.id in ("", baseline) or not manifest.keys(row.id, column) or not _is_ordinary(column):
                continue
            try:
                arms = difference(results, manifest, row.id, baseline, column)
            except ResultsError:
                continue  # a cell without runs
            seeds = shared_seeds(manifest, arms)
            if len(seeds) < FEWEST_SEEDS:
                continue
            spec = results.run(arms[1].scored.keys[0]).spec
            parts, scale = measure(arms, seeds), METRICS[column.metric].scale
            points = noise_of(parts)
            noise = Noise(points.seed / scale, points.item / scale, points.interaction / scale)
            is_own_rate = TASKS[column.task].generated and spec["learning_rate"] != DEMO_SETTINGS["learning_rate"]
            rate = spec["learning_rate"] if is_own_rate else None
            kind = (column.task, column.metric, str(spec["model"]), spec["max_train_samples"], rate)
            yield kind, noise, len(seeds), parts.n_items


def _is_ordinary(column: Column) -> bool:
    """Return whether the column is a task's own score in percent, from runs with the settings that all tasks share."""
    return "@" not in column.id and METRICS[column.metric].scale == 100


def _entry(kind: Kind, parts: list[tuple[Noise, int, int]], results: Results) -> Entry:
    task, metric, model, examples, rate = kind
    noise = pooled([part[0] for part in parts])
    names = ", ".join(results.experiments())
    source = f"generated data, {names}" if TASKS[task].generated else f"{results.root.name} runs"
    rounded = [float(f"{value:.3g}") for value in (noise.seed, noise.item, noise.interaction)]
    fewest, items = min(part[1] for part in parts), parts[0][2]
    return Entry(task, metric, model, examples, fewest, items, len(parts), *rounded, source, rate)


def _kind(entry: Entry) -> Kind:
    return (entry.task, entry.metric, entry.model, entry.max_train_samples, entry.learning_rate)


def main(folders: list[str]) -> None:
    """Replace the entries that the folders' runs give, and keep the others."""
    kept = {_kind(entry): entry for entry in entries()}
    for folder in folders:
        for entry in spreads(Results.open(folder)):
            kept[_kind(entry)] = entry
            print(entry)
    lines = [json.dumps(asdict(entry)) for _, entry in sorted(kept.items(), key=str)]
    PATH.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
