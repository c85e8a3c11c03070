"""Run pytest in forked processes that need not import the libraries again: seconds of every mutant's time.

A script for a process of its own, started in the folder of the project with the project on the path. It reads a JSON
list of pytest's arguments per line of standard input, and answers with a line that holds pytest's exit code, or the
negative number of the signal that ended it. Its one argument is the limit of a child's processor time, in seconds.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from importlib import import_module

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
    "pytest",
)


def main() -> None:
    """Answer requests until standard input ends."""
    limit = int(sys.argv[1])
    for library in LIBRARIES:
        import_module(library)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            import pytest

            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
            os._exit(pytest.main(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
