"""Runs as array jobs of a SLURM cluster, through submitit. All nodes must see the results and the data.

A task of an array does a share of the runs, one after the other. Before a time limit or a preemption SLURM sends a
signal: the run at work saves its state after the present update, the task is queued again, and goes on from there.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.engine.executor import RETRIES, Finished, Progress, Schedule, Settings, patiently, record_crash
from benchmarks.engine.machine import worker_environment
from benchmarks.errors import UsageError
from benchmarks.store.store import Store
from benchmarks.training.job import Job, Outcome

try:
    import submitit as installed_submitit
except ImportError as error:
    raise ImportError("--executor slurm needs submitit: pip install 'smart-repro[slurm]'") from error

submitit: Any = installed_submitit
_POLL = {"slurm": 5.0, "local": 0.2}  # seconds between two looks at the tasks; submitit asks SLURM itself once a minute
_STOP = "stop"  # the file in a submission's folder at which its tasks save their state and end
_REQUEUES = 1000  # how often a task may reach its time limit: each time it has got further
_HEADROOM = 1.25  # memory asked for, as a multiple of the largest that was measured
_LEAST_MEMORY = 2.0  # GiB


class SlurmExecutor:
    """Array jobs whose tasks do runs; a task that dies under its run is submitted again, a run that raises is not.

    Args:
        workers: tasks at a time; default: as many as SLURM starts.
        memory: bytes a run needs, as far as is known.
        partition: where to submit; default: the cluster's own default.
        minutes: time limit of a task.
        array: tasks of a submission at most. With more runs than that a task does several.
        sbatch: further settings of submitit's executor: ``account``, ``qos``, ``gpus_per_node``, ``mem_gb`` ...
        cluster: ``slurm``, or ``local`` for processes on this machine instead.
    """

    def __init__(
        self,
        workers: int | None = None,
        memory: float = 0.0,
        *,
        partition: str = "",
        minutes: int = 60,
        array: int = 1000,
        sbatch: Mapping[str, Any] | None = None,
        cluster: str = "slurm",
    ) -> None:
        self.workers = workers
        self.memory = memory
        self.partition = partition
        self.minutes = minutes
        self.array = array
        self.sbatch = dict(sbatch or {})
        self.cluster = cluster

    def parallel(self, jobs: Sequence[Job]) -> int:
        """Return how many of these jobs it would do at a time."""
        return min(len(jobs), self.array, self.workers or self.array)

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        """Do all jobs; after ``should_stop`` the present ones checkpoint and the rest are left.

        Tasks do not report progress to the process that submitted them; `smart-repro status` shows it.
        """
        if not jobs:
            return
        folder = settings.results / "slurm" / uuid4().hex[:8]
        threads = max(job.spec.threads for job in jobs)
        tasks = Tasks(jobs, settings, folder, self.submitit_executor(folder, threads), self.array)
        while tasks.at_work():
            if should_stop():
                tasks.stop()
            yield from tasks.step()
            if tasks.at_work():
                time.sleep(_POLL[self.cluster])

    def submitit_executor(self, folder: Path, threads: int) -> Any:
        """Return submitit's executor with the settings of a task.

        Raises: UsageError: this machine has no SLURM, or SLURM has no setting of that name.
        """
        try:
            executor = submitit.AutoExecutor(folder, cluster=self.cluster, slurm_max_num_timeout=_REQUEUES)
            if self.cluster == "local":
                executor.update_parameters(timeout_min=self.minutes)
                return executor
            gib = max(_LEAST_MEMORY, _HEADROOM * self.memory / 2**30)
            parameters: dict[str, Any] = {
                "name": "smart-repro",
                "timeout_min": self.minutes,
                "cpus_per_task": threads,
                "mem_gb": round(gib, 1),
                "slurm_array_parallelism": self.workers or self.array,
                **({"slurm_partition": self.partition} if self.partition else {}),
                **{_submitits_name(name): value for name, value in self.sbatch.items()},
            }
            executor.update_parameters(**parameters)
        except (RuntimeError, ValueError, TypeError, NameError) as error:
            raise UsageError(f"--executor slurm: {' '.join(str(error).split())[:300]}") from error
        return executor


def _submitits_name(name: str) -> str:
    """Return submitit's name of a setting: of those that only SLURM has it begins with ``slurm_``."""
    shared = ("name", "timeout_min", "mem_gb", "cpus_per_task", "gpus_per_node", "nodes", "tasks_per_node")
    return name if name in shared or name.startswith("slurm_") else f"slurm_{name}"


class Tasks:
    """The jobs, and the submitted tasks that do them."""

    def __init__(self, jobs: Sequence[Job], settings: Settings, folder: Path, executor: Any, array: int) -> None:
        self.schedule = Schedule(jobs)
        self.settings = settings
        self.executor = executor
        self.array = array
        self.stop_file = folder / _STOP
        self.tasks: dict[Any, list[Job]] = {}
        self.deaths: Counter[str] = Counter()
        folder.mkdir(parents=True, exist_ok=True)
        self._submit()

    def at_work(self) -> bool:
        """Return whether tasks are left."""
        return bool(self.tasks)

    def stop(self) -> None:
        """Ask the tasks to checkpoint; start nothing more."""
        if not self.stop_file.exists():
            self.schedule.drop()
            self.stop_file.touch()

    def step(self) -> Iterator[Finished]:
        """Take in the tasks that have ended, and submit what may start now."""
        for task in [task for task in self.tasks if task.done()]:
            yield from self._ended(task, self.tasks.pop(task))
        self._submit()

    def _submit(self) -> None:
        """Submit all jobs that may start now as one array; a task of it does every n-th of them."""
        ready: list[Job] = []
        while (job := self.schedule.next()) is not None:
            ready.append(job)
        if not ready:
            return
        shares = [ready[number :: self.array] for number in range(min(self.array, len(ready)))]
        work = [
            Share([job.to_json() for job in share], self.settings.to_json(), str(self.stop_file)) for share in shares
        ]
        environment = {**worker_environment(), "PYTHONSAFEPATH": "1"}
        with submitit.helpers.environment_variables(**environment):  # which the tasks inherit
            self.tasks.update(zip(self.executor.submit_array(work), shares, strict=True))

    def _ended(self, task: Any, share: list[Job]) -> Iterator[Finished]:
        error = task.exception()
        if error is None:
            outcomes = [Outcome(**content) for content in task.result()]
            for job, outcome in zip(share, outcomes, strict=True):
                yield from self.schedule.finish(job, outcome)
            return
        store = Store(self.settings.results)
        for job in share:
            if store.is_done(job.key, weights=job.keep_weights):
                yield from self.schedule.finish(job, Outcome(job.key, "skipped", "done before its task died"))
                continue
            self.deaths[job.key] += 1
            if self.stop_file.exists():
                yield from self.schedule.finish(job, Outcome(job.key, "interrupted", "its task ended"))
            elif self.deaths[job.key] <= RETRIES:
                self.schedule.put_back(job)
            else:
                message = f"its task died {self.deaths[job.key]} times: {_last_line(error)}"
                record_crash(store, job, message)
                yield from self.schedule.finish(job, Outcome(job.key, "failed", message))


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" -\t")]
    return lines[-1] if lines else type(error).__name__


class Share(submitit.helpers.Checkpointable):  # type: ignore[misc]  # submitit is Any
    """The work of one task of an array: runs, one after the other; the rest of them is queued again at a preemption.

    Args:
        jobs: as :meth:`Job.to_json` writes them.
        settings: as :meth:`Settings.to_json` writes them.
        stop: path of a file; once it exists, the present run saves its state and the other runs are not started.
    """

    def __init__(self, jobs: list[dict[str, Any]], settings: dict[str, Any], stop: str) -> None:
        self.jobs, self.settings, self.stop = jobs, settings, stop
        self.outcomes: list[dict[str, Any]] = []

    def __call__(self) -> list[dict[str, Any]]:
        """Return the outcomes of the jobs, in their order."""
        from benchmarks.engine import worker

        notice = Notice(Path(self.stop))
        store = Store(Path(self.settings["results"]))  # one for all attempts: it observes the heartbeats of other nodes
        worker.prepare(self.settings["plugins"])
        while self.jobs:
            job = Job.from_json(self.jobs[0])
            outcome = Outcome(job.key, "interrupted", "not begun")
            if not notice.has_come():
                perform = partial(worker.perform, job, store, self.settings, _ignore, notice.has_come)
                outcome = patiently(perform, notice.has_come)
            if notice.is_preempted and outcome.state == "interrupted":
                notice.requeue()
            self.jobs.pop(0)
            self.outcomes.append(asdict(outcome))
        return self.outcomes


class Notice:
    """A request that the present run saves its state and ends: before a preemption, or because the user stops.

    submitit's own handler of SLURM's signal queues the task again at once, in the middle of an update. This class only
    records the signal; that handler is called after the state is saved.
    """

    def __init__(self, stop: Path) -> None:
        self.is_preempted = False
        self._stop, self._is_stopped, self._last_look = stop, False, 0.0
        self._signal = submitit.JobEnvironment()._usr_sig()
        self._requeue: Any = signal.getsignal(self._signal)
        signal.signal(self._signal, self._note)

    def has_come(self) -> bool:
        """Return whether the run has to end; the shared file system is asked at most once a second."""
        if not self._is_stopped and time.monotonic() - self._last_look > 1:
            self._is_stopped, self._last_look = self._stop.exists(), time.monotonic()
        return self.is_preempted or self._is_stopped

    def requeue(self) -> None:
        """Queue the task again, with what is left of its share, and end this process."""
        self._requeue(self._signal, None)

    def _note(self, _number: int, _frame: Any) -> None:
        self.is_preempted = True


def _ignore(event: dict[str, Any]) -> None:
    """Drop the progress that a run reports."""
