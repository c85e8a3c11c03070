"""Fields of a run's settings with their defaults, at which they stay out of the run key, as fixed by schema 1.

Keys of stored runs are recomputed from this table, so a line is never changed or removed. A new field of a run gets a
new line, whose default is the behaviour before the field existed.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

KEY_SCHEMA = 1  # raised when a default changes its meaning

# JSON values, as ``spec.json`` holds them; ``task`` has no default and is always part of the key
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "method": "vanilla",
        "options": {},
        "with_tasks": [],
        "model": "tiny",
        "head": "pooler",
        "layers": None,
        "random_weights": False,
        "dropout": None,
        "head_dropout": None,
        "head_dropouts": [],
        "definitions": [],
        "max_length": 128,
        "max_train_samples": None,
        "per_class": None,
        "tuning_rows": 0,
        "holdout": 0.1,
        "holdout_rows": 0,
        "label_noise": 0.0,
        "predict": ["dev", "holdout"],
        "predict_each": None,
        "evaluate_every": 1,
        "epochs": 3,
        "max_steps": None,
        "batch_size": 16,
        "accumulation": 1,
        "learning_rate": 2e-5,
        "head_learning_rate": None,
        "weight_decay": 0.01,
        "optimizer": "adamw",
        "schedule": "linear",
        "warmup": 0.1,
        "clip": 1.0,
        "precision": "fp32",
        "threads": 1,
        "late_noise": 0.0,
        "measure": False,
        "smoothness_radii": [],
        "seed": 0,
        "seed_init": None,
        "seed_order": None,
        "seed_dropout": None,
        "seed_noise": None,
        "seed_subsample": None,
        "combine": None,
    }
)
SEEDS = ("seed_init", "seed_order", "seed_dropout", "seed_noise", "seed_subsample")  # each defaults to ``seed``
ELSEWHERE = ("method_config", "init_from", "parents")  # the method's version and the parents' keys stand for them
