"""Copies of the project in which mutants are tried, and which tests run which lines."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from tests.mutants.draw import Mutant

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 300  # seconds of processor time for the tests of a mutant: one that makes a loop endless is caught
CAUGHT, SURVIVED = "caught", "survived"


def tracked() -> list[str]:
    """Return the files that git knows, as paths below the project's root."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(filter(None, names.split("\0")))


class Project:
    """A copy of the project in which mutants are tried, one after the other.

    Args:
        folder: where to put the copy.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in tracked():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)
        environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-P", str(folder / "tests/mutants/server.py"), str(LIMIT)]
        self._server = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        with self._server:  # closes its standard input, which ends it
            pass

    def exit_code(self, *arguments: str, observe: Path | None = None) -> int:
        """Run pytest with these arguments in the copy, and return its exit code."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        options = ["-x", "-q", "-p", "no:cacheprovider", *arguments]
        request = {"arguments": options, "observe": None if observe is None else str(observe)}
        print(json.dumps(request), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())

    def outcome(self, mutant: Mutant, tests: Sequence[str]) -> str:
        """Return whether these tests catch a mutant: files, or tests by their names; without any it survives."""
        if not tests:
            return SURVIVED
        path = self.folder / mutant.module
        source = path.read_text(encoding="utf-8")
        try:
            path.write_text(mutant.apply(source), encoding="utf-8")
            code = self.exit_code(*tests)
        finally:
            path.write_text(source, encoding="utf-8")
        if code in (3, 4, 5):  # 1: a test fails; 2: the import of one fails; below 0: out of time, or a crash
            raise RuntimeError(f"{mutant}: pytest ended with {code}")
        return CAUGHT if code else SURVIVED


class Observations:
    """Which tests run which lines of the project without a mutant, stored in a file until the sources change.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._sources = _digest(
            name
            for name in tracked()
            if name.endswith(".py") and not name.startswith("tests/mutants/") and "/test_" not in name
        )
        known: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        self._files = {name: content for name, content in known.items() if content["digest"] == self._of(name)}

    def _of(self, name: str) -> str:
        return self._sources + _digest([name])

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return the test files that have not been observed in their present state."""
        return [name for name in dict.fromkeys(names) if name not in self._files]

    def observe(self, name: str, project: Project) -> None:
        """Run a test file in an unchanged copy. Raises: RuntimeError: a test fails."""
        written = project.folder / "observed.json"
        if code := project.exit_code(name, observe=written):
            raise RuntimeError(f"{name} fails without a mutant (pytest ended with {code}): mend it first")
        content = {"digest": self._of(name), **json.loads(written.read_text(encoding="utf-8"))}
        with self._lock:
            self._files[name] = content
            self.path.write_text(json.dumps(self._files), encoding="utf-8")

    def tests(self, mutant: Mutant, names: Sequence[str]) -> list[str]:
        """Return the tests in these files that run the mutated line, the quickest first.

        A line outside of functions runs when its module is imported, for whatever test: the files themselves are
        returned then.
        """
        if not mutant.is_in_function(ROOT):
            return list(names)
        line = f"{mutant.module}:{mutant.line}"
        observed = [self._files[name] for name in names]
        seconds = {test: each["seconds"][test] for each in observed for test in each["tests"].get(line, ())}
        return sorted(seconds, key=lambda test: seconds[test])


def _digest(names: Iterable[str]) -> str:
    whole = hashlib.sha256()
    for name in names:
        whole.update((ROOT / name).read_bytes())
    return whole.hexdigest()
