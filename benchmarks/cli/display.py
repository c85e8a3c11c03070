"""Displays of a running grid: bars on a terminal, one line a run elsewhere, nothing with ``--quiet``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from rich import progress as rich_progress
from rich.console import Console
from rich.markup import escape

from benchmarks.cli.terminal import visible
from benchmarks.engine import executor as executors
from benchmarks.engine import schedule as engine
from benchmarks.engine.plan import Plan
from benchmarks.training.job import Job, Outcome

STOPPING = "stopping: each run finishes its update, or its evaluation, and is saved; Ctrl-C again ends at once"


def make_display(quiet: bool = False) -> engine.Display:
    """Bars where standard error is a terminal, lines elsewhere."""
    if quiet:
        return Silent()
    return Bars() if sys.stderr.isatty() else Lines()


class Silent(engine.Display):
    """A display that shows nothing."""


class Lines(Silent):
    """A display of one plain line per finished run, for logs."""

    def start(self, plan: Plan, jobs: list[Job]) -> None:
        """Print the number of runs."""
        self._total, self._done, self._began, self._titles = len(jobs), 0, time.monotonic(), plan.titles
        print(
            f"{plan.experiment.name}: {len(plan.jobs)} runs, {len(plan.jobs) - len(jobs)} done, {len(jobs)} to do",
            flush=True,
        )

    def finished(self, event: executors.Finished) -> None:
        """Print the outcome of a run and the time left."""
        self._done += 1
        seconds_left = (time.monotonic() - self._began) / self._done * (self._total - self._done)
        is_unfinished = self._done < self._total and event.outcome.state != "interrupted"
        remaining = f", about {duration(seconds_left)} left" if is_unfinished else ""
        print(
            f"[{self._done}/{self._total}] {self._titles[event.job.key]}: {result(event.outcome)}{remaining}",
            flush=True,
        )

    def waiting(self, jobs: Sequence[Job]) -> None:
        """Print that only runs of other processes are left."""
        print(waiting_text(jobs), flush=True)

    def stopping(self) -> None:
        """Print that the runs are asked to stop."""
        print(STOPPING, flush=True)


class Bars(Silent):
    """A display of one bar for the grid and one per run at work."""

    def start(self, plan: Plan, jobs: list[Job]) -> None:
        """Show the bar of the grid."""
        self._console = Console(stderr=True)
        self._titles = plan.titles
        self._bars = rich_progress.Progress(
            rich_progress.SpinnerColumn(),
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn("{task.fields[unit]}"),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._grid = self._bars.add_task(plan.experiment.name, total=len(jobs), unit="runs")
        self._at_work: dict[str, rich_progress.TaskID] = {}
        self._bars.start()

    def progress(self, event: executors.Progress) -> None:
        """Move the bar of a run."""
        key = event.job.key
        if key not in self._at_work:
            self._at_work[key] = self._bars.add_task(
                "  " + escape(visible(self._titles[key])), total=event.total, unit="updates"
            )
        self._bars.update(self._at_work[key], completed=event.step)

    def finished(self, event: executors.Finished) -> None:
        """Remove the run's bar and print its outcome."""
        bar = self._at_work.pop(event.job.key, None)
        if bar is not None:
            self._bars.remove_task(bar)
        self._bars.advance(self._grid)
        line = f"{self._titles[event.job.key]}: {result(event.outcome)}"
        self._bars.console.print(visible(line), highlight=False, markup=False)

    def waiting(self, jobs: Sequence[Job]) -> None:
        """Print that only runs of other processes are left."""
        self._bars.console.print(waiting_text(jobs), highlight=False, markup=False)

    def stopping(self) -> None:
        """Print that the runs are asked to stop."""
        self._bars.console.print(STOPPING, highlight=False, markup=False)

    def stop(self) -> None:
        """Remove all bars."""
        self._bars.stop()


def waiting_text(jobs: Sequence[Job]) -> str:
    """Return the message that only runs of other processes are left."""
    return f"waiting for {len(jobs)} runs that other processes work on; what they leave undone is taken over"


def result(outcome: Outcome) -> str:
    """Return a run's outcome in a few words: its headline dev score, or the reason why it has none."""
    if outcome.state != "done":
        return f"{outcome.state}: {outcome.message}"
    return f"{headline(outcome.scores)} ({duration(outcome.seconds)})"


def headline(scores: Any) -> str:
    """Return the first metric on dev of the first task."""
    splits: dict[str, dict[str, float]] = next(iter((scores or {}).values()), {})
    metrics: dict[str, float] = splits.get("dev") or next(iter(splits.values()), {})
    return next((f"{name} {100 * value:.1f}" for name, value in metrics.items()), "no score")


def duration(seconds: float) -> str:
    """``95`` -> ``1 min 35 s``."""
    seconds = round(seconds)
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
