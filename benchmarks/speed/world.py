"""Check the gate of the generated world on finished runs; prints a table in Markdown.

``python -m benchmarks.speed.world RESULTS``.

Vanilla should fit its noisy training labels, end 5 to 10 points under the ceiling on dev, and be 5 points above a bag
of words. Make the runs with ``smart-repro run smart-table1 --methods vanilla --results RESULTS``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge

from analysis.results import Results
from benchmarks.tasks import TASKS, Regression, Split, Task
from benchmarks.tasks.metrics import score_all

FITS, UNDER, ABOVE = 0.90, (0.05, 0.10), 0.05  # the gate: on train, under the ceiling, above a bag of words


@dataclass(frozen=True)
class Gate:
    """What the gate asks of one task; all figures are fractions, one a seed in ``train`` and ``dev``.

    Attributes:
        train: accuracy on the (noisy) labels trained on, or Pearson's correlation.
        dev, ceiling, words: the task's first metric: of vanilla, of the best rule, of a bag of words.
    """

    task: str
    metric: str
    train: np.ndarray
    dev: np.ndarray
    ceiling: float
    words: float

    @property
    def under(self) -> float:
        return self.ceiling - float(self.dev.mean())

    @property
    def passed(self) -> bool:
        above = float(self.dev.mean()) - self.words
        return float(self.train.mean()) >= FITS and UNDER[0] <= self.under <= UNDER[1] and above >= ABOVE

    def row(self) -> str:
        known = (percent(value) for value in (self.ceiling, self.under, self.words))
        cells = self.task, self.metric, spread(self.train), spread(self.dev), *known, str(len(self.dev))
        return f"| {' | '.join(cells)} | {'yes' if self.passed else 'NO'} |"


def percent(value: float) -> str:
    return f"{100 * value:.1f}"


def spread(values: np.ndarray) -> str:
    return percent(mean(values.tolist())) + (f" ± {percent(stdev(values.tolist()))}" if len(values) > 1 else "")


def bag_of_words(task: Task) -> float:
    """The first metric on dev of logistic or ridge regression on word counts, fitted once on the whole of train."""
    train, dev = (task.generate(split) for split in ("train", "dev"))  # type: ignore[misc]
    counts = CountVectorizer().fit(joined(train))
    model = Ridge() if isinstance(task.head, Regression) else LogisticRegression(max_iter=1_000)
    model.fit(counts.transform(joined(train)), train.labels)
    return score_all(task, dev.labels, model.predict(counts.transform(joined(dev))))[task.metrics[0]]


def joined(split: Split) -> list[str]:
    return [" ".join(row) for row in zip(*split.texts, strict=True)]


def on_train(results: Results, key: str, task: Task) -> float:
    """Share of the training labels that come out (for a score: its correlation with them), whatever the metric."""
    found = results.predictions(key, task.name, "train", columns=["label", "prediction"])
    labels, predicted = found["label"].to_numpy(), found["prediction"].to_numpy()
    score = np.corrcoef(labels, predicted)[0, 1] if isinstance(task.head, Regression) else np.mean(labels == predicted)
    return float(score)


def gates(results: Results, seeds: int | None = None) -> Iterator[Gate]:
    """The gate of every generated task that vanilla was run on as it is today, in the order of the registry.

    Args:
        seeds: only the first so many (0, 1, ...); None: all that are there.
    """
    runs: dict[str, list[str]] = {}
    for key in results.run_keys():
        run = results.run(key)
        name, chosen = run.spec["task"], seeds is None or run.spec["seed"] < seeds
        today = name in TASKS and run.task["version"] == TASKS[name].version
        if run.spec["method"] == "vanilla" and chosen and today:
            runs.setdefault(name, []).append(key)
    for task in (TASKS[name] for name in TASKS if name in runs and TASKS[name].generated):
        metric = task.metrics[0]
        dev = [results.run(key).result["scores"][task.name]["dev"][metric] for key in runs[task.name]]
        train = [on_train(results, key, task) for key in runs[task.name]]
        ceiling, words = task.ceiling[metric], bag_of_words(task)
        yield Gate(task.name, metric, np.array(train), np.array(dev), ceiling, words)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.world", description=__doc__)
    parser.add_argument("results", type=Path, help="folder with runs of smart-table1, profile demo")
    parser.add_argument("--seeds", type=int, help="only the first so many; default: all")
    chosen = parser.parse_args(arguments)
    print("| task | metric | train | dev | ceiling | under it | bag of words, dev | seeds | in the gate |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for gate in gates(Results.open(chosen.results), chosen.seeds):
        print(gate.row())


if __name__ == "__main__":
    main()
