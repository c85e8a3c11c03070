"""Apply the analysis to rows of ``analysis.load(results)``: select runs with pandas, then compare them.

Each function takes such rows, filtered as you like; a row holds the path of its results folder::

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
    """Return the deciding interval of ``a - b``, over the seeds that both have, on the printed scale (mostly percent).

    Args:
        a: rows of one task, split and metric, with one row per seed.
        b: the same for the other arm.
        level: level of the interval.

    Raises:
        ResultsError: there are several tasks or metrics, a seed occurs twice (the message names the settings that
            differ), there is no common seed, or runs were scored on different items.
    """
    column = _column(a)
    if _column(b) != column:
        raise ResultsError(f"a is {_words(column)}, b is {_words(_column(b))}: select the same column for both")
    scored_a, scored_b = (read_runs(_results(rows), _seeds(rows), column) for rows in (a, b))
    return comparison.contrast(scored_a, scored_b, column, level)[0]


def outputs(runs: pd.DataFrame) -> errors.Outputs:
    """Return logits, labels and votes of one arm on one task and split, for all functions of :mod:`analysis.errors`.

    Raises:
        ResultsError: as :func:`contrast`.
    """
    column = _column(runs)
    return errors.read_outputs(_results(runs), dict(_seeds(runs)), column.task, column.split)


def holdouts(runs: pd.DataFrame) -> errors.Holdouts:
    """Return outputs of the same runs on their holdouts, for ``rescaled`` and ``by_agreement``."""
    return errors.read_holdouts(_results(runs), dict(_seeds(runs)), _column(runs).task)


def experiment(runs: pd.DataFrame, by: str | Sequence[str] | None = None, baseline: str | None = None) -> Manifest:
    """Return the selected runs as an experiment, for every function that takes a manifest.

    Args:
        runs: the rows.
        by: columns that define an arm, such as ``["method", "config.dropout"]``; the arm's name joins their values.
            None: ``row`` where the rows are those of one experiment, else ``method``.
        baseline: the arm that the others are compared with; it comes first, the others follow in the order of their
            rows.

    Raises:
        ResultsError: there are no rows, a column or the baseline is unknown, there are several results folders, or a
            cell has two runs of one seed; the message names the settings in which they differ, which must be added to
            ``by`` or fixed in the selection.
    """
    _results(runs)
    by = by or ("row" if "row" in runs else "method")
    names = [by] if isinstance(by, str) else list(by)
    missing = [name for name in names if name not in runs]
    if missing:
        raise ResultsError(f"no column {missing[0]!r} for by=; there are: {', '.join(map(str, runs.columns))}")
    arms = runs[names].astype(object).apply(_arm, axis=1)
    columns = tuple(
        Column(f"{task}.{split}.{metric}", task, metric, split, f"{task}, {metric}")
        for task, split, metric in runs[["task", "split", "metric"]].drop_duplicates().itertuples(index=False)
    )
    if baseline is not None and baseline not in set(arms):
        raise ResultsError(f"no arm named {baseline!r}; there are: {', '.join(dict.fromkeys(arms))}")
    ordered_arms = dict.fromkeys([*([] if baseline is None else [baseline]), *arms])
    cells: dict[str, dict[str, tuple[str, ...]]] = {arm: {} for arm in ordered_arms}
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
    runs: pd.DataFrame, by: str | Sequence[str] | None = None, baseline: str | None = None, level: float = 0.95
) -> pd.DataFrame:
    """Return a row per arm, task and metric: :func:`analysis.comparison.compare` of the selected runs.

    The frame is the input of :mod:`analysis.tables` and of ``figures.plot_scores``, ``plot_differences`` and
    ``plot_box``.
    """
    return comparison.compare(_results(runs), experiment(runs, by, baseline), level)


def updates(runs: pd.DataFrame) -> pd.DataFrame:
    """Return every update of the selected runs in one frame: ``key method seed step``, then what they logged."""
    import pandas as pd

    results = _results(runs)
    distinct = runs.drop_duplicates("key")
    histories = [
        results.history(key).assign(key=key, method=method, seed=seed)
        for key, method, seed in distinct[["key", "method", "seed"]].itertuples(index=False)
    ]
    frame = pd.concat(histories, ignore_index=True)
    first = ["key", "method", "seed", "step"]
    return frame[[*first, *(name for name in frame if name not in first)]]


def curve(
    runs: pd.DataFrame, parts: Sequence[str] = curves.LOGGED, by: str | Sequence[str] | None = None
) -> pd.DataFrame:
    """Return logged parts over training, as mean and range over seeds; ``figures.plot_curves`` draws them.

    Raises:
        ResultsError: as :func:`experiment`; or there are several tasks or metrics.
    """
    _column(runs)
    manifest = experiment(runs, by)
    return curves.logged(curves.read_logs(_results(runs), manifest), manifest, manifest.columns[0], parts)


def _results(runs: pd.DataFrame) -> Results:
    if runs.empty:
        raise ResultsError("no runs selected: loosen the query; `analysis.load(results)` shows all runs")
    if "results" not in runs:
        raise ResultsError("these rows have no column 'results': use rows of `analysis.load`")
    folders = runs["results"].unique()
    if len(folders) > 1:
        raise ResultsError(f"rows of several results folders ({', '.join(folders)}): select one")
    return Results.open(str(folders[0]))


def _column(runs: pd.DataFrame) -> Column:
    _results(runs)
    tuples = [tuple(row) for row in runs[["task", "split", "metric"]].drop_duplicates().itertuples(index=False)]
    if len(tuples) > 1:
        raise ResultsError(
            f"rows of {len(tuples)} tasks, splits or metrics ({', '.join('.'.join(names) for names in tuples[:4])}): "
            "select one, as with .query(\"task == 'rte' and split == 'dev' and metric == 'accuracy'\")"
        )
    task, split, metric = tuples[0]
    return Column(f"{task}.{split}.{metric}", task, metric, split)


def _seeds(runs: pd.DataFrame) -> list[tuple[int, str]]:
    """Return seed and key of each row, in seed order."""
    ordered = runs.sort_values("seed", kind="stable")
    duplicates = ordered[ordered["seed"].duplicated(keep=False)]
    if not duplicates.empty:
        seed = duplicates["seed"].iloc[0]
        pair = duplicates[duplicates["seed"] == seed].iloc[:2]
        differ = [str(name) for name in pair if name not in RESULT and pair[name].astype(str).nunique() > 1]
        raise ResultsError(
            f"seed {seed} occurs twice; the two runs differ in {', '.join(differ) or 'nothing but their key'}: "
            "select one value, or name it in by="
        )
    return [(int(seed), key) for seed, key in ordered[["seed", "key"]].itertuples(index=False)]


def _arm(values: Any) -> str:
    return " ".join(str(value) for value in values if value == value and value is not None)


def _words(column: Column) -> str:
    return f"{column.task}.{column.split}, {column.metric}"
