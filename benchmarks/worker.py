"""A worker process: reads jobs as JSON lines from standard input, writes events as JSON lines to standard output.

It ends when its input ends, which is also what happens when its parent dies.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any


def main() -> None:
    """Serve jobs until the input is closed; ``{"stop": true}`` ends the present job with a checkpoint."""
    events = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints must not get between the events
    jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
    stop = threading.Event()
    threading.Thread(target=_listen, args=(jobs, stop), daemon=True).start()
    _quieten()
    settings = jobs.get()
    if settings is None:
        return
    if settings["plugins"]:
        sys.path.append(os.getcwd())  # last, so that nothing lying about there can hide a real package
    for module in settings["plugins"]:
        importlib.import_module(module)
    from benchmarks.run import Job, execute
    from benchmarks.store import Store

    store = Store(Path(settings["results"]))
    while (message := jobs.get()) is not None:
        job = Job.from_json(message)

        def report(event: dict[str, Any], key: str = job.key) -> None:
            print(json.dumps({"type": "progress", "key": key, **event}), file=events)

        outcome = execute(job, store, report=report, should_stop=stop.is_set, **settings["checkpoint"])
        print(json.dumps({"type": "outcome", **asdict(outcome)}), file=events)


def _listen(jobs: queue.Queue[dict[str, Any] | None], stop: threading.Event) -> None:
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("stop"):
            stop.set()
        else:
            jobs.put(message)
    # The parent closed the pipe: it is gone, or done with us. Either way nobody waits for the present job; what it
    # had checkpointed is resumed by whoever takes it next.
    os._exit(0)


def _quieten() -> None:
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()


if __name__ == "__main__":
    main()
