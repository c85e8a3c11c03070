"""The executor of this machine: worker processes of one thread each."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.executor import RETRIES, Finished, Progress, Schedule, Settings, record_crash
from benchmarks.engine.machine import Gpu, gpus, worker_environment, workers_on_cpu, workers_per_gpu
from benchmarks.store.store import Store
from benchmarks.training.job import Job, Outcome

_POLL = 0.2  # seconds between two checks of a request to stop
Event = dict[str, Any] | None  # None: the worker is dead


class LocalExecutor:
    """A pool of worker processes.

    Args:
        workers: how many; default: as many as there are cores for and fit into memory, of the GPU where there is one.
        memory: bytes a run needs, of the GPU where there is one.
    """

    def __init__(self, workers: int | None = None, memory: float = 0.0) -> None:
        self.workers = workers
        self.memory = memory

    def parallel(self, jobs: Sequence[Job]) -> int:
        """Return the number of these jobs that it would do at a time."""
        return len(self.places(jobs))

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        """Do all jobs; after ``should_stop`` the present ones checkpoint and the rest are left."""
        if not jobs:
            return
        pool = _WorkerPool(jobs, settings)
        try:
            for device in self.places(jobs):
                pool.start_worker(device)
            while pool.at_work():
                if should_stop():
                    pool.stop()
                yield from pool.step()
        finally:
            pool.close()

    def places(self, jobs: Sequence[Job]) -> list[str | None]:
        """Return the device of each worker; None stands for the CPU."""
        if not jobs:
            return []
        devices = gpus()
        if not devices:
            count = self.workers or workers_on_cpu(max(job.spec.threads for job in jobs), self.memory)
            return [None] * min(len(jobs), count)
        places = _dealt(devices, self.memory)
        if self.workers:  # the user's number counts, even if it is more per GPU than the estimate of its memory
            places = [places[i % len(places)] for i in range(self.workers)]
        return list(places[: len(jobs)])


def _dealt(devices: list[Gpu], memory: float) -> list[str]:
    """Deal workers to the GPUs in turn: one for each GPU, then a second one for each with room, and so on."""
    room = {gpu.name: workers_per_gpu(gpu, memory, len(devices)) for gpu in devices}
    return [name for turn in range(max(room.values())) for name in room if turn < room[name]]


class _WorkerPool:
    """The jobs of a grid and the worker processes that do them."""

    def __init__(self, jobs: Sequence[Job], settings: Settings) -> None:
        self.settings = settings
        self.schedule = Schedule(jobs)
        self.workers: list[_Worker] = []
        self.deaths: Counter[str] = Counter()
        self.events: queue.Queue[tuple[_Worker, Event]] = queue.Queue()
        self.stopping = False
        self.false_starts = 0

    def start_worker(self, device: str | None) -> None:
        worker = _Worker.start(self.settings, self.events, device)
        self.workers.append(worker)
        self._give(worker)

    def at_work(self) -> bool:
        return any(worker.job for worker in self.workers)

    def stop(self) -> None:
        """Ask the workers to checkpoint; start nothing more."""
        if not self.stopping:
            self.stopping = True
            self.schedule.drop()
            for worker in self.workers:
                worker.send({"stop": True})

    def step(self) -> Iterator[Progress | Finished]:
        """Wait a little for an event and handle it."""
        try:
            worker, event = self.events.get(timeout=_POLL)
        except queue.Empty:
            return
        job = worker.job
        if event is not None and event["type"] == "ready":
            worker.ready = True
            return
        if event is not None and event["type"] == "progress":
            if job is not None:
                yield Progress(job, event["step"], event["total"])
            return
        if event is None and not worker.ready:
            self._count_false_start(worker)
        if event is None:
            self.workers.remove(worker)
        worker.job = None
        if job is not None:
            yield from self._ended(worker, job, event)
        if event is None and not self.stopping and (job is not None or self.schedule.waiting):
            self.start_worker(worker.device)
        for idle in self.workers:
            if idle.job is None:
                self._give(idle)

    def close(self) -> None:
        for worker in self.workers:
            worker.close()
        for worker in self.workers:
            worker.wait()

    def _count_false_start(self, worker: _Worker) -> None:
        """Count a worker that died before it was ready. Raises RuntimeError after too many of them."""
        self.false_starts += 1
        if self.false_starts > RETRIES and not any(other_worker.ready for other_worker in self.workers):
            status = worker.wait()
            raise RuntimeError(f"the workers cannot start (exit status {status}): their output is above")

    def _give(self, worker: _Worker) -> None:
        job = self.schedule.next()
        if job is not None:
            worker.job = job
            worker.send(job.to_json())

    def _ended(self, worker: _Worker, job: Job, event: Event) -> Iterator[Finished]:
        if event is not None:
            outcome = Outcome(**{name: value for name, value in event.items() if name != "type"})
            yield from self.schedule.finish(job, outcome)
            return
        status = worker.wait()
        self.deaths[job.key] += 1
        if self.stopping:
            yield from self.schedule.finish(job, Outcome(job.key, "interrupted", "its worker was killed"))
        elif self.deaths[job.key] <= RETRIES:
            self.schedule.put_back(job)
        else:
            message = f"its worker died {self.deaths[job.key]} times (exit status {status}: {_meaning(status)})"
            record_crash(Store(self.settings.results), job, message)
            yield from self.schedule.finish(job, Outcome(job.key, "failed", message))


def _meaning(status: int) -> str:
    if status == -9:
        return "killed, probably out of memory: try fewer --workers"
    return f"signal {-status}" if status < 0 else "it ended by itself"


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[str]
    device: str | None
    job: Job | None = None
    ready: bool = False

    @classmethod
    def start(cls, settings: Settings, events: queue.Queue[tuple[_Worker, Event]], device: str | None) -> _Worker:
        environment = {**os.environ, **worker_environment(), "PYTHONSAFEPATH": "1"}
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # Ctrl-C goes to the parent alone, which then asks its workers to stop
        )
        worker = cls(process, device)
        threading.Thread(target=worker._listen, args=(events,), daemon=True).start()
        worker.send(settings.to_json())
        return worker

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it died; its listener reports that

    def close(self) -> None:
        """Close the worker's input, which ends it."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            return

    def wait(self) -> int:
        """Return the exit status; the process is killed if it does not end."""
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def _listen(self, events: queue.Queue[tuple[_Worker, Event]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        events.put((self, None))
