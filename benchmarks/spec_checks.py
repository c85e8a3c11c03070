"""Rules for each field of a run: its kind, its bounds and the names it may hold.

A rule refuses or accepts; it never changes a value, because the key of a run hashes values as they were spelled
(a weight decay of 0 and one of 0.0 are two spellings).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from analysis.schema import SPLITS
from smart_repro import source

PREDICTABLE = (*SPLITS, "tuning")  # tuning: training rows that no run draws
LARGEST_SEED = 2**32 - 1  # what numpy's and torch's generators both take
_WHOLE, _NUMBER = "a whole number", "a finite number"
_HUGE = 10**300  # a whole number beyond it has no float


@dataclass(frozen=True)
class Rule:
    """The rule for the values of one field.

    Attributes:
        kind: "int", "float", "bool", "str" or "names" (a tuple of words).
        low, high: inclusive bounds of a number, or None; ``open_low`` and ``open_high`` exclude the bound itself.
        optional: whether None is allowed.
        choices: returns the words there are; None: any.
    """

    kind: str
    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    optional: bool = False
    choices: Callable[[], Iterable[str]] | None = None

    def problem(self, name: str, value: Any) -> str | None:
        """Return what is wrong with a value, or None."""
        if value is None:
            return None if self.optional else f"{name} must be {self._expected()}, got none"
        if not self._is_kind(value):
            return f"{name} must be {self._expected()}, got {value!r}"
        if self.kind in ("int", "float") and not self._is_within(value):
            return f"{name} must {self._range(value)}, got {value}"
        if self.choices is not None and value not in (allowed := tuple(self.choices())):
            return f"{name} must be one of {', '.join(allowed)}, got {value!r}"
        return None

    def _is_kind(self, value: Any) -> bool:
        if isinstance(value, bool):
            return self.kind == "bool"
        if self.kind == "names":
            return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
        if self.kind == "float":
            return abs(value) < _HUGE if isinstance(value, int) else isinstance(value, float) and math.isfinite(value)
        return isinstance(value, {"int": int, "str": str, "bool": bool}[self.kind])

    def _is_within(self, value: float) -> bool:
        above = self.low is None or (value > self.low if self.open_low else value >= self.low)
        below = self.high is None or (value < self.high if self.open_high else value <= self.high)
        return above and below

    def _range(self, value: float) -> str:
        if self.kind == "int" or self.high is None:
            if self.open_low:
                return "be positive"
            return (
                f"be at least {self.low}" if self.low is not None and value < self.low else f"be at most {self.high:,}"
            )
        return f"lie in [{self.low}, {self.high}{')' if self.open_high else ']'}"

    def _expected(self) -> str:
        kinds = {
            "int": _WHOLE,
            "float": _NUMBER,
            "bool": "true or false",
            "str": "a word",
            "names": "names in brackets",
        }
        return kinds[self.kind] + (" or none" if self.optional else "")


def _count(high: int, low: int = 1, optional: bool = False) -> Rule:
    return Rule("int", low, high, optional=optional)


def _name(choices: Callable[[], Iterable[str]] | None = None, optional: bool = False) -> Rule:
    return Rule("str", optional=optional, choices=choices)


_MANY = 10**9  # updates, examples or epochs that no run reaches
_POSITIVE = Rule("float", 0, open_low=True)
_SHARE = Rule("float", 0, 1)
_RATE = Rule("float", 0, 1, open_high=True, optional=True)
_SEED = Rule("int", 0, LARGEST_SEED, optional=True)
RULES: Mapping[str, Rule] = {
    "task": _name(),
    "method": _name(),
    "with_tasks": Rule("names"),
    "model": _name(),
    "head": _name(lambda: source.value("smart_repro.models", "HEADS")),
    "layers": _count(1000, optional=True),
    "random_weights": Rule("bool"),
    "dropout": _RATE,
    "head_dropout": _RATE,
    "max_length": _count(100_000, low=4),
    "max_train_samples": _count(_MANY, low=2, optional=True),
    "per_class": _count(_MANY, optional=True),
    "holdout": Rule("float", 0, 0.5),
    "predict": Rule("names"),
    "predict_each": Rule("names", optional=True),
    "tuning_rows": _count(_MANY, low=0),
    "holdout_rows": _count(_MANY, low=0),
    "label_noise": _SHARE,
    "evaluate_every": _count(_MANY),
    "epochs": _count(_MANY),
    "max_steps": _count(_MANY, optional=True),
    "batch_size": _count(_MANY),
    "accumulation": _count(_MANY),
    "learning_rate": _POSITIVE,
    "head_learning_rate": Rule("float", 0, open_low=True, optional=True),
    "weight_decay": Rule("float", 0),
    "optimizer": _name(lambda: source.keys("smart_repro.optim", "OPTIMIZERS")),
    "schedule": _name(lambda: source.value("smart_repro.optim", "SCHEDULES")),
    "warmup": _SHARE,
    "clip": Rule("float", 0, open_low=True, optional=True),
    "precision": _name(lambda: source.value("smart_repro.precision", "PRECISIONS")),
    "threads": _count(4096),
    "late_noise": _SHARE,
    "measure": Rule("bool"),
    "seed": Rule("int", 0, LARGEST_SEED),
    "seed_init": _SEED,
    "seed_order": _SEED,
    "seed_dropout": _SEED,
    "seed_noise": _SEED,
    "seed_subsample": _SEED,
    "combine": _name(lambda: ("vote", "average"), optional=True),
}
# What `--set` may name: a task, a method, its options and the seed have options of their own; parents are no setting.
SETTINGS = (
    *(name for name in RULES if name not in ("task", "method", "seed", "combine")),
    "head_dropouts",
    "smoothness_radii",
    "init_from",
)


def field_problem(values: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the first field that breaks its rule, or None.

    Args:
        values: field -> value; fields without a rule are left to the checks that see the whole run.
    """
    problems = (rule.problem(name, values[name]) for name, rule in RULES.items() if name in values)
    return next((problem for problem in problems if problem), None) or next(
        (problem for check in _FURTHER if (problem := check(values))), None
    )


def _split_problem(values: Mapping[str, Any]) -> str | None:
    """Check the splits to predict: ``dev``, or ``TASK:SPLIT`` for a task that these runs evaluate."""
    for name in ("predict", "predict_each"):
        for place in values.get(name) or ():
            if place.rpartition(":")[2] not in PREDICTABLE:
                return f"{name} must name some of {', '.join(PREDICTABLE)}, got {place!r}"
    return None


def _rate_problem(values: Mapping[str, Any]) -> str | None:
    rates = values.get("head_dropouts", ())
    if not isinstance(rates, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in rates):
        return f"head_dropouts must be pairs of a task and a rate, such as (('cola', 0.1),), got {rates!r}"
    problems = (_RATE.problem(f"head_dropouts of {task}", rate) for task, rate in rates)
    return next((problem for problem in problems if problem), None)


def _start_problem(values: Mapping[str, Any]) -> str | None:
    key = values.get("init_from")
    if key is None or not isinstance(key, str | int | float | tuple) or re.fullmatch(r"[0-9a-f]{32}", str(key)):
        return None  # a run may also start from another's spec
    return f"init_from must be the key of a finished run (32 hexadecimal digits; `smart-repro runs list`), got {key!r}"


def _radius_problem(values: Mapping[str, Any]) -> str | None:
    radii = values.get("smoothness_radii", ())
    if not isinstance(radii, tuple):
        return f"smoothness_radii must be positive numbers in brackets, such as (0.01, 0.1), got {radii!r}"
    problems = (_POSITIVE.problem("smoothness_radii", radius) for radius in radii)
    return next((problem for problem in problems if problem), None)


_FURTHER = (_split_problem, _rate_problem, _start_problem, _radius_problem)
