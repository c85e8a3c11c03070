"""Check the difficulty of the generated world on finished runs; prints a table in Markdown.

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

FITS, UNDER, ABOVE = 0.90, (0.05, 0.10), 0.05  # the range: on train, under the ceiling, above a bag of words


@dataclass(frozen=True)
class Difficulty:
    """The conditions on one task; all figures are fractions, one a seed in ``train`` and ``dev``.

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
        """Distance of the mean dev score from the ceiling."""
        return self.ceiling - float(self.dev.mean())

    @property
    def passed(self) -> bool:
        """True if all three conditions hold."""
        above = float(self.dev.mean()) - self.words
        return float(self.train.mean()) >= FITS and UNDER[0] <= self.under <= UNDER[1] and above >= ABOVE

    def row(self) -> str:
        """Return the row of the Markdown table."""
        figures = (percent(value) for value in (self.ceiling, self.under, self.words))
        cells = self.task, self.metric, spread(self.train), spread(self.dev), *figures, str(len(self.dev))
        return f"| {' | '.join(cells)} | {'yes' if self.passed else 'NO'} |"


def percent(value: float) -> str:
    """Format a fraction in percent."""
    return f"{100 * value:.1f}"


def spread(values: np.ndarray) -> str:
    """Format mean and standard deviation over seeds, in percent."""
    return percent(mean(values.tolist())) + (f" ± {percent(stdev(values.tolist()))}" if len(values) > 1 else "")


def bag_of_words(task: Task) -> float:
    """Return the first metric on dev of a linear model on word counts, fitted once on all of train."""
    train, dev = (task.generate(split) for split in ("train", "dev"))  # type: ignore[misc]
    counts = CountVectorizer().fit(joined(train))
    model = Ridge() if isinstance(task.head, Regression) else LogisticRegression(max_iter=1_000)
    model.fit(counts.transform(joined(train)), train.labels)
    return score_all(task, dev.labels, model.predict(counts.transform(joined(dev))))[task.metrics[0]]


def joined(split: Split) -> list[str]:
    """Return each example's texts as one text."""
    return [" ".join(row) for row in zip(*split.texts, strict=True)]


def on_train(results: Results, key: str, task: Task) -> float:
    """Return the accuracy on the training labels, or the correlation with them for a score."""
    frame = results.predictions(key, task.name, "train", columns=["label", "prediction"])
    labels, predicted = frame["label"].to_numpy(), frame["prediction"].to_numpy()
    score = np.corrcoef(labels, predicted)[0, 1] if isinstance(task.head, Regression) else np.mean(labels == predicted)
    return float(score)


def difficulties(results: Results, seeds: int | None = None) -> Iterator[Difficulty]:
    """Yield the difficulty of every generated task with current vanilla runs, in the order of the registry.

    Args:
        results: the finished runs.
        seeds: only the first so many (0, 1, ...); None: all.
    """
    runs: dict[str, list[str]] = {}
    for key in results.run_keys():
        run = results.run(key)
        name, is_selected = run.spec["task"], seeds is None or run.spec["seed"] < seeds
        is_current = name in TASKS and run.task["version"] == TASKS[name].version
        if run.spec["method"] == "vanilla" and is_selected and is_current:
            runs.setdefault(name, []).append(key)
    for task in (TASKS[name] for name in TASKS if name in runs and TASKS[name].generated):
        metric = task.metrics[0]
        dev = [results.run(key).result["scores"][task.name]["dev"][metric] for key in runs[task.name]]
        train = [on_train(results, key, task) for key in runs[task.name]]
        ceiling, words = task.ceiling[metric], bag_of_words(task)
        yield Difficulty(task.name, metric, np.array(train), np.array(dev), ceiling, words)


def main(arguments: list[str] | None = None) -> None:
    """Print the difficulty of every task."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.world", description=__doc__)
    parser.add_argument("results", type=Path, help="folder with runs of smart-table1, profile demo")
    parser.add_argument("--seeds", type=int, help="only the first so many; default: all")
    options = parser.parse_args(arguments)
    print("| task | metric | train | dev | ceiling | under it | bag of words, dev | seeds | in range |")
    print("|---|---|---:|---:|---:|---:|---:|---:|---|")
    for difficulty in difficulties(Results.open(options.results), options.seeds):
        print(difficulty.row())


if __name__ == "__main__":
    main()
