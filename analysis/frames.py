"""From rows of ``analysis.load(results)`` to what the other modules take: select runs with pandas, then compare them.

Each function takes such rows, filtered as you like; a row knows its results folder, so nothing else is needed::

    runs = analysis.load("results").query("task == 'rte' and split == 'dev' and metric == 'accuracy'")
    frames.contrast(runs.query("method == 'smart'"), runs.query("method == 'vanilla'"))  # the deciding interval
    figures.plot_scores(frames.cells(runs, baseline="vanilla"), plt.gca())
    errors.confusion(frames.outputs(runs.query("method == 'smart'")))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis import comparison, curves, errors
from analysis.cells import read_runs
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest, Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cells", "contrast", "curve", "experiment", "holdouts", "outputs", "updates"]

RESULT = {"key", "seed", "task", "split", "metric", "score", "seconds", "steps", "source", "results", "generated"}


def contrast(a: pd.DataFrame, b: pd.DataFrame, level: float = 0.95) -> Interval:
    """The deciding interval of ``a - b``, over the seeds that both have, on the printed scale (percent, mostly).

    Args:
        a, b: rows of one task, split and metric; each seed once in each.
    Raises: ResultsError: several tasks or metrics, a seed twice (named, with the settings that differ), no common
        seed, or runs scored on different items.
    """
    column = _column(a)
    if _column(b) != column:
        raise ResultsError(f"a is {_words(column)}, b is {_words(_column(b))}: select the same of both")
    ours, theirs = (read_runs(_results(rows), _seeds(rows), column) for rows in (a, b))
    return comparison.contrast(ours, theirs, column, level)[0]


def outputs(runs: pd.DataFrame) -> errors.Outputs:
    """Logits, labels and votes of one arm on one task and split, for everything in :mod:`analysis.errors`.

    Raises: ResultsError: as :func:`contrast`.
    """
    column = _column(runs)
    return errors.read_outputs(_results(runs), dict(_seeds(runs)), column.task, column.split)


def holdouts(runs: pd.DataFrame) -> errors.Holdouts:
    """The same runs on their own holdouts, for :func:`analysis.errors.rescaled` and ``by_agreement``."""
    return errors.read_holdouts(_results(runs), dict(_seeds(runs)), _column(runs).task)


def experiment(runs: pd.DataFrame, by: str | Sequence[str] = "method", baseline: str | None = None) -> Manifest:
    """The selected runs as an experiment of their own: what every function that takes a manifest takes.

    Args:
        by: the columns that make an arm, as ``["method", "config.dropout"]``; its name joins their values.
        baseline: the arm that the others are compared with; it comes first, the others in the order of their rows.
    Raises: ResultsError: no rows, an unknown column or baseline, several results folders, or two runs of one seed in
        a cell: names the settings in which they differ, which belong into ``by`` or into the selection.
    """
    _results(runs)
    names = [by] if isinstance(by, str) else list(by)
    unknown = [name for name in names if name not in runs]
    if unknown:
        raise ResultsError(f"no column {unknown[0]!r} to tell arms by; there are: {', '.join(map(str, runs.columns))}")
    arms = runs[names].astype(object).apply(_arm, axis=1)
    columns = tuple(
        Column(f"{task}.{split}.{metric}", task, metric, split, f"{task}, {metric}")
        for task, split, metric in runs[["task", "split", "metric"]].drop_duplicates().itertuples(index=False)
    )
    if baseline is not None and baseline not in set(arms):
        raise ResultsError(f"no arm named {baseline!r}; there are: {', '.join(dict.fromkeys(arms))}")
    ordered = dict.fromkeys([*([] if baseline is None else [baseline]), *arms])
    cells: dict[str, dict[str, tuple[str, ...]]] = {arm: {} for arm in ordered}
    for (arm, task, split, metric), rows in runs.groupby([arms, "task", "split", "metric"], sort=False):
        cells[str(arm)][f"{task}.{split}.{metric}"] = tuple(key for _, key in _seeds(rows))
    return Manifest(
        name="selection",
        title="Selected runs",
        rows=tuple(Row(arm, arm) for arm in cells),
        columns=columns,
        seeds=tuple(sorted(int(seed) for seed in runs["seed"].unique())),
        cells=cells,
        baseline_row=baseline,
    )


def cells(
    runs: pd.DataFrame, by: str | Sequence[str] = "method", baseline: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """One row per arm, task and metric: :func:`analysis.comparison.compare` of the selected runs.

    What :mod:`analysis.tables` prints and ``figures.plot_scores``, ``plot_differences`` and ``plot_box`` draw.
    """
    return comparison.compare(_results(runs), experiment(runs, by, baseline), level)


def updates(runs: pd.DataFrame) -> pd.DataFrame:
    """Every update of the selected runs, in one frame: ``key method seed step``, then what they logged."""
    import pandas as pd

    results = _results(runs)
    chosen = runs.drop_duplicates("key")
    found = [
        results.history(key).assign(key=key, method=method, seed=seed)
        for key, method, seed in chosen[["key", "method", "seed"]].itertuples(index=False)
    ]
    frame = pd.concat(found, ignore_index=True)
    first = ["key", "method", "seed", "step"]
    return frame[[*first, *(name for name in frame if name not in first)]]


def curve(runs: pd.DataFrame, parts: Sequence[str] = curves.LOGGED, by: str | Sequence[str] = "method") -> pd.DataFrame:
    """Logged parts over training, mean and range over seeds: what ``figures.plot_curves`` draws.

    Raises: ResultsError: as :func:`experiment`; or rows of several tasks or metrics.
    """
    _column(runs)
    manifest = experiment(runs, by)
    return curves.logged(curves.read_logs(_results(runs), manifest), manifest, manifest.columns[0], parts)


def _results(runs: pd.DataFrame) -> Results:
    if runs.empty:
        raise ResultsError("no runs selected: loosen the query; `analysis.load(results)` shows what there is")
    if "results" not in runs:
        raise ResultsError("these rows have no column 'results': take them from `analysis.load`")
    folders = runs["results"].unique()
    if len(folders) > 1:
        raise ResultsError(f"rows of several results folders ({', '.join(folders)}): select one")
    return Results.open(str(folders[0]))


def _column(runs: pd.DataFrame) -> Column:
    _results(runs)
    found = [tuple(row) for row in runs[["task", "split", "metric"]].drop_duplicates().itertuples(index=False)]
    if len(found) > 1:
        raise ResultsError(
            f"rows of {len(found)} tasks, splits or metrics ({', '.join('.'.join(each) for each in found[:4])}): "
            "select one, as with .query(\"task == 'rte' and split == 'dev' and metric == 'accuracy'\")"
        )
    task, split, metric = found[0]
    return Column(f"{task}.{split}.{metric}", task, metric, split)


def _seeds(runs: pd.DataFrame) -> list[tuple[int, str]]:
    """Seed and key of each row, in seed order."""
    ordered = runs.sort_values("seed", kind="stable")
    twice = ordered[ordered["seed"].duplicated(keep=False)]
    if not twice.empty:
        seed = twice["seed"].iloc[0]
        pair = twice[twice["seed"] == seed].iloc[:2]
        differ = [str(name) for name in pair if name not in RESULT and pair[name].astype(str).nunique() > 1]
        raise ResultsError(
            f"seed {seed} is there twice; the two runs differ in {', '.join(differ) or 'nothing but their key'}: "
            "select one value, or name it in by="
        )
    return [(int(seed), key) for seed, key in ordered[["seed", "key"]].itertuples(index=False)]


def _arm(values: Any) -> str:
    return " ".join(str(value) for value in values if value == value and value is not None)


def _words(column: Column) -> str:
    return f"{column.task}.{column.split}, {column.metric}"
