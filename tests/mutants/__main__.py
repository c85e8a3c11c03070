"""Try mutants of the deciding code: ``python -m tests.mutants --count 300 --seed 0 --results mutants.jsonl``.

Each mutant is written into a copy of the project, and the tests of its module run there until one fails. A mutant whose
tests pass survives. All tests have to pass in the copy without a mutant, or nothing is tried. The file of results is
added to; mutants caught before are not tried again, survivors are. The last lines give the share caught with its 95 %
interval (Wilson), and the survivors.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from statsmodels.stats.proportion import proportion_confint

from tests.mutants.draw import Mutant, sample
from tests.mutants.modules import files_of, modules

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600  # seconds of processor time for the tests of a mutant: one that makes a loop endless is caught
CAUGHT, SURVIVED = "caught", "survived"


def copied(folder: Path) -> Path:
    """Copy what the tests need into a folder, and return it."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return folder


class Project:
    """A copy of the project in which mutants are tried, one after the other.

    Args:
        folder: where to put the copy.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = copied(folder)
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

    def exit_code(self, *arguments: str) -> int:
        """Run pytest with these arguments in the copy, and return its exit code."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        print(json.dumps(["-x", "-q", "-p", "no:cacheprovider", *arguments]), file=self._server.stdin, flush=True)
        return int(self._server.stdout.readline())

    def outcome(self, mutant: Mutant) -> str:
        """Return whether the tests of its module catch a mutant."""
        path = self.folder / mutant.module
        source = path.read_text(encoding="utf-8")
        try:
            path.write_text(mutant.apply(source), encoding="utf-8")
            code = self.exit_code(*files_of(mutant.module))
        finally:
            path.write_text(source, encoding="utf-8")
        if code in (3, 4, 5):
            raise RuntimeError(f"{mutant}: pytest ended with {code}")
        return (
            CAUGHT if code else SURVIVED
        )  # 2: the mutant breaks the import of a test; below 0: out of time, or a crash


def caught(results: Path) -> Iterator[Mutant]:
    """Yield the mutants in the file of results that were caught."""
    if results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            content = json.loads(line)
            if content["outcome"] == CAUGHT:
                yield Mutant(**content["mutant"])


def summary(outcomes: dict[Mutant, str]) -> str:
    """Return the share of mutants caught, with its interval, and the survivors."""
    count = sum(value == CAUGHT for value in outcomes.values())
    low, high = proportion_confint(count, len(outcomes), method="wilson")
    share = f"{count} of {len(outcomes)} mutants caught: {100 * count / len(outcomes):.1f} %"
    survivors = "\n".join(f"  {mutant}" for mutant, value in outcomes.items() if value == SURVIVED)
    return f"{share} (95 % interval {100 * low:.1f} to {100 * high:.1f})\nsurvivors:\n{survivors or '  none'}"


def main() -> None:
    """Try the mutants that are not in the file of results yet, and print the summary of all that were drawn."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"), help="file that is added to")
    arguments = parser.parse_args()
    drawn = sample(ROOT, modules(ROOT), arguments.count, arguments.seed)
    outcomes = {mutant: CAUGHT for mutant in caught(arguments.results) if mutant in set(drawn)}
    with tempfile.TemporaryDirectory() as folder, Project(Path(folder)) as project:
        left = [mutant for mutant in drawn if mutant not in outcomes]
        tests = dict.fromkeys(name for mutant in left for name in files_of(mutant.module))
        if broken := [name for name in tests if project.exit_code(name)]:
            raise SystemExit(f"these tests fail without a mutant; mend them first: {', '.join(broken)}")
        for number, mutant in enumerate(left, 1):
            outcomes[mutant] = project.outcome(mutant)
            print(f"{number}/{len(left)} {outcomes[mutant]}: {mutant}", flush=True)
            with arguments.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"mutant": asdict(mutant), "outcome": outcomes[mutant]}) + "\n")
    print(summary(outcomes))


if __name__ == "__main__":
    main()
