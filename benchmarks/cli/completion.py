"""Candidates for the shell's completion: built-in names, tasks and methods in comma-separated lists, keys of runs.

No completer imports torch, which takes seconds: the user waits for the answer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import options

if TYPE_CHECKING:
    from cyclopts.completion import CompletionContext

    from benchmarks.options import Completer


def words(*candidates: str) -> Completer:
    """Return a completer that offers these words."""
    return lambda context: candidates


def experiments() -> list[str]:
    """Return what ``plan``, ``run`` and ``reproduce`` take."""
    from benchmarks.experiments import EXPERIMENTS, GROUPS

    return [*EXPERIMENTS, *GROUPS, "compare"]


def tasks() -> list[str]:
    """Return the names of all tasks."""
    from benchmarks.tasks import TASKS

    return list(TASKS)


def methods() -> list[str]:
    """Return the names of all methods."""
    from smart_repro import declarations

    return list(declarations.methods())


def stored_experiments(context: CompletionContext) -> list[str]:
    """Offer the experiments of the results folder that is typed, or of ``results``."""
    return [path.name for path in sorted((_results(context) / "experiments").glob("*")) if path.is_dir()]


def keys(context: CompletionContext) -> list[str]:
    """Offer the keys of finished runs in the results folder that is typed, or in ``results``."""
    from benchmarks.store.store import Store

    return sorted(Store(_results(context)).done_keys())


def cards(context: CompletionContext) -> list[str]:
    """Offer what ``show`` takes without a kind in front."""
    return [*methods(), *tasks(), *experiments(), *keys(context)]


def _results(context: CompletionContext) -> Path:
    typed = context.get("results")
    return Path(typed.raw) if typed is not None and typed.raw else options.RESULTS


options.CANDIDATES.update(experiments=experiments, tasks=tasks, methods=methods)
