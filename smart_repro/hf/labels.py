"""Checks of a data set's labels before training and evaluation: each is a number, and a class of the model.

Whole columns are checked only where a collator of transformers makes the batches: another one may compute the labels.
Without these checks a wrong label of the evaluation set is noticed after an epoch, and class names not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

from transformers.data import data_collator

from smart_repro.hf.updates import IGNORED, refuse_range

COLUMNS = ("labels", "label", "label_ids")  # what the collators of transformers read as labels
_REMEDY = f"give classes as whole numbers from 0, targets as floats, and {IGNORED} to a row without a label"
_UNREADABLE = ("too many dimensions 'str'", "Could not infer dtype of NoneType", "must be real number, not NoneType")


def refuse(dataset: Any, collator: Any, classes: int | None, *, part: str) -> None:
    """Refuse a data set with a label that is no number, or no class of the model.

    Args:
        dataset: the data set; only a ``datasets.Dataset`` and a list of dictionaries are read.
        collator: the Trainer's collator.
        classes: number of classes; None: any number is a label.
        part: ``"training"`` or ``"evaluation"``; the latter may have no labels at all.

    Raises:
        ValueError: there is such a label.
    """
    column, values = passed_on(dataset, collator)
    if part == "evaluation" and all(value is None for value in values):
        return
    for row, value in enumerate(values):
        if value is None or isinstance(value, str):
            raise ValueError(
                f"the column {column} holds something else than numbers, {value!r} in row {row} of the {part} set: "
                f"{_REMEDY}"
            )
    numbers = [int(value) for value in values if isinstance(value, Integral) and value != IGNORED]
    if classes is not None and numbers:
        refuse_range(min(numbers), max(numbers), classes, place=f"in the {part} set, ")


def passed_on(dataset: Any, collator: Any) -> tuple[str | None, Sequence[Any]]:
    """Return the column whose values a collator of transformers passes on as labels, and its values.

    The name is None where the data set has no such column, or where its labels are not known before they are collated.
    """
    if not is_of_transformers(collator):
        return None, []
    if hasattr(dataset, "select_columns") and hasattr(dataset, "format"):  # a datasets.Dataset
        column = next((name for name in COLUMNS if name in dataset.column_names), None)
        if column is None or dataset.format["type"] == "custom":  # a transform may change any column
            return None, []
        return column, dataset.select_columns([column]).with_format(None)[:][column]
    if isinstance(dataset, list | tuple) and all(isinstance(row, Mapping) for row in dataset):
        column = next((name for name in COLUMNS if dataset and name in dataset[0]), None)
        return column, [row.get(column) for row in dataset] if column else []
    return None, []


def is_of_transformers(collator: Any) -> bool:
    """Return True for a collator of transformers; a subclass of one is not, because it may do something else."""
    return getattr(collator, "__module__", None) == data_collator.__name__


@contextmanager
def explained() -> Iterator[None]:
    """Replace the error of a collator that cannot convert labels to numbers, which does not name them.

    Raises: ValueError: labels are strings, or missing in some rows.
    """
    try:
        yield
    except (ValueError, RuntimeError, TypeError) as error:
        padded = "Unable to create tensor" in str(error) and "`labels`" in str(error)  # its advice is truncation
        if not padded and not any(text in str(error) for text in _UNREADABLE):
            raise
        column = "the column labels" if padded else "a column, probably that of the labels,"
        raise ValueError(
            f"{column} holds something else than numbers (class names, or None in some row): {_REMEDY}"
        ) from error


__all__ = ["COLUMNS", "explained", "is_of_transformers", "passed_on", "refuse"]
