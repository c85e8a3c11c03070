"""Runs on this machine, in worker processes of one thread each."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.executors import Finished, Progress, Settings
from benchmarks.run import Job, Outcome

_HOME = str(Path(__file__).resolve().parents[2])  # where these packages lie: a worker must find the same ones
_POLL = 0.2  # seconds between two looks at whether to stop


def usable_cores() -> int:
    """CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class LocalExecutor:
    """A pool of worker processes.

    Args:
        workers: how many; default: a worker per usable core on a CPU, one per GPU otherwise.
    """

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers

    def execute(
        self, jobs: Sequence[Job], settings: Settings, should_stop: Callable[[], bool]
    ) -> Iterator[Progress | Finished]:
        """Do all jobs; after ``should_stop`` the present ones checkpoint and the rest are left."""
        pending = list(reversed(jobs))
        devices = _devices()
        count = (
            min(len(jobs), self.workers or max(1, len(devices) or usable_cores() // jobs[0].spec.threads))
            if jobs
            else 0
        )
        events: queue.Queue[tuple[_Worker, dict[str, Any] | None]] = queue.Queue()
        pool = [_Worker.start(settings, events, devices[i % len(devices)] if devices else None) for i in range(count)]
        try:
            for worker in pool:
                worker.give(pending)
            stopping = False
            while any(worker.job for worker in pool):
                if should_stop() and not stopping:
                    stopping = True
                    pending.clear()
                    for worker in pool:
                        worker.send({"stop": True})
                try:
                    worker, event = events.get(timeout=_POLL)
                except queue.Empty:
                    continue
                yield from _handle(worker, event)
                if event is None:
                    pool[pool.index(worker)] = worker = _Worker.start(settings, events, worker.device)
                if not worker.job:
                    worker.give(pending)
        finally:
            for worker in pool:
                worker.close()


def _handle(worker: _Worker, event: dict[str, Any] | None) -> Iterator[Progress | Finished]:
    job = worker.job
    if job is None:
        return
    if event is None:
        worker.job = None
        status = worker.process.wait()
        yield Finished(
            job, Outcome(job.key, "failed", f"its worker died (exit status {status}); `run` again resumes it")
        )
    elif event["type"] == "progress":
        yield Progress(job, event["step"], event["total"])
    else:
        worker.job = None
        yield Finished(job, Outcome(**{name: value for name, value in event.items() if name != "type"}))


@dataclass(eq=False)
class _Worker:
    process: subprocess.Popen[str]
    device: str | None
    job: Job | None = None

    @classmethod
    def start(
        cls, settings: Settings, events: queue.Queue[tuple[_Worker, dict[str, Any] | None]], device: str | None
    ) -> _Worker:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, [_HOME, os.environ.get("PYTHONPATH")]))
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,  # a Ctrl-C in the terminal is for the parent, which then asks its workers to stop
        )
        worker = cls(process, device)
        threading.Thread(target=worker._listen, args=(events,), daemon=True).start()
        worker.send(settings.to_json())
        return worker

    def give(self, pending: list[Job]) -> None:
        if pending:
            self.job = pending.pop()
            self.send(self.job.to_json())

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it died; its listener reports that

    def close(self) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.close()
            self.process.wait(timeout=10)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()

    def _listen(self, events: queue.Queue[tuple[_Worker, dict[str, Any] | None]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        events.put((self, None))


def _devices() -> list[str]:
    """The GPUs this process sees, by the names a worker's environment takes."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None:
        return [name for name in listed.split(",") if name.strip() not in ("", "-1")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
