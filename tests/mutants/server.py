"""Run pytest in forked processes that need not import the libraries again: seconds of every mutant's time.

A script for a process of its own, started in the folder of the project with the project on the path. Each line of
standard input is a request in JSON: ``arguments`` of pytest, and ``observe``, None or a file to write. The answer is a
line that holds pytest's exit code, or the negative number of the signal that ended it. The one argument of the script
is the limit of a child's processor time, in seconds.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections import Counter, defaultdict
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

LIBRARIES = (  # of others only: the project's own modules are imported by each child, because one of them is mutated
    "torch",
    "transformers",
    "transformers.models.bert.modeling_bert",
    "transformers.models.roberta.modeling_roberta",
    "transformers.trainer",
    "datasets",
    "evaluate",
    "pandas",
    "scipy.stats",
    "scipy.optimize",
    "sklearn.metrics",
    "statsmodels.stats.api",
    "matplotlib.pyplot",
    "seaborn",
    "hypothesis.strategies",
)


class Observer:
    """A plugin of pytest that records which lines of the project each test runs, and how long it takes."""

    def __init__(self) -> None:
        from coverage import Coverage

        self.coverage = Coverage(data_file=None, source=["smart_repro", "analysis"], config_file=False)
        self.coverage.start()
        self.seconds: Counter[str] = Counter()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        """Name the test to the tracer."""
        self.coverage.switch_context(item.nodeid)
        result = yield
        self.coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add the time of a part of a test."""
        self.seconds[report.nodeid] += report.duration

    def observations(self) -> dict[str, Any]:
        """Return ``seconds`` by test, and ``tests`` by ``module:line``."""
        self.coverage.stop()
        data, tests = self.coverage.get_data(), defaultdict(list)
        for file in data.measured_files():
            module = Path(file).resolve().relative_to(Path.cwd().resolve())
            for line, contexts in data.contexts_by_lineno(file).items():
                tests[f"{module}:{line}"] += sorted(filter(None, contexts))
        return {"seconds": self.seconds, "tests": tests}


def run(arguments: list[str], observe: str | None) -> int:
    """Run pytest and return its exit code; write what was observed, where a file is named."""
    if observe is None:
        return int(pytest.main(arguments))
    observer = Observer()
    code = int(pytest.main(arguments, plugins=[observer]))
    Path(observe).write_text(json.dumps(observer.observations()), encoding="utf-8")
    return code


def main() -> None:
    """Answer requests until standard input ends."""
    limit = int(sys.argv[1])
    for library in LIBRARIES:
        import_module(library)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            os._exit(run(**json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
