"""Made-up systems: arrays of answers, and files of them in every form that is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

NAMES = np.array(["bad", "good", "mixed"])


def answers(
    labels: np.ndarray, accuracy: float, rng: np.random.Generator, seeds: int = 5, classes: int = 3
) -> np.ndarray:
    """``(seeds, items)`` answers, right with that probability."""
    wrong = (labels + rng.integers(1, classes, (seeds, len(labels)))) % classes
    return np.where(rng.random((seeds, len(labels))) < accuracy, labels, wrong)


def frame(runs: np.ndarray, labels: np.ndarray, names: np.ndarray = NAMES, **more: Any) -> pd.DataFrame:
    """Return a row per seed and item, as in prediction files; ``more`` has columns of one value per item."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "id": [f"item {i}" for i in range(len(labels))],
                    "label": names[labels],
                    "prediction": names[run],
                    "seed": seed,
                    **more,
                }
            )
            for seed, run in enumerate(runs)
        ],
        ignore_index=True,
    )


def write(rows: pd.DataFrame, path: Path) -> Path:
    """Write the rows to a file of the format that its name ends with."""
    if path.suffix == ".parquet":
        rows.to_parquet(path)
    elif path.suffix == ".jsonl":
        rows.to_json(path, orient="records", lines=True)
    else:
        rows.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def samples(
    right: Sequence[float], path: Path, filters: Sequence[str] = ("none",), metric: str = "acc", **more: Any
) -> Path:
    """Write a file of lm-evaluation-harness: a row per document and filter; by the second filter all are wrong."""
    with path.open("w", encoding="utf-8") as file:
        for doc, value in enumerate(right):
            for place, name in enumerate(filters):
                row = {
                    "doc_id": doc,
                    "doc": {"question": f"question {doc}"},
                    "target": str(doc % 4),
                    "arguments": [["question", " answer"]],
                    "resps": [[["-1.5", "False"]]],
                    "filtered_resps": [["-1.5", "False"]],
                    "filter": name,
                    "metrics": [metric, *more],
                    "doc_hash": f"{doc:064x}",
                    metric: value if place == 0 else 0.0,
                    **{key: values[doc] for key, values in more.items()},
                }
                file.write(json.dumps(row) + "\n")
    return path
