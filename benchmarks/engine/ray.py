"""The executor for Ray, on a cluster or on this machine. All nodes must see the results and the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.engine.executor import RETRIES, Finished, Progress, Schedule, Settings, patiently, record_crash
from benchmarks.engine.machine import gpus, usable_cores, worker_environment, workers_per_gpu
from benchmarks.errors import UsageError
from benchmarks.libraries import RAY, set_defaults
from benchmarks.store.store import Store
from benchmarks.training.job import Job, Outcome

try:
    import ray as installed_ray
    from ray.exceptions import RayError, RayTaskError
except ImportError as error:
    raise ImportError("--executor ray needs ray: pip install 'smart-repro[ray]', or use --executor local") from error

ray: Any = installed_ray  # its types cover remote functions only where they are decorated
_POLL = 0.5  # seconds between two checks of the progress and of a request to stop
_AHEAD = 2  # tasks given to Ray per run that it can do at a time: a few, so that it never waits for the driver


class RayExecutor:
    """An executor whose runs are Ray tasks; a run whose worker or node dies is tried again, one that raises is not.

    Args:
        workers: runs at a time; default: as many as fit on the cluster.
        memory: bytes a run needs on a GPU; runs share a GPU that is large enough.
        address: address of a running cluster (``auto``, or host:port); default: Ray is started on this machine.
    """

    def __init__(self, workers: int | None = None, memory: float = 0.0, address: str | None = None) -> None:
        self.workers = workers
        self.memory = memory
        self.address = address

    def parallel(self, jobs: Sequence[Job]) -> int:
        """Return the number of these jobs that it would do at a time."""
        if not jobs:
            return 0
        self._connect()
        resources, needs = ray.cluster_resources(), self._needs(jobs)
        room = int(resources.get("CPU", 1) // needs["num_cpus"])
        if needs["num_gpus"]:
            room = min(room, int(resources["GPU"] / needs["num_gpus"]))
        return max(1, min(len(jobs), self.workers or room))

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        """Do all jobs; after ``should_stop`` the present ones checkpoint and the rest are left."""
        if not jobs:
            return
        grid = _Tasks(jobs, settings, self.parallel(jobs), self._needs(jobs), exact=self.workers is not None)
        try:
            while grid.at_work():
                if should_stop():
                    grid.stop()
                yield from grid.step()
        finally:
            grid.close()

    def _connect(self) -> None:
        if ray.is_initialized():
            return
        set_defaults(RAY)
        options: dict[str, Any] = {"address": self.address} if self.address else {"include_dashboard": False}
        options["runtime_env"] = {"env_vars": worker_environment()}
        if not self.address:
            options["num_cpus"] = usable_cores()
        try:
            ray.init(log_to_driver=False, logging_level="warning", **options)
        except (ConnectionError, RayError, ValueError, RuntimeError) as error:
            raise UsageError(
                f"--executor ray: no cluster answers at {self.address or 'this machine'}: {error}"
            ) from error

    def _needs(self, jobs: Sequence[Job]) -> dict[str, float]:
        """Return the CPUs and GPUs of one run, as Ray counts them."""
        needs = {"num_cpus": float(max(job.spec.threads for job in jobs)), "num_gpus": 0.0}
        if ray.cluster_resources().get("GPU"):
            devices = gpus()  # on a cluster of other GPUs than this machine's, give --workers
            needs["num_gpus"] = 1 / workers_per_gpu(devices[0], self.memory, len(devices)) if devices else 1.0
        return needs


class _Tasks:
    """The jobs, and the Ray tasks at work."""

    def __init__(
        self, jobs: Sequence[Job], settings: Settings, room: int, needs: dict[str, float], *, exact: bool
    ) -> None:
        self.settings = settings
        self.schedule = Schedule(jobs)
        self.jobs: dict[Any, Job] = {}
        self.by_key = {job.key: job for job in jobs}
        self.limit = room if exact else _AHEAD * room
        self.actor = ray.remote(num_cpus=0)(_ProgressActor).remote()
        self.task = ray.remote(max_retries=RETRIES, retry_exceptions=False, **needs)(_perform)
        self.stopping = False
        self._submit()

    def at_work(self) -> bool:
        return bool(self.jobs)

    def stop(self) -> None:
        """Ask the tasks to checkpoint; start nothing more."""
        if not self.stopping:
            self.stopping = True
            self.schedule.drop()
            ray.get(self.actor.stop.remote())

    def step(self) -> Iterator[Progress | Finished]:
        """Wait a little and yield the events."""
        ready, _ = ray.wait(list(self.jobs), num_returns=len(self.jobs), timeout=_POLL if len(self.jobs) < 2 else 0)
        if not ready:
            ready, _ = ray.wait(list(self.jobs), num_returns=1, timeout=_POLL)
        for key, (step, total) in ray.get(self.actor.news.remote()).items():
            yield Progress(self.by_key[key], step, total)
        for reference in ready:
            job = self.jobs.pop(reference)
            yield from self.schedule.finish(job, self._outcome(job, reference))
        self._submit()

    def close(self) -> None:
        for reference in self.jobs:  # after a second Ctrl-C or an error these are no longer waited for
            ray.cancel(reference, force=True)
        ray.kill(self.actor)

    def _submit(self) -> None:
        while len(self.jobs) < self.limit and (job := self.schedule.next()) is not None:
            self.jobs[self.task.remote(job.to_json(), self.settings.to_json(), self.actor)] = job

    def _outcome(self, job: Job, reference: Any) -> Outcome:
        try:
            return Outcome(**ray.get(reference))
        except RayTaskError as error:
            message = f"its worker cannot work: {error.cause!r}"
        except RayError as error:
            message = f"its worker died {RETRIES + 1} times: {type(error).__name__}"
        record_crash(Store(self.settings.results), job, message)
        return Outcome(job.key, "failed", message)


class _ProgressActor:
    """An actor between the driver and its tasks: their progress, and the request to stop."""

    def __init__(self) -> None:
        self._stopped = False
        self._news: dict[str, tuple[int, int]] = {}

    def stop(self) -> None:
        self._stopped = True

    def news(self) -> dict[str, tuple[int, int]]:
        news, self._news = self._news, {}
        return news

    def report(self, key: str, step: int, total: int) -> bool:
        """Store a task's progress; return whether it has to stop."""
        if total:
            self._news[key] = (step, total)
        return self._stopped


def _perform(job_content: dict[str, Any], settings: dict[str, Any], actor: Any) -> dict[str, Any]:
    """Do the job in a Ray worker, reporting its progress to the actor once a second."""
    import time
    from dataclasses import asdict

    from benchmarks.engine import worker

    worker.prepare(settings["plugins"])
    job = Job.from_json(job_content)
    at = {"step": 0, "total": 0, "time": 0.0, "stop": ray.get(actor.report.remote(job.key, 0, 0))}
    if at["stop"]:
        return asdict(Outcome(job.key, "interrupted", "not begun"))

    def report(event: dict[str, Any]) -> None:
        at.update(event)

    def should_stop() -> bool:
        if not at["stop"] and time.monotonic() - at["time"] > 1:
            at["time"] = time.monotonic()
            at["stop"] = ray.get(actor.report.remote(job.key, at["step"], at["total"]))
        return bool(at["stop"])

    store = Store(Path(settings["results"]))  # one for all attempts: it observes the heartbeats of other nodes
    return asdict(patiently(lambda: worker.perform(job, store, settings, report, should_stop), should_stop))
