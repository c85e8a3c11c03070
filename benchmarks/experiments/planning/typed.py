"""Values as they are typed: seeds, settings of a run, and names between commas."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from analysis.schema import SPLITS
from benchmarks.errors import UsageError
from benchmarks.spec import parse_value
from benchmarks.spec_checks import LARGEST_SEED, SETTINGS, field_problem
from smart_repro.registry import did_you_mean

SEEDS_AT_MOST = 10_000


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the seeds of ``"5"`` (five, from 0), ``"3,7"`` (these) or ``"10-19"`` (a range).

    Raises: UsageError: for another form, and for more or larger seeds than a grid can have.
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]+", text):
        return _range(text, 0, int(text) - 1)
    seeds: list[int] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"([0-9]+)(?:-([0-9]+))?", part)
        if match is None:
            raise UsageError(f"--seeds {text}: expected a number of seeds (5), a list (3,7) or a range (10-19)")
        seeds += _range(text, int(match[1]), int(match[2] or match[1]))
    if not seeds:
        raise UsageError(f"--seeds {text}: there is no seed in it; give a number of seeds (5) or a list (3,7)")
    return tuple(dict.fromkeys(seeds))


def _range(text: str, first: int, last: int) -> tuple[int, ...]:
    if last < first:
        raise UsageError(f"--seeds {text}: at least one seed is needed, and a range goes upwards (10-19)")
    if last - first >= SEEDS_AT_MOST:
        raise UsageError(f"--seeds {text}: more than {SEEDS_AT_MOST:,} seeds; give fewer")
    if last > LARGEST_SEED:
        raise UsageError(f"--seeds {text}: a seed is at most {LARGEST_SEED:,}; give a smaller one")
    return tuple(range(first, last + 1))


def parse_settings(texts: Iterable[str]) -> dict[str, Any]:
    """Return ``["batch_size=32"]`` as fields of a run.

    Raises: UsageError: for another form, an unknown field, a field named twice, or a value that no run can have.
    """
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in SETTINGS:
            suggestion = did_you_mean(name, SETTINGS)
            raise UsageError(f"--set {text}: expected NAME=VALUE with one of {', '.join(sorted(SETTINGS))}{suggestion}")
        if name in settings:
            raise UsageError(f"--set {text}: {name} is set twice; leave one of them out")
        settings[name] = _setting(name, value)
        if problem := field_problem({name: settings[name]}):
            raise UsageError(f"--set {text}: {problem}")
    return settings


def _setting(name: str, text: str) -> Any:
    if name in ("predict", "predict_each"):
        return _splits(text)
    if name in ("model", "init_from"):  # never a number: a name or key may consist of digits
        return text.strip()
    value = parse_value(text)
    if name == "with_tasks":
        return value if isinstance(value, tuple) else names_in(str(value))
    return value


def _splits(text: str) -> tuple[str, ...] | None:
    """Return ``"dev,train"``, ``"('dev', 'train')"`` or ``"none"`` as splits. Raises UsageError for other names."""
    value = parse_value(text)
    if value is None:
        return None
    splits = value if isinstance(value, tuple) else names_in(str(value))
    for split in splits:
        if str(split).rpartition(":")[2] not in SPLITS:
            raise UsageError(f"--set predict={text}: {split!r} is no split: give some of {', '.join(SPLITS)}")
    return tuple(map(str, splits))


def names_in(text: str | None) -> tuple[str, ...]:
    """Return the names between the commas of a text."""
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
