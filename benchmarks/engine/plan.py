"""Plan of an experiment: its runs and their states."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis.results import Results
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.base import Experiment
from benchmarks.spec import RunSpec
from benchmarks.store.store import RunState, Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.training import fit, models
from benchmarks.training.cost import cost, smoothness_cost
from benchmarks.training.execute import train_config
from benchmarks.training.job import Identities, Job, make_job
from benchmarks.training.prepared import DRAWN, places
from smart_repro.methods import COMBINERS, build
from smart_repro.train import plan as training_plan

FEWEST_TUNING_ROWS = 100  # outside the drawn examples; the standard error of an accuracy on so many is 4 points


@dataclass(frozen=True)
class Plan:
    """An experiment's runs with their states.

    Attributes:
        experiment: the experiment.
        jobs: run key -> job, once for runs that several cells share; with the parents, which no cell shows.
        cells: (row, task, seed) -> run key.
        titles: run key -> a line that distinguishes it from the other runs.
        states: run key -> state.
        updates, predictions: run key -> optimiser updates, and examples predicted in all.
        items: id of each column with runs -> items it is scored on, except for the holdout, which each run draws.
        results: the results folder that has the finished runs.
    """

    experiment: Experiment
    jobs: Mapping[str, Job]
    cells: Mapping[tuple[str, str, int], str]
    titles: Mapping[str, str]
    states: Mapping[str, RunState]
    updates: Mapping[str, int]
    predictions: Mapping[str, int]
    items: Mapping[str, int]
    results: Path | None = None

    @cached_property
    def finished(self) -> Results | None:
        """The results folder as the analysis reads it, without damaged runs; None if no run is finished."""
        done = [key for key, state in self.states.items() if state.state == "done"]
        if self.results is None or not done:
            return None
        opened = Results(self.results)
        opened.leave_out_damaged(done)
        return opened

    def counts(self) -> Counter[str]:
        """Count the runs per state."""
        return Counter(state.state for state in self.states.values())

    def to_do(self, retry_failed: bool = False) -> list[Job]:
        """Return the jobs that ``run`` would start, in order."""
        jobs = []
        for key, job in self.jobs.items():
            state = self.states[key].state
            if state == "failed" and self._retried(key, retry_failed):
                jobs.append(replace(job, retry=True))
            elif state in ("todo", "running"):
                jobs.append(job)
        return jobs

    def forward_passes(self, key: str) -> float:
        """Return the cost of a run's training and of its R_s afterwards, in forward passes over one batch.

        A plain update is 3.
        """
        spec = self.jobs[key].spec
        return self.updates[key] * cost(spec) + smoothness_cost(spec)

    def prediction_passes(self, key: str) -> float:
        """Return the cost of a run's predictions, in the same unit."""
        return self.predictions[key] / self.jobs[key].spec.batch_size

    def _retried(self, key: str, retry_failed: bool) -> bool:
        """Return whether a failed run is tried again: a crash may have had an external cause, other failures recur."""
        return retry_failed or self.states[key].detail.startswith("crash")


def make_plan(experiment: Experiment, source: Source, store: Store) -> Plan:
    """Expand the experiment. Reads the data (for their fingerprints), so missing or broken data show before training.

    Raises: UsageError, DataError. ResultsError: a part of published runs is damaged; its runs would be made again.
    """
    store.packed.must_be_intact()
    identities, done = Identities(source), store.done_keys()
    jobs: dict[str, Job] = {}
    cells: dict[tuple[str, str, int], str] = {}
    titles: dict[str, str] = {}
    notes: dict[str, None] = dict.fromkeys(experiment.notes)
    checked: set[tuple[Any, ...]] = set()
    for row, task, seed, spec in experiment.specs():
        models.check(spec.model)
        key = (spec.model, spec.tasks, spec.max_length, spec.head, spec.random_weights, spec.combine)
        if key not in checked:
            checked.add(key)
            notes |= dict.fromkeys((*fit.check_texts(spec, source), *fit.model_notes(spec)))
        job = make_job(_finished(_resolved(spec, store, identities), done, identities), source, identities)
        jobs.setdefault(job.key, job)
        cells[row, task, seed] = job.key
        titles.setdefault(job.key, f"{task} {row} seed {seed}")
    jobs, weights = _with_parents(jobs, source, store, identities)
    sizes = _Sizes(identities)
    return Plan(
        replace(experiment, notes=tuple(notes)),
        jobs,
        cells,
        {key: titles.get(key) or f"{job.spec.title} (parent)" for key, job in jobs.items()},
        store.states(list(jobs), weights),
        {key: sizes.updates(job.spec) for key, job in jobs.items()},
        {key: sizes.predictions(job.spec) for key, job in jobs.items()},
        _items(experiment, {place for _, place, _ in cells}, identities),
        store.root,
    )


def _items(experiment: Experiment, places_run: set[str], identities: Identities) -> dict[str, int]:
    """Return the number of items each column is scored on, for columns whose runs predict a whole split."""
    return {
        column.id: identities.rows(column.task, column.split)
        for column in experiment.columns
        if column.place in places_run and column.split not in (*DRAWN, "train")
    }


def _with_parents(
    jobs: dict[str, Job], source: Source, store: Store, identities: Identities
) -> tuple[dict[str, Job], set[str]]:
    """Add the jobs that unfinished runs need, parents first; return them with the keys whose weights are needed."""
    done, weights = store.done_keys(), set[str]()
    all_jobs = dict(jobs)
    open_ = [job for key, job in jobs.items() if job.parents and key not in done]
    while open_:
        child = open_.pop()
        for spec, key in zip(child.spec.needed, child.parents, strict=True):
            if _needs_weights(child.spec) and key not in weights:
                weights.add(key)
                if key in all_jobs and all_jobs[key].parents:
                    open_.append(all_jobs[key])
            if key not in all_jobs:
                all_jobs = {key: make_job(spec, source, identities), **all_jobs}
            if all_jobs[key].parents and not store.is_done(key, weights=key in weights):
                open_.append(all_jobs[key])
    return {key: replace(job, keep_weights=True) if key in weights else job for key, job in all_jobs.items()}, weights


def _needs_weights(child: RunSpec) -> bool:
    return child.init_from is not None or (child.combine is not None and COMBINERS[child.combine].needs == "weights")


def _resolved(spec: RunSpec, store: Store, identities: Identities) -> RunSpec:
    """Return the spec with its parent as a spec, where it was given by the key of a finished run."""
    if not isinstance(spec.init_from, str):
        return spec
    parent = store.spec(spec.init_from)
    if identities.key(parent) != spec.init_from:
        raise UsageError(
            f"init_from={spec.init_from}: that run was made from other data, weights or code than are here now"
        )
    return replace(spec, init_from=parent)


def _finished(spec: RunSpec, done: set[str], identities: Identities) -> RunSpec:
    """Return the spec, or the finished run's that predicted every split after each epoch and is otherwise the same.

    Predictions do not touch the training, so its scores are the same: a run of an earlier version, or of an experiment
    that needs the epochs, is not done again. The same holds for the runs that it needs.
    """
    start = _finished(spec.init_from, done, identities) if isinstance(spec.init_from, RunSpec) else spec.init_from
    spec = replace(spec, init_from=start, parents=tuple(_finished(parent, done, identities) for parent in spec.parents))
    if not done or spec.predict_each is None or identities.key(spec) in done:
        return spec
    complete = replace(spec, predict_each=None)
    return complete if identities.key(complete) in done else spec


@dataclass
class _Sizes:
    """Updates and predictions of runs, computed once for runs that differ in their seed only."""

    identities: Identities
    _replays: dict[Any, int] = field(default_factory=dict)
    _plans: dict[Any, tuple[int, int]] = field(default_factory=dict)

    def updates(self, run: RunSpec) -> int:
        return self._of(run)[0]

    def predictions(self, run: RunSpec) -> int:
        return self._of(run)[1]

    def _of(self, run: RunSpec) -> tuple[int, int]:
        sizes_key = (
            run.tasks,
            run.predict,
            run.predict_each,
            run.holdout,
            run.holdout_rows,
            run.tuning_rows,
            run.max_train_samples,
            run.per_class,
            run.batch_size,
            run.epochs,
            run.max_steps,
            run.evaluate_every,
            run.method,
            run.options,
            run.combine,
        )
        if sizes_key not in self._plans:
            self._plans[sizes_key] = self._counted(run)
        return self._plans[sizes_key]

    def _counted(self, run: RunSpec) -> tuple[int, int]:
        examples = {task: self._examples(run, task) for task in run.tasks}
        aside = {task: round(run.holdout * count) for task, count in examples.items()}
        trained = {task: examples[task] - aside[task] for task in run.tasks}
        if run.holdout_rows:  # outside the examples
            aside = {
                task: min(run.holdout_rows, self.identities.rows(task, "train") - n) for task, n in examples.items()
            }
        drawn = {"holdout": aside, "train": trained, "tuning": self._tuning_rows(run, examples)}
        rows = [
            drawn[split][task] if split in drawn else self.identities.rows(task, split) for task, split in places(run)
        ]
        if run.combine:
            return 0, sum(rows)
        steps = training_plan(list(trained.values()), train_config(run), build(run.method, **dict(run.options)).replays)
        evaluations = math.ceil(steps.total / steps.per_epoch / run.evaluate_every)
        times = [evaluations if run.predicts_each(split) else 1 for _, split in places(run)]
        return steps.total, sum(n * count for n, count in zip(rows, times, strict=True))

    def _tuning_rows(self, run: RunSpec, examples: Mapping[str, int]) -> dict[str, int]:
        """Return the number of training rows outside the drawn ones to tune on, at most the requested ones.

        Raises: UsageError: there are too few to tell trials apart.
        """
        counts = {task: min(run.tuning_rows, self.identities.rows(task, "train") - n) for task, n in examples.items()}
        for task, count in counts.items():
            if run.tuning_rows and count < FEWEST_TUNING_ROWS:
                raise UsageError(
                    f"{task}: its runs draw {examples[task]:,} of {self.identities.rows(task, 'train'):,} training "
                    f"examples, which leaves {count} to tune on; at least {FEWEST_TUNING_ROWS} are needed: lower "
                    "--max-train-samples"
                )
        return counts

    def _examples(self, run: RunSpec, task: str) -> int:
        available = self.identities.rows(task, "train")
        if run.per_class is not None:
            return min(available, run.per_class * TASKS[task].head.num_outputs)
        return min(available, run.max_train_samples or available)
