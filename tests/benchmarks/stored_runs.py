"""Finished runs written by hand, as the suite writes them: a true key, predictions, and the scores they give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.integrity import key_of, rebuilt, seal_of
from analysis.records import SEAL
from benchmarks.store.files import write_json


def stored_run(runs: Path, seed: int = 0, *, sealed: bool = True, items: int = 40, **settings: Any) -> str:
    """Write a run of CoLA below ``runs``; returns its key."""
    spec = {"task": "cola", "method": "vanilla", "seed": seed, "predict": ["dev", "holdout"], **settings}
    about = {
        "schema": 1,
        "spec": spec,
        "fingerprints": {"data": {"cola.dev": "d" * 64, "cola.train": "t" * 64}, "weights": "w" * 64, "parents": []},
        "task": {
            "title": "CoLA",
            "kind": "classification",
            "labels": ["0", "1"],
            "metrics": ["accuracy"],
            "version": 1,
        },
        "data": {"sources": ["CoLA/dev.tsv"], "notes": [], "rows": {"train": 60, "cola.dev": items}},
        "model": {"name": "tiny", "contaminated": "", "revision": ""},
        "method": {"paper": "", "version": 1, "cost": 3.0},
    }
    key = key_of(rebuilt(about))
    folder = runs / key
    (folder / "predictions").mkdir(parents=True)
    accuracy = _predictions(folder / "predictions" / "cola.dev.parquet", seed, items)
    write_json(folder / "spec.json", {**about, "key": key, "identity": rebuilt(about)})
    write_json(folder / "environment.json", {"torch": "2", "platform": "Linux-6"})
    (folder / "history.jsonl").write_text(
        '{"step": 1, "epoch": 0.5, "loss": 0.7}\n{"step": 2, "epoch": 1.0, "loss": 0.6}\n'
    )
    scores = {"cola": {"dev": {"accuracy": accuracy}}}
    write_json(folder / "result.json", {"schema": 1, "key": key, "scores": scores, "seconds": 1.0, "steps": 2})
    if sealed:
        write_json(folder / SEAL, seal_of(folder))
    return key


def _predictions(path: Path, seed: int, items: int) -> float:
    rng = np.random.default_rng(seed)
    labels, logits = rng.integers(0, 2, items), rng.normal(size=(items, 2)).astype(np.float32)
    predictions = logits.argmax(1)
    columns = {
        "id": [f"dev-{number}" for number in range(items)],
        "epoch": np.full(items, 1, dtype=np.int32),
        "label": labels,
        "prediction": predictions,
        "logit_0": logits[:, 0],
        "logit_1": logits[:, 1],
    }
    pq.write_table(pa.table(columns), path)
    return float((labels == predictions).mean())


def reseal(folder: Path) -> None:
    """Seal a run that a test has changed, as if it had been finished so."""
    (folder / SEAL).unlink(missing_ok=True)
    write_json(folder / SEAL, seal_of(folder))
