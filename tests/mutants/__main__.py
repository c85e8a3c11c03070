"""Try mutants of the deciding code: ``python -m tests.mutants --count 300 --seed 0 --results mutants.jsonl``.

Each mutant is written into a copy of the project, and the tests of its module run there until one fails. A mutant whose
tests pass survives. The file of results is added to; mutants that are in it are not tried again. The last lines give
the share caught with its 95 % interval (Wilson), and the survivors.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from statsmodels.stats.proportion import proportion_confint

from tests.mutants.draw import Mutant, sample
from tests.mutants.modules import files_of, modules

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 600  # seconds for the tests of a mutant: one that makes a loop endless is caught
CAUGHT, SURVIVED = "caught", "survived"


def copied(folder: Path) -> Path:
    """Copy what the tests need into a folder, and return it."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target)
    return folder


def outcome(project: Path, mutant: Mutant, files: Sequence[str]) -> str:
    """Return whether the tests in these files catch a mutant, in a copy of the project."""
    path = project / mutant.module
    source = path.read_text(encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *files]
    try:
        path.write_text(mutant.apply(source), encoding="utf-8")
        done = subprocess.run(
            command, cwd=project, env=environment, capture_output=True, timeout=LIMIT, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return CAUGHT
    finally:
        path.write_text(source, encoding="utf-8")
    if done not in (0, 1, 2):  # 2: the mutant breaks the import of a test
        raise RuntimeError(f"{mutant}: pytest ended with {done}")
    return CAUGHT if done else SURVIVED


def tried(results: Path) -> Iterator[tuple[Mutant, str]]:
    """Yield the mutants in the file of results, with their outcomes."""
    if results.exists():
        for line in results.read_text(encoding="utf-8").splitlines():
            content = json.loads(line)
            yield Mutant(**content["mutant"]), content["outcome"]


def summary(outcomes: dict[Mutant, str]) -> str:
    """Return the share of mutants caught, with its interval, and the survivors."""
    caught = sum(value == CAUGHT for value in outcomes.values())
    low, high = proportion_confint(caught, len(outcomes), method="wilson")
    share = f"{caught} of {len(outcomes)} mutants caught: {100 * caught / len(outcomes):.1f} %"
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
    outcomes = {mutant: value for mutant, value in tried(arguments.results) if mutant in set(drawn)}
    with tempfile.TemporaryDirectory() as folder:
        project = copied(Path(folder))
        for number, mutant in enumerate(drawn, 1):
            if mutant in outcomes:
                continue
            outcomes[mutant] = outcome(project, mutant, files_of(mutant.module))
            print(f"{number}/{len(drawn)} {outcomes[mutant]}: {mutant}", flush=True)
            with arguments.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"mutant": asdict(mutant), "outcome": outcomes[mutant]}) + "\n")
    print(summary(outcomes))


if __name__ == "__main__":
    main()
