"""Try mutants of the deciding code: ``python -m tests.mutants --count 300 --seed 0 --results mutants.jsonl``.

Each mutant is written into a copy of the project, and the tests of its module that run the changed line run there, the
quickest first, until one fails. A mutant whose tests pass survives. Which tests run which lines is observed first, in
the copy without a mutant, where all of them have to pass, and kept beside the results. The file of results is added to;
mutants caught before are not tried again, survivors are. The last lines give the share caught with its 95 % interval
(Wilson), and the survivors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from statsmodels.stats.proportion import proportion_confint

from tests.mutants.draw import Mutant, sample
from tests.mutants.modules import files_of, modules
from tests.mutants.project import CAUGHT, ROOT, SURVIVED, Observations, Project

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def shared(
    work: Callable[[Item, Project], Result], items: Sequence[Item], projects: Sequence[Project]
) -> Iterator[tuple[Item, Result]]:
    """Yield items with the results of work on them, in their order; each copy of the project does one at a time."""
    idle: SimpleQueue[Project] = SimpleQueue()
    for project in projects:
        idle.put(project)

    def on_idle(item: Item) -> Result:
        project = idle.get()
        try:
            return work(item, project)
        finally:
            idle.put(project)

    with ThreadPoolExecutor(len(projects)) as pool:
        yield from zip(items, pool.map(on_idle, items), strict=True)


def main() -> None:
    """Try the mutants that were not caught yet, and print the summary of all that were drawn."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="mutants to draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("mutants.jsonl"), help="file that is added to")
    parser.add_argument("--workers", type=int, default=1, help="mutants at a time")
    arguments = parser.parse_args()
    drawn = sample(ROOT, modules(ROOT), arguments.count, arguments.seed)
    outcomes = {mutant: CAUGHT for mutant in caught(arguments.results) if mutant in set(drawn)}
    left = [mutant for mutant in drawn if mutant not in outcomes]
    observations = Observations(arguments.results.with_suffix(".tests.json"))
    with ExitStack() as stack:
        projects = [
            stack.enter_context(Project(Path(stack.enter_context(tempfile.TemporaryDirectory()))))
            for _ in range(arguments.workers)
        ]
        names = observations.missing(name for mutant in left for name in files_of(mutant.module))
        for number, (name, _) in enumerate(shared(observations.observe, names, projects), 1):
            print(f"{number}/{len(names)} observed: {name}", flush=True)

        def attempt(mutant: Mutant, project: Project) -> str:
            return project.outcome(mutant, observations.tests(mutant, files_of(mutant.module)))

        for number, (mutant, outcome) in enumerate(shared(attempt, left, projects), 1):
            print(f"{number}/{len(left)} {outcome}: {mutant}", flush=True)
            outcomes[mutant] = outcome
            with arguments.results.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps({"mutant": asdict(mutant), "outcome": outcome}) + "\n")
    print(summary(outcomes))


if __name__ == "__main__":
    main()
