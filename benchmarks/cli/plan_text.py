"""A plan and its outcome, as text for people and as content for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from benchmarks.cli.terminal import note_line
from benchmarks.engine.claim_power import claim_lines

if TYPE_CHECKING:
    from benchmarks.engine.forecast import Forecast
    from benchmarks.engine.plan import Plan
    from benchmarks.engine.schedule import Summary


def plan_content(plan: Plan, expected: Forecast) -> dict[str, Any]:
    """Return a plan, JSON-ready."""
    counts = plan.counts()
    keys_to_do = [job.key for job in plan.to_do()]
    return {
        "experiment": plan.experiment.name,
        "title": plan.experiment.title,
        "profile": plan.experiment.profile,
        "runs": len(plan.jobs),
        **{state: counts.get(state, 0) for state in ("done", "running", "failed", "todo")},
        "updates": sum(plan.updates[key] for key in keys_to_do),
        "forward_units": sum(plan.forward_passes(key) for key in keys_to_do),
        "prediction_units": sum(plan.prediction_passes(key) for key in keys_to_do),
        "forecast": asdict(expected),
        "warnings": list(plan.experiment.notes),
        "missing": dict(plan.experiment.missing),
        "keys": {"|".join(map(str, cell)): key for cell, key in plan.cells.items()},
    }


def plan_text(plan: Plan, expected: Forecast) -> str:
    """Return a plan as text."""
    experiment, counts = plan.experiment, plan.counts()
    profile = f", profile {experiment.profile}" if experiment.profile else ""
    states = ", ".join(f"{counts[state]} {word}" for state, word in _STATES.items() if counts[state]) or "none"
    wide = max([34, *(len(row.id) + 2 for row in experiment.rows)])
    task_wide = max([16, *(len(task) + 1 for task in experiment.places)])
    lines = [
        f"{experiment.title}{profile}",
        f"{len(experiment.rows)} rows x {len(experiment.places)} tasks x {len(experiment.seeds)} seeds "
        f"= {len(plan.cells)} cells, {len(plan.jobs)} runs: {states}",
        "",
        f"{'row':<{wide}}{'task':<{task_wide}}{'runs':>5}{'done':>6}{'updates':>9}{'cost':>12}",
    ]
    for row in experiment.rows:
        for task in experiment.places:
            keys = [plan.cells[cell] for seed in experiment.seeds if (cell := (row.id, task, seed)) in plan.cells]
            if not keys:
                continue
            done = sum(plan.states[key].state == "done" for key in keys)
            updates = sum(plan.updates[key] for key in keys)
            units = sum(plan.forward_passes(key) for key in keys)
            lines.append(f"{row.id:<{wide}}{task:<{task_wide}}{len(keys):>5}{done:>6}{updates:>9,}{units:>11,.0f}F")
    jobs_to_do = plan.to_do()
    training, predicting = (
        sum(passes(job.key) for job in jobs_to_do) for passes in (plan.forward_passes, plan.prediction_passes)
    )
    lines += [
        "",
        f"To do: {len(jobs_to_do)} runs, {training:,.0f} F of training and {predicting:,.0f} F of predictions "
        "(F = one forward pass over a batch; a plain update is 3 F)",
    ]
    lines += forecast_lines(expected) if jobs_to_do else []
    lines += claim_lines(plan)
    lines += [
        f"failed: {plan.titles[key]}: {plan.states[key].detail}"
        for key in plan.jobs
        if plan.states[key].state == "failed"
    ]
    lines += [f"not run: {cell}: {reason}" for cell, reason in experiment.missing.items()]
    lines += [note_line(note) for note in experiment.notes]
    return "\n".join(lines)


def forecast_lines(expected: Forecast) -> list[str]:
    """Return the lines on the expected time and memory of the runs to do, or on how to measure them."""
    from benchmarks.cli.display import duration

    workers = f"{expected.workers} at a time"
    needs = (
        f"{expected.disk / 2**20:,.1f} MiB on disk, {expected.memory / 2**30:.1f} GiB of memory for each run at work"
    )
    if expected.seconds is not None:
        share = expected.prediction_hours / max(expected.training_hours + expected.prediction_hours, 1e-9)
        took = f"{duration(expected.seconds)} on this machine, {workers}, {100 * share:.0f} % of it for predictions"
        return [f"Takes about {took}; {needs}"]
    methods = f"How long it takes ({workers}) is not known: nothing was timed here of {', '.join(expected.untimed[:3])}"
    other_methods = f" and {len(expected.untimed) - 3} others" if len(expected.untimed) > 3 else ""
    training, predicting = (f"{hours:,.2g}" for hours in (expected.training_hours, expected.prediction_hours))
    hours = f"{training} core-hours of training and {predicting} of predictions"
    return [f"{methods}{other_methods}; add --calibrate", f"By rule of thumb {hours} on a CPU", f"Needs about {needs}"]


def summary_text(plan: Plan, summary: Summary) -> str:
    """Return the outcome of a grid in a line, and a line for each failure."""
    from benchmarks.cli.display import duration

    done, failed = summary.of("done"), summary.of("failed")
    done_before = len(plan.jobs) - len(summary.outcomes) if not summary.interrupted else plan.counts()["done"]
    text = (
        f"{plan.experiment.name}: {len(done)} runs done in {duration(summary.seconds)}, {done_before} were done before"
    )
    if failed:
        text += f", {len(failed)} failed"
    if summary.error is not None and summary.expected is not None:
        text += f"; {duration(summary.expected)} were expected ({100 * summary.error:+.0f} %)"
    unfinished = [*failed, *summary.of("skipped")]
    reasons = [f"  {outcome.state}: {plan.titles[outcome.key]}: {outcome.message}" for outcome in unfinished]
    return "\n".join([text, *reasons])


_STATES = {"done": "done", "running": "running", "failed": "failed", "todo": "to do"}
