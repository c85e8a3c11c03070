"""A Trainer callback that writes predictions in the form that ``smart-repro judge`` reads."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from transformers import Trainer, TrainerCallback

IDS = ("id", "idx", "example_id")  # columns that name an item, in this order


class PredictionsWriter(TrainerCallback):
    """Predicts a labelled data set when training ends and writes ``seed-SEED.csv`` into a folder.

    The folders of two methods, with the same seeds, are what ``smart-repro judge`` compares. The columns are ``id``,
    ``label``, ``prediction``, ``seed``, ``group`` where there is one, and ``logit_NAME`` for each class; classes have
    the names of the model's ``id2label``. What is predicted with is what ``trainer.predict`` uses.

    Args:
        trainer: any ``transformers.Trainer``; add the callback by ``trainer.add_callback``.
        dataset: items with ``labels`` (or ``label``), as ``trainer.predict`` takes them.
        folder: made if it is missing; a file of the same seed is replaced.
        id_column: the column that names an item; None: ``id``, ``idx`` or ``example_id``, else the row's number.
        group_column: the column that says which items belong together (one document, one user).
    Raises: ValueError: when training ends, for a row without a label, or a column that is missing.
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

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Predict and write; every process predicts, the first writes."""
        output = self.trainer.predict(self.dataset)
        if not self.trainer.is_world_process_zero():
            return
        logits = output.predictions[0] if isinstance(output.predictions, tuple) else output.predictions
        table = [*self._rows(np.asarray(logits, dtype=np.float64), output.label_ids, args.seed)]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"seed-{args.seed}.csv"
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(table)
        os.replace(unfinished, path)

    def _rows(self, logits: np.ndarray, labels: Any, seed: int) -> Iterator[list[Any]]:
        """Yield the header, then a row per item."""
        if labels is None:
            raise ValueError("the data set has no labels: give a labelled one to PredictionsWriter")
        labels = np.asarray(labels).reshape(-1)
        ids = self._ids(len(labels))
        groups = None if self.group_column is None else self._column(self.group_column)
        config: Any = getattr(self.trainer.model, "config", None)
        is_regression = logits.ndim == 1 or logits.shape[1] == 1
        names = [] if is_regression else [config.id2label[place] for place in range(logits.shape[1])]
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
        names = getattr(self.dataset, "column_names", None) or list(self.dataset[0])
        id_column = next((name for name in IDS if name in names), None)
        return list(range(count)) if id_column is None else self._column(id_column)

    def _column(self, name: str) -> list[Any]:
        try:
            if hasattr(self.dataset, "column_names"):
                return list(self.dataset[name])
            return [item[name] for item in self.dataset]
        except KeyError:
            raise ValueError(f"the data set has no column {name!r}") from None
