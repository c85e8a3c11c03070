"""A worker process: reads jobs as JSON lines from standard input and writes events as JSON lines.

It ends when its input ends, which also happens when its parent dies.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.store.store import Store
    from benchmarks.training.job import Job, Outcome

Emit = Callable[[dict[str, Any]], None]


def main() -> None:
    """Serve jobs until the input is closed; ``{"stop": true}`` ends the present job with a checkpoint."""
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # the output of libraries must not mix with the events
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(jobs, stop), daemon=True).start()
    settings = jobs.get()
    prepare(settings["plugins"])
    from benchmarks.store.store import Store
    from benchmarks.training.job import Job

    store = Store(Path(settings["results"]))
    print(json.dumps({"type": "ready"}), file=events)
    while True:
        job = Job.from_json(jobs.get())

        def report(event: dict[str, Any], key: str = job.key) -> None:
            try:
                print(json.dumps({"type": "progress", "key": key, **event}), file=events)
            except OSError:  # the parent is gone: the run ends suddenly, which is no failure of the run
                os._exit(0)

        outcome = perform(job, store, settings, report, stop.is_set)
        print(json.dumps({"type": "outcome", **asdict(outcome)}), file=events)


def prepare(plugins: list[str]) -> None:
    """Silence the libraries and import the plug-ins, before the first job of a process."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    if plugins and os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())  # last, so that no file in that folder can hide an installed package
    for module in plugins:
        importlib.import_module(module)


def perform(job: Job, store: Store, settings: dict[str, Any], report: Emit, should_stop: Callable[[], bool]) -> Outcome:
    """Do a job as the settings ask: train it, or time a few of its updates."""
    if settings["action"] == "time":
        from benchmarks.engine.timing import timed

        return timed(job)
    from benchmarks.training.execute import execute
    from benchmarks.training.tracking import tracked

    with tracked(settings["track"], store, job, report) as report:
        return execute(job, store, report=report, should_stop=should_stop, **settings["checkpoint"])


def _listen(jobs: queue.Queue[dict[str, Any]], stop: threading.Event) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("stop"):
            stop.set()
        else:
            jobs.put(message)
    # The parent has ended or closed the pipe, so nobody waits for the present job; the next process that takes it
    # resumes it from its checkpoint.
    os._exit(0)


if __name__ == "__main__":
    main()
