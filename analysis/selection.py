"""Rules for choosing the epoch: the last one, the best on the scored split, or the best on the holdout.

Every run stores its predictions on dev and on the holdout after each epoch, so all rules are applied after training, to
the same runs. Only ``last`` decides claims about methods.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from analysis.cells import Scored, logits, quiet_score, read_cell
from analysis.records import ResultsError
from analysis.results import Results
from analysis.schema import Column, Manifest
from analysis.scores import METRICS

SPLIT_OF: dict[str, Callable[[Column], str | None]] = {
    "last": lambda column: None,
    "best-dev": lambda column: column.split,
    "best-holdout": lambda column: "holdout",
}


def selected(results: Results, manifest: Manifest, row: str, column: Column, rule: str) -> Scored:
    """Read one cell with every seed at the epoch that ``rule`` selects.

    Rules are "last", "best-dev" and "best-holdout"; the first of equally good epochs is selected.

    Raises:
        ResultsError: the rule is unknown, the cell cannot be read, or a run has no predictions on the split of the
            rule.
    """
    if rule not in SPLIT_OF:
        raise ResultsError(f"no selection named {rule!r}; there are: {', '.join(SPLIT_OF)}")
    scored = read_cell(results, manifest, row, column)
    split = SPLIT_OF[rule](column)
    if split is None:
        return scored
    metric, outputs = METRICS[column.metric], []
    for key in scored.keys:
        _check_each_epoch(results, key, {split, column.split})
        epoch = best_epoch(results, key, replace(column, split=split))
        frame = results.predictions(key, column.task, column.split, epoch)
        if not np.array_equal(frame["id"], scored.ids):
            raise ResultsError(f"run {key[:12]} was scored on other items after epoch {epoch}")
        outputs.append(logits(frame) if metric.uses == "logits" else frame["prediction"].to_numpy())
    scores = np.array([quiet_score(metric, scored.labels, x) for x in outputs])
    return replace(scored, outputs=np.stack(outputs), scores=scores)


def _check_each_epoch(results: Results, key: str, splits: set[str]) -> None:
    """Raise ResultsError if a split was predicted after the last epoch only."""
    predicted = results.run(key).spec.get("predict_each")
    if predicted is not None and not splits <= set(predicted):
        raise ResultsError(
            f"run {key[:12]} predicted {', '.join(sorted(splits - set(predicted)))} after its last epoch only: "
            "choosing the epoch needs the runs of selection-bias, or --set predict_each=none"
        )


def best_epoch(results: Results, key: str, column: Column) -> int:
    """Return the epoch with the run's best score in that column; the first of equal ones."""
    metric = METRICS[column.metric]
    sign = 1.0 if metric.greater_is_better else -1.0
    best, best_at = -np.inf, 0
    predictions = results.predictions(key, column.task, column.split, "all")
    for epoch in sorted(predictions["epoch"].unique().tolist()):
        frame = predictions[predictions["epoch"] == epoch]
        outputs = logits(frame) if metric.uses == "logits" else frame["prediction"].to_numpy()
        if not np.isfinite(outputs).all():
            raise ResultsError(
                f"run {key[:12]} has no finite logits of epoch {epoch}: it diverged, or was published without"
            )
        value = sign * quiet_score(metric, frame["label"].to_numpy(), outputs)
        if value > best:
            best, best_at = value, epoch
    return best_at
