"""What would decide a comparison that is open, and what its runs cost: for claims and for own data alike."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain

import numpy as np

from analysis.crossed import Components
from analysis.power import Noise, noise_of, noise_of_mean, power, seeds_needed
from analysis.results import Run
from analysis.schema import Manifest
from analysis.tables import number

TARGET = 0.8  # chance of seeing the difference, when seeds or items to add are counted
MOST_ITEMS = 1_000_000
DEVICES = {"cpu": "CPU", "cuda": "GPU", "mps": "Apple GPU"}  # kind of device of an environment -> its name in reports
UNEVEN = 2.5  # ratio of the times of runs that differ in their seed only, from which on the machine had other work
MOST_TIMES = 64  # the largest common multiple of seeds and items that is offered


def deciding_seeds(parts: Sequence[Components], size: float, level: float = 0.95) -> int | None:
    """Return the fewest seeds that show a difference in the mean over these parts; None where no number does.

    Args:
        parts: components of each task's contrast, each on its own items.
        size: the true difference, in the unit of the parts.
        level: level of the interval that has to exclude 0.
    """
    n_items, noise = noise_of_mean(parts)
    return seeds_needed(size, n_items, noise, TARGET, level)


def deciding_items(part: Components, size: float, n_seeds: int) -> int | None:
    """Return the fewest items that show a difference with these seeds; None where no number does."""
    noise: Noise = noise_of(part)
    if power(size, n_seeds, MOST_ITEMS, noise) < TARGET:
        return None
    low, high = part.n_items, MOST_ITEMS
    while high - low > max(1, low // 100):
        middle = (low + high) // 2
        low, high = (low, middle) if power(size, n_seeds, middle, noise) >= TARGET else (middle, high)
    return high


def larger_study(part: Components, size: float, n_seeds: int) -> tuple[int, int] | None:
    """Return seeds and items that show a difference together: the smallest common multiple of both that does.

    Args:
        part: what varies in the study that was run.
        size: the true difference, in its unit.
        n_seeds: how many seeds it has, or a verdict needs.
    Returns: seeds and items (groups, where they come in groups), or None where no multiple up to 64 does.
    """
    noise = noise_of(part)
    for times in range(2, MOST_TIMES + 1):
        if power(size, times * n_seeds, times * part.n_items, noise) >= TARGET:
            return times * n_seeds, times * part.n_items
    return None


def cost_in_words(
    methods: Mapping[str, Collection[str]], baseline: str, baseline_keys: Collection[str], runs: Sequence[Run]
) -> str:
    """Return what a run of each method takes, beside one of the baseline; "" without timed runs of both.

    Times on different kinds of devices cannot be compared, so each kind has a sentence on the tasks and seeds that all
    these methods ran on it. Where equal runs took very different times, the machine did other work, and no ratio is
    given.

    Args:
        methods: title of each method -> keys of its runs.
        baseline: title of the baseline.
        baseline_keys: keys of its runs.
        runs: the finished runs.
    """
    timed = [run for run in runs if run.result.get("seconds")]
    arms = {title: [run for run in timed if run.key in keys] for title, keys in methods.items()}
    arms = {title: arm for title, arm in arms.items() if arm}
    base = [run for run in timed if run.key in baseline_keys]
    if not arms or not base:
        return ""
    all_runs = [*chain(*arms.values()), *base]
    devices = sorted(set(map(device_of, all_runs)))
    if len(devices) == 1:
        return _cost_on_a_device(arms, baseline, base, "A run")
    sentences = []
    for device in devices:
        places = [{_place(run) for run in arm if device_of(run) == device} for arm in (*arms.values(), base)]
        common = set.intersection(*places)
        if common:
            *compared, reference = (
                [run for run in arm if device_of(run) == device and _place(run) in common]
                for arm in (*arms.values(), base)
            )
            of_device = dict(zip(arms, compared, strict=True))
            sentences.append(_cost_on_a_device(of_device, baseline, reference, f"On the {device}, a run"))
    if not sentences:
        return f"No mean time is given: the runs were made on several kinds of devices ({', '.join(devices)})."
    return f"{' '.join(sentences)} These are the tasks and seeds that all of them ran on one kind of device."


def device_of(run: Run) -> str:
    """Return the kind of device of a run, as reports name it."""
    device = str(run.environment.get("device") or "")
    return DEVICES.get(device, device or "unknown device")


def seconds_by_device(runs: Iterable[Run]) -> dict[str, list[float]]:
    """Return the times of the timed runs on each kind of device."""
    times: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        if run.result.get("seconds"):
            times[device_of(run)].append(float(run.result["seconds"]))
    return dict(sorted(times.items()))


def _place(run: Run) -> tuple[str, str]:
    return str(run.spec.get("task")), str(run.spec.get("seed"))


def _cost_on_a_device(arms: Mapping[str, Sequence[Run]], baseline: str, base: Sequence[Run], subject: str) -> str:
    """Return what a run of each method takes, of runs on one kind of device."""
    uneven = _unevenness([*chain(*arms.values()), *base])
    base_takes = _mean_seconds(base)
    takes: list[str] = []
    for title, arm in arms.items():
        ratio = "" if uneven > UNEVEN else f" ({number(_mean_seconds(arm) / base_takes)} times as long)"
        takes.append(f"{'one' if takes else subject} of {title} took {_mean_seconds(arm):.1f} s{ratio}")
    sentence = f"{', '.join(takes)}, one of {baseline} {base_takes:.1f} s."
    if uneven <= UNEVEN:
        return sentence
    return (
        f"{sentence} No ratio: equal runs took very different times, up to {number(uneven)} times as long, as the "
        "machine did other work."
    )


def _mean_seconds(runs: Sequence[Run]) -> float:
    return float(np.mean([run.result["seconds"] for run in runs]))


def _unevenness(runs: Iterable[Run]) -> float:
    """Return the largest ratio of the times of two runs that differ in their seed only."""
    times: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        times[str(sorted({**run.spec, "seed": None}.items()))].append(float(run.result["seconds"]))
    return max(max(alike) / min(alike) for alike in times.values())


def more_runs(manifest: Manifest, runs: Sequence[Run], more: int) -> tuple[str, str]:
    """Return how long that many more seeds of all methods take, in words, and the command that runs them.

    The time is that of the finished runs: their mean in each cell, once for each new seed and for each run that is
    missing, because the command does those too. A cell without runs takes what others of its column or row took. Both
    are "" where the seeds of the experiment are not 0, 1, 2 ... or no command is stored.
    """
    words = shlex.split(manifest.commands.get("run", ""))
    if words[:2] != ["smart-repro", "run"] or manifest.seeds != tuple(range(len(manifest.seeds))):
        return "", ""
    if "--seeds" in words:
        at = words.index("--seeds")
        del words[at : at + 2]
    command = shlex.join(["smart-repro", "reproduce", *words[2:], "--seeds", str(len(manifest.seeds) + more)])
    seconds, missing = _to_do(manifest, runs, more)
    added = f"{count(more, 'more seed')} of all methods" + (f" and {count(missing, 'missing run')}" if missing else "")
    time = f"about {duration(seconds)} of computing" if seconds else "no finished run has a time"
    return f"{added}: {time}", command


def _to_do(manifest: Manifest, runs: Sequence[Run], more: int) -> tuple[float, int]:
    """Return the seconds that the missing runs and those of further seeds take, and the number of missing runs."""
    seconds = {run.key: float(run.result.get("seconds") or 0.0) for run in runs}
    combined = {row.id for row in manifest.rows if row.combine}  # made of the runs of another row
    cells = {
        tuple(keys): (row, column)
        for row, by_column in manifest.cells.items()
        for column, keys in by_column.items()
        if row not in combined and keys
    }
    means = {
        place: float(np.mean(times))
        for keys, place in cells.items()
        if (times := [seconds[key] for key in keys if seconds.get(key)])
    }
    missing = {keys: len(set(keys) - seconds.keys()) for keys in cells}
    if not means:
        return 0.0, sum(missing.values())
    total = sum((more + missing[keys]) * _seconds_of_cell(place, means) for keys, place in cells.items())
    return total, sum(missing.values())


def _seconds_of_cell(place: tuple[str, str], means: Mapping[tuple[str, str], float]) -> float:
    """Return the mean seconds of a run of a cell; without one, of its column's cells, else its row's, else of all."""
    if place in means:
        return means[place]
    groups = [[value for other, value in means.items() if other[i] == place[i]] for i in (1, 0)]
    return float(np.mean(next((group for group in groups if group), [*means.values()])))


def duration(seconds: float) -> str:
    """Return a time span in the unit that suits it: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def count(n: int, noun: str) -> str:
    """Return a number with its noun: ``1 more seed``, ``3 more seeds``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"
