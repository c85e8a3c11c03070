"""The claims of both papers, a line each: what the published runs decide, or what keeps them open, with the cost.

``lines()`` is the table of docs/FINDINGS.md; ``python docs/_scripts/paper_claims.py`` prints it. A line's outcome is
the verdict of the published runs. Where there is none, :mod:`obstacles` finds what stands in the way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from obstacles import at_paper_size, beyond_small, in_small, needs, seeds_for
from published import verdicts_of

from analysis import claims, tables
from analysis.claims.multiplicity import families
from analysis.schema import READING_WORDS, Claim
from benchmarks.experiments import EXPERIMENTS, Experiment
from benchmarks.experiments.planning import cost
from benchmarks.experiments.planning.profiles import PROFILES

PAPERS = ("SMART", "Self-Ensemble and Self-Distillation")  # their claims are families of analysis/claims/families.csv
NOT_RUN = "not run"
CORE = 60e9  # operations a second of one CPU core: a forward pass of MiniLM over 16 texts of 48 tokens in 0.27 seconds
KINDS = {  # name of a fact -> words of the obstacle that it counts, where that is a claim's first
    "model": "another model",
    "gpu": "GPU",
    "data": "at hand",
    "size": "the profile small",
    "inert": "inert",
    "presumed": "presumed at the floor",
    "floor": "at the floor",
    "seeds": "seeds",
    "not-run": NOT_RUN,
}


@dataclass(frozen=True)
class Line:
    """A claim of a paper.

    Attributes:
        claim: the claim.
        experiment: the part of its experiment that it needs, in the profile that the cost is for.
        outcome: the verdict, or "not decided".
        obstacles: what stands in the way of a verdict, the hardest first; none where there is one.
        cost: runs and hours that would decide it.
    """

    claim: Claim
    experiment: Experiment
    outcome: str
    obstacles: tuple[str, ...] = ()
    cost: str = ""

    @property
    def is_decided(self) -> bool:
        """True if the published runs decide the claim."""
        return not self.obstacles


@lru_cache
def lines() -> tuple[Line, ...]:
    """Return a line for every claim of both papers, in the order of their experiments."""
    return tuple(
        _line(EXPERIMENTS[name](), claim)
        for family in families()
        if family.name.endswith(PAPERS)
        for name in family.experiments
        for claim in EXPERIMENTS[name]().claims
        if claim.id in family.claims
    )


def table() -> str:
    """Return the claims as a table in Markdown."""
    rows = [("claim", "reading", "so far", "its runs", "id")]
    for line in lines():
        so_far = line.outcome if line.is_decided else f"not decided: {'; '.join(line.obstacles)}"
        reading = READING_WORDS.get(line.claim.reading, line.claim.reading)
        rows.append((line.claim.sentence, reading, so_far, line.cost, line.claim.id))
    return tables.github(rows)


def facts() -> dict[str, str]:
    """Return how many claims there are, how many are decided, and how many each kind of obstacle keeps open."""
    found = lines()
    counts = {"claims": len(found), "decided": sum(line.is_decided for line in found), **dict.fromkeys(KINDS, 0)}
    for line in found:
        for obstacle in line.obstacles[:1]:
            counts[next(name for name, words in KINDS.items() if words in obstacle)] += 1
    return {f"papers/{name}": str(count) for name, count in counts.items()}


def _line(published: Experiment, claim: Claim) -> Line:
    verdict = verdicts_of(published.name).get(claim.id)
    if verdict is not None and verdict.status not in (claims.NOT_RUN, claims.NO_VERDICT):
        return Line(claim, published, verdict.words)
    if obstacles := [*beyond_small(published, claim)]:
        experiment = needs(PROFILES["paper"](published), claim)
        return Line(
            claim,
            experiment,
            "not decided",
            (*obstacles, *at_paper_size(experiment)),
            _cost(experiment, "the paper's model"),
        )
    experiment = needs(PROFILES["small"](published), claim)
    obstacles = [*in_small(experiment, claim)]
    if sized := seeds_for(experiment, claim):
        size, seeds = sized
        if seeds is None:
            obstacles.append(f"no number of seeds shows {size:g} points on so few items")
        elif seeds > len(experiment.seeds):
            obstacles.append(f"{size:g} points need {seeds} seeds")
            experiment = replace(experiment, seeds=tuple(range(seeds)))
    return Line(claim, experiment, "not decided", tuple(obstacles or [NOT_RUN]), _cost(experiment, "MiniLM"))


def _cost(experiment: Experiment, model: str) -> str:
    """Return what the runs would take, in words: by the assumed speeds of docs/full-scale.md."""
    (entry,) = cost.bill([experiment])
    on_a_core = model == "MiniLM"
    hours = entry.hours * cost.RATE / CORE if on_a_core else entry.hours
    unit = "core-hours" if on_a_core else "GPU hours"
    return f"{entry.runs:,} runs of {model}, {tables.number(hours, int(hours < 10))} {unit}"


if __name__ == "__main__":
    print(table())
