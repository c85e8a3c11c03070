"""Report of ``smart-repro data``: for each task the files, the number of rows, and irregularities."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.errors import DataError, MissingData
from benchmarks.tasks import TASKS
from benchmarks.tasks.agreement import counts
from benchmarks.tasks.base import Classification, Split, Task
from benchmarks.tasks.sources import Source, load_split

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
BINS = 40
Tokenizer = Callable[..., Mapping[str, Any]]  # a Hugging Face tokenizer


def data_report(names: Iterable[str], source: Source, tokenizer: Tokenizer | None = None) -> dict[str, dict[str, Any]]:
    """Return the whole report, JSON-ready; one split is in memory at a time.

    Args:
        names: names of the tasks.
        source: the source of the data.
        tokenizer: lengths are counted in its tokens, special ones included; without one in words.
    Returns: per task ``source``, ``splits`` (null for one that is missing or broken), ``missing`` and ``broken`` (the
        reason, by split) and ``duplicates_across`` (examples whose texts occur in an earlier split too).
    """
    return {name: task_report(TASKS[name], source, tokenizer) for name in names}


def task_report(task: Task, source: Source, tokenizer: Tokenizer | None = None) -> dict[str, Any]:
    """Return the report on one task."""
    splits: dict[str, Any] = {}
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    texts: dict[str, list[int]] = {}
    for name in task.splits or ("train", "dev"):
        try:
            split = load_split(task, name, source)
        except DataError as error:
            (missing if isinstance(error, MissingData) else broken)[name] = str(error)
            splits[name] = None
            continue
        texts[name] = [hash(row) for row in zip(*split.texts, strict=True)]
        splits[name] = split_report(task, name, split, tokenizer)
        splits[name] |= _repeats(texts[name], split.labels)
    return {
        "title": task.title,
        "source": "generated" if task.generated else source.kind,
        "data_dir": str(source.data_dir) if source.data_dir and not task.generated else None,
        "hub": f"{task.hub.repo}/{task.hub.config}" if task.hub else None,
        "licence": task.licence,
        "splits": splits,
        "missing": missing,
        "broken": broken,
        "duplicates_across": _across(texts),
    }


def split_report(task: Task, name: str, split: Split, tokenizer: Tokenizer | None = None) -> dict[str, Any]:
    """Return the report on one split."""
    return {
        "rows": len(split),
        "official_rows": task.sizes.get(name),
        "rows_in_files": len(split) + sum(split.left_out.values()),
        "left_out": dict(split.left_out),
        "files": list(split.sources),
        "labels_hidden": split.hidden,
        "labels": {} if split.hidden else _labels(task, split),
        "agreement": counts(split),
        "lengths": _lengths(task, split, tokenizer),
        "fingerprint": split.fingerprint,
        "notes": list(split.notes),
    }


def _labels(task: Task, split: Split) -> dict[str, Any]:
    """Return the rows per class, or the distribution of the targets."""
    if isinstance(task.head, Classification):
        counts_of_classes = np.bincount(split.labels[split.labels >= 0], minlength=task.head.num_outputs)
        return dict(zip(task.head.labels, counts_of_classes.tolist(), strict=True))
    numbers, edges = np.histogram(split.labels, bins=10, range=(task.head.low, task.head.high))
    return {
        "mean": float(split.labels.mean()),
        "sd": float(split.labels.std(ddof=1)) if len(split) > 1 else None,
        "histogram": {"edges": edges.tolist(), "counts": numbers.tolist()},
    }


def _lengths(task: Task, split: Split, tokenizer: Tokenizer | None) -> dict[str, Any]:
    lengths = token_lengths(split, tokenizer) if tokenizer else word_counts(split)
    width = -(
        -(int(lengths.max()) + 1) // BINS
    )  # whole numbers in every bin, or some bins hold more of them than others
    numbers, edges = np.histogram(lengths, bins=np.arange(0, lengths.max() + width + 1, width) - 0.5)
    return {
        "unit": "tokens" if tokenizer else "words",
        "mean": float(lengths.mean()),
        "quantiles": {f"{q:g}": float(np.quantile(lengths, q)) for q in QUANTILES},
        "longer_than_max_length": int((lengths > task.max_length).sum()) if tokenizer else None,
        "max_length": task.max_length,
        "histogram": {"edges": edges.tolist(), "counts": numbers.tolist()},
    }


def word_counts(split: Split) -> np.ndarray:
    """Return the words of each example, all its texts together."""
    return np.array([sum(len(text.split()) for text in row) for row in zip(*split.texts, strict=True)])


def token_lengths(split: Split, tokenizer: Tokenizer, batch: int = 2048) -> np.ndarray:
    """Return the tokens of each example as the model would read it, before cutting."""
    lengths: list[int] = []
    for start in range(0, len(split), batch):
        columns = [column[start : start + batch] for column in split.texts]
        encoded = tokenizer(*columns, truncation=False, padding=False, return_attention_mask=False, verbose=False)
        lengths += map(len, encoded["input_ids"])
    return np.array(lengths)


def _repeats(texts: list[int], labels: np.ndarray) -> dict[str, int]:
    """Count the examples whose texts occur earlier in the split, and those of them with another label."""
    distinct = len(set(texts))
    labelled = [(text, label) for text, label in zip(texts, labels.tolist(), strict=True) if label == label]
    conflicting = len(set(labelled)) - len({text for text, _ in labelled})
    return {"duplicates_within": len(texts) - distinct, "conflicting_labels": conflicting}


def _across(texts: Mapping[str, list[int]]) -> dict[str, int]:
    names = list(texts)
    return {
        f"{name} in {earlier}": sum(row in earlier_texts for row in texts[name])
        for i, earlier in enumerate(names)
        if (earlier_texts := set(texts[earlier]))
        for name in names[i + 1 :]
    }


def plot(report: Mapping[str, Mapping[str, Any]], folder: Path) -> list[Path]:
    """Draw each task's length and label histograms into ``folder/<task>.png`` and return the files."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, task_report in report.items():
        present = {split: split_content for split, split_content in task_report["splits"].items() if split_content}
        if not present:
            continue
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        draw_lengths(left, present)
        draw_labels(right, present)
        figure.suptitle(task_report["title"])
        files.append(folder / f"{name}.png")
        figure.savefig(files[-1], dpi=150)
    return files


def draw_lengths(axes: Any, splits: Mapping[str, Mapping[str, Any]]) -> Any:
    """Draw the distribution of the lengths, one outline a split, as densities, since their bins differ in width."""
    for name, content in splits.items():
        histogram = content["lengths"]["histogram"]
        density = np.array(histogram["counts"]) / sum(histogram["counts"]) / np.diff(histogram["edges"])
        axes.stairs(density, histogram["edges"], label=f"{name} (n = {content['rows']:,})")
    unit = next(iter(splits.values()))["lengths"]["unit"]
    axes.set(xlabel=f"length in {unit}", ylabel=f"share of examples per {unit[:-1]}", xlim=(0, None))
    axes.legend(frameon=False)
    return axes


def draw_labels(axes: Any, splits: Mapping[str, Mapping[str, Any]]) -> Any:
    """Draw the share of the examples by label (or score), one bar a split, without splits of hidden labels."""
    labels_of_splits = {name: content["labels"] for name, content in splits.items() if content["labels"]}
    width = 0.8 / max(len(labels_of_splits), 1)
    for i, (name, labels) in enumerate(labels_of_splits.items()):
        histogram = labels.get("histogram")
        if isinstance(histogram, Mapping):
            edges = histogram["edges"]
            names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
            numbers = np.array(histogram["counts"])
        else:
            names, numbers = list(labels), np.array(list(labels.values()))
        places = np.arange(len(names))
        axes.bar(places + (i - (len(labels_of_splits) - 1) / 2) * width, numbers / numbers.sum(), width, label=name)
        axes.set_xticks(places, names, rotation=30 if len(names) > 3 else 0, ha="right" if len(names) > 3 else "center")
    if labels_of_splits:
        axes.set(xlabel="label", ylabel="share of examples")
        axes.legend(frameon=False)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "labels hidden", ha="center", va="center", transform=axes.transAxes)
    return axes
