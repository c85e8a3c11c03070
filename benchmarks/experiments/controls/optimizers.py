"""Control study: the optimisers that the SMART paper names, and its longest runs.

"Adam and RAdam", without weight decay and without saying which task had which; at most six epochs. All other tables use
AdamW with a decay of 0.01 for three epochs.

Runs: 160 paper, 160 small, 160 demo.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from benchmarks.experiments.controls import small_sets
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment, MethodRow, Times
from benchmarks.experiments.planning.columns import any_task
from benchmarks.spec import method

_WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "adamw": ("AdamW", {}),
    "adam": ("Adam without decay", {"optimizer": "adam", "weight_decay": 0.0}),
    "radam": ("RAdam without decay", {"optimizer": "radam", "weight_decay": 0.0}),
    "adam-6-epochs": (
        "Adam without decay, twice the epochs (six)",
        {"optimizer": "adam", "weight_decay": 0.0, "epochs": Times(2)},
    ),
}
_ARMS = (
    small_sets.VANILLA,
    MethodRow("smart[shared]", "SMART [shared masks]", method("smart", dropout="shared")),
)


@EXPERIMENTS.register("optimizers")
def optimizers() -> Experiment:
    """Plain fine-tuning and SMART with AdamW, Adam and RAdam, and for six epochs. Control study."""
    rows = tuple(
        replace(arm, id=f"{arm.id}:{name}", title=f"{arm.title}, {words}", settings=settings)
        for arm in _ARMS
        for name, (words, settings) in _WAYS.items()
    )
    return Experiment(
        name="optimizers",
        title="Optimisers and the longest runs of the SMART paper",
        rows=rows,
        columns=small_sets.COLUMNS,
        seeds=method_rows.FIVE,
        baseline=rows[0].id,
        settings=method_rows.SMART_SETTINGS,
        task_settings=method_rows.SMART_TASK_SETTINGS,
        columns_for=any_task,
        notes=("Decay is decoupled in AdamW and RAdam, and part of the gradient in Adam.",),
    )
