"""A Trainer callback that writes predictions in the form that ``smart-repro judge`` reads."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from transformers import Trainer, TrainerCallback

from smart_repro.hf import labels as label_columns
from smart_repro.hf.updates import IGNORED

IDS = ("id", "idx", "example_id")  # columns that name an item, in this order


class PredictionsWriter(TrainerCallback):
    """Predicts a labelled data set when training ends and writes ``seed-SEED.csv`` into a folder.

    The folders of two methods, with the same seeds, are what ``smart-repro judge`` compares. The columns are ``id``,
    ``label``, ``prediction``, ``seed``, ``group`` where there is one, and ``logit_NAME`` for each class; classes have
    the names of the model's ``id2label``. What is predicted with is what ``trainer.predict`` uses.

    Args:
        trainer: any ``transformers.Trainer``; add the callback by ``trainer.add_callback``.
        dataset: items with ``labels`` (or ``label``), as ``trainer.predict`` takes them.
        folder: made when training begins, if it is missing; a file of the same seed is replaced.
        id_column: the column that names an item; None: ``id``, ``idx`` or ``example_id``, else the row's number.
        group_column: the column that says which items belong together (one document, one user).

    Raises:
        ValueError: when training begins: the data set is empty, lacks a column or a label, the folder cannot be made,
            or two classes have one name. When it ends: the model does not put out one row of finite numbers per item,
            or a label is none of its classes.
    """

    def __init__(
        self,
        trainer: Trainer,
        dataset: Any,
        folder: str | Path,
        *,
        id_column: str | None = None,
        group_column: str | None = None,
    ) -> None:
        self.trainer, self.dataset, self.folder = trainer, dataset, Path(folder)
        self.id_column, self.group_column = id_column, group_column

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Check all that is known before training: columns, labels, names of classes and the folder."""
        if hasattr(self.dataset, "__len__") and not len(self.dataset):
            raise ValueError("the data set of PredictionsWriter is empty: look at the filter or the file it comes from")
        columns = self._columns()
        for name in (self.id_column, self.group_column):
            if columns is not None and name is not None and name not in columns:
                raise ValueError(f"the data set has no column {name!r}: its columns are {', '.join(columns)}")
        self._check_labels(columns)
        if (outputs := self._outputs()) is not None:
            self._class_names(outputs)
        if self.trainer.is_world_process_zero():
            self._make_folder()

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Predict and write; every process predicts, the first writes."""
        output = self.trainer.predict(self.dataset)
        if not self.trainer.is_world_process_zero():
            return
        logits = output.predictions[0] if isinstance(output.predictions, tuple) else output.predictions
        table = [*self._rows(np.asarray(logits, dtype=np.float64), output.label_ids, args.seed)]
        self._make_folder()
        path = self.folder / f"seed-{args.seed}.csv"
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
        os.replace(unfinished, path)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"PredictionsWriter cannot make the folder {self.folder} ({error}): give a folder, not a file, in a "
                "place that can be written"
            ) from error

    def _check_labels(self, columns: list[str] | None) -> None:
        """Check the labels, as far as they are known before they are collated."""
        column, values = label_columns.passed_on(self.dataset, self.trainer.data_collator)
        readable = {*label_columns.COLUMNS, *(self.trainer.label_names or [])}
        own_collator = not label_columns.is_of_transformers(self.trainer.data_collator)
        if columns is not None and not own_collator and not readable & set(columns):
            raise ValueError("the data set has no labels: give a labelled one to PredictionsWriter")
        row = next((row for row, value in enumerate(values) if value is None or value == IGNORED), None)
        if row is not None:
            raise ValueError(
                f"row {row} of the data set has no label ({column} is {values[row]}): give PredictionsWriter the "
                "labelled rows only"
            )
        label_columns.refuse(self.dataset, self.trainer.data_collator, self._outputs(), part="evaluation")

    def _outputs(self) -> int | None:
        """Return the number of classes; None for regression, and where the model does not say it."""
        outputs = getattr(getattr(self.trainer.model, "config", None), "num_labels", None)
        return None if outputs == 1 else outputs

    def _class_names(self, outputs: int) -> list[str]:
        by_number = getattr(getattr(self.trainer.model, "config", None), "id2label", None) or {}
        missing = [str(number) for number in range(outputs) if number not in by_number]
        if missing:
            raise ValueError(
                f"the model's config.id2label names no class {', '.join(missing)}: give it a name for each output, "
                "which the columns of the predictions have"
            )
        names = [str(by_number[number]) for number in range(outputs)]
        if len(set(names)) < len(names):
            raise ValueError(
                f"two classes have the same name in the model's config.id2label ({', '.join(names)}): give each its own"
            )
        return names

    def _check_outputs(self, logits: np.ndarray, labels: np.ndarray) -> None:
        if logits.ndim > 2 or labels.size != len(logits):
            raise ValueError(
                f"PredictionsWriter needs one label and one row of logits per item, got labels of shape {labels.shape} "
                f"and logits of shape {logits.shape}: tasks with several labels per text are not covered"
            )
        finite = np.isfinite(logits.reshape(len(logits), -1)).all(1)
        if not finite.all():
            raise ValueError(
                f"the logits of {int((~finite).sum())} of {len(logits)} items are not finite, first those of row "
                f"{int(finite.argmin())}: training has diverged, and no predictions are written"
            )

    def _rows(self, logits: np.ndarray, labels: Any, seed: int) -> Iterator[list[Any]]:
        """Yield the header, then a row per item."""
        if labels is None:
            raise ValueError("the data set has no labels: give a labelled one to PredictionsWriter")
        self._check_outputs(logits, np.asarray(labels))
        labels = np.asarray(labels).reshape(-1)
        ids = self._ids(len(labels))
        groups = None if self.group_column is None else self._column(self.group_column)
        is_regression = logits.ndim == 1 or logits.shape[1] == 1
        names = [] if is_regression else self._class_names(logits.shape[1])
        grouped = [] if groups is None else ["group"]
        yield ["id", "label", "prediction", "seed", *grouped, *(f"logit_{name}" for name in names)]
        for row, (label, outputs) in enumerate(zip(labels, logits.reshape(len(labels), -1), strict=True)):
            if is_regression:
                values = [repr(float(label)), repr(float(outputs[0]))]
            elif 0 <= int(label) < len(names):
                values = [names[int(label)], names[int(outputs.argmax())]]
            else:
                raise ValueError(f"row {row} of the data set has label {int(label)}, which is no class of the model")
            group = [] if groups is None else [groups[row]]
            yield [ids[row], *values, seed, *group, *([] if is_regression else map(repr, outputs.tolist()))]

    def _ids(self, count: int) -> list[Any]:
        if self.id_column is not None:
            return self._column(self.id_column)
        columns = self._columns() or []
        id_column = next((name for name in IDS if name in columns), None)
        return list(range(count)) if id_column is None else self._column(id_column)

    def _columns(self) -> list[str] | None:
        """Return the names of the columns; None if the data set has no such names."""
        if names := getattr(self.dataset, "column_names", None):
            return list(names)
        try:
            first = self.dataset[0]
        except (TypeError, KeyError, NotImplementedError):  # a stream
            return None
        return list(first) if isinstance(first, Mapping) else None

    def _column(self, name: str) -> list[Any]:
        try:
            if hasattr(self.dataset, "column_names"):
                return list(self.dataset[name])
            return [item[name] for item in self.dataset]
        except KeyError:
            raise ValueError(f"the data set has no column {name!r}") from None
