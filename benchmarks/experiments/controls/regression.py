"""The regression gate's grid: a small fixed set of runs whose results change with any change of the computation.

It covers both distances (a classification and a regression task), both readings of R_s at the paper's radius, where it
hardly steers, and a ball wide enough for it to steer; D_Breg with a teacher that moves; past students as a teacher; and
the public code's term. Plain fine-tuning on two more tasks shows which examples are trained on (a drawn subset, part of
it kept aside) and the scores that are no mean over items. ``smart-repro check`` compares it with
``benchmarks/regression/baselines/regression.json``.

Runs: 48 demo.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, TaskColumn
from benchmarks.spec import method

# The classification runs are long enough to learn the task; squared error needs only to be computed.
# Rate, epochs and schedule are the gate's own: the demonstration may change its settings without a new baseline.
_SETTINGS = {
    "batch_size": 16,
    "learning_rate": 2e-3,
    "head_learning_rate": None,
    "epochs": 18,
    "schedule": "linear",
    "warmup": 0.1,
    "max_train_samples": 800,
    "evaluate_every": 100,
}
_BY_TASK: dict[str, dict[str, Any]] = {
    "demo-sst2": {**_SETTINGS, "max_steps": 150},
    "demo-stsb": {**_SETTINGS, "max_steps": 40},
    "demo-cola": {
        **_SETTINGS,
        "max_steps": 60,
        "max_train_samples": 200,
        "holdout": 0.25,
        "predict": ("dev", "holdout"),
    },
    "demo-mrpc": {**_SETTINGS, "max_steps": 60},
}
_PLAIN_ONLY = "plain fine-tuning shows what this task is for"
_WIDE = {"epsilon": 0.1, "sigma": 0.1, "eta": 10.0}  # the paper's eta / epsilon; the embeddings' entries are about 1

_ROWS = (
    method_rows.vanilla("Fine-tuning"),
    *method_rows.smart("SMART"),
    MethodRow("smart-wide[shared]", "SMART, a wide ball [shared masks]", method("smart", dropout="shared", **_WIDE)),
    MethodRow("smart-released", "SMART as released", method("smart-released")),
    MethodRow("bregman", "D_Breg", method("bregman", teacher="ema-scaled")),
    MethodRow("sda", "SDA (K = 3)", method("sda", K=3)),
)


@EXPERIMENTS.register("regression")
def regression() -> Experiment:
    """Rows of `smart-repro check`, which tests that the code still computes the same results."""
    only_demo = "the gate has one size: generated data and the tiny model"
    return Experiment(
        name="regression",
        title="Regression gate",
        rows=tuple(replace(row, by_task=_BY_TASK) for row in _ROWS),
        columns=(
            TaskColumn("demo-sst2", "accuracy"),
            TaskColumn("demo-stsb", "pearson"),
            TaskColumn("demo-stsb", "spearman"),
            TaskColumn("demo-cola", "matthews"),
            TaskColumn("demo-cola", "matthews", "holdout"),
            TaskColumn("demo-mrpc", "f1"),
        ),
        missing={f"{row.id}|{task}": _PLAIN_ONLY for row in _ROWS[1:] for task in ("demo-cola", "demo-mrpc")},
        seeds=(0, 1, 2),
        baseline="vanilla",
        settings={"holdout": 0.0, "predict": ("dev",)},
        each_epoch=True,  # the baseline's runs do
        not_in={"small": only_demo, "paper": only_demo},
    )
