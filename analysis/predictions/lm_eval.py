"""The files that lm-evaluation-harness writes with ``--log_samples``: one row per document and filter.

A row holds ``doc_id``, ``target``, ``filter``, ``metrics`` (their names) and a value per metric: a number (``acc``,
``exact_match``), or a pair of label and answer where the metric is of the whole set (``mcc``, ``f1``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.records import ResultsError

if TYPE_CHECKING:
    import pandas as pd

PAIRS = {"mcc": "matthews", "f1": "f1"}  # metrics whose value is (label, answer), by the name they have here


def is_sample(record: Mapping[str, Any]) -> bool:
    """Return whether a JSON object is a row of such a file."""
    return "doc_id" in record and ("filtered_resps" in record or "resps" in record)


def item_scores(
    records: Sequence[Mapping[str, Any]], file_name: str, metric: str | None, filter_name: str | None
) -> tuple[pd.DataFrame, str]:
    """Return ``id label score``, or ``id label prediction``, of one filter and metric, and the metric's name.

    Args:
        records: the rows of the file.
        file_name: name of the file, for messages.
        metric: name of the metric in the file; None: the first.
        filter_name: name of the filter; None: the only one.
    Raises: ResultsError: several filters and none chosen, an unknown filter or metric, values that are no scores.
    """
    import pandas as pd

    strange = next((row for row, record in enumerate(records, 1) if not is_sample(record)), None)
    if strange is not None:
        raise ResultsError(f"{file_name}, row {strange}: no doc_id or no resps, which the others have; remove the row")
    rows = _of_filter(records, file_name, filter_name)
    name = _metric_of(rows[0], file_name, metric)
    values: list[Any] = [row.get(name) for row in rows]
    frame = pd.DataFrame({"id": [str(row["doc_id"]) for row in rows]}, dtype=object)
    if name in PAIRS and all(isinstance(value, list) and len(value) == 2 for value in values):
        for place, column in enumerate(("label", "prediction")):
            frame[column] = [str(value[place]) for value in values]
        return frame, PAIRS[name]
    bad = next((i for i, v in enumerate(values) if not (isinstance(v, bool | int | float) and 0 <= v <= 1)), None)
    if bad is not None:
        raise ResultsError(
            f"{file_name}: {name} of an item must be a number from 0 to 1, got {values[bad]!r:.60} (doc_id "
            f"{rows[bad]['doc_id']}): choose another by --metric; there are: {', '.join(_names(rows[0]))}"
        )
    frame["label"] = [_target(row.get("target")) for row in rows]
    frame["score"] = [repr(float(value)) for value in values]
    return frame, name


def _of_filter(
    records: Sequence[Mapping[str, Any]], file_name: str, filter_name: str | None
) -> Sequence[Mapping[str, Any]]:
    filters = list(dict.fromkeys(str(record.get("filter", "none")) for record in records))
    if filter_name is None and len(filters) > 1:
        raise ResultsError(f"{file_name} holds {len(filters)} filters ({', '.join(filters)}): choose one by --filter")
    if filter_name is not None and filter_name not in filters:
        raise ResultsError(f"{file_name} has no filter {filter_name!r}; it has: {', '.join(filters)}")
    return [r for r in records if filter_name is None or str(r.get("filter", "none")) == filter_name]


def _names(row: Mapping[str, Any]) -> list[str]:
    """Return the metrics of a row; older files do not name them, so every number except the id counts."""
    listed = row.get("metrics")
    if isinstance(listed, list) and listed:
        return [str(name) for name in listed]
    return [name for name, value in row.items() if name != "doc_id" and isinstance(value, bool | int | float)]


def _metric_of(row: Mapping[str, Any], file_name: str, metric: str | None) -> str:
    names = [name for name in _names(row) if name in row]
    if metric is not None and metric not in names:
        raise ResultsError(f"{file_name} has no metric {metric!r}; it has: {', '.join(names)}")
    if not names:
        raise ResultsError(f"{file_name} has no metric of each document: run lm-eval with --log_samples and a metric")
    return metric or names[0]


def _target(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
