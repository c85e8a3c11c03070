"""The claims of both papers, a line each: what the published runs decide, or why they do not, and what it would cost.

``lines()`` is the table of docs/FINDINGS.md; ``python docs/_scripts/paper_claims.py`` prints it. A line's outcome is
the verdict of the published runs. Where there is none, the obstacles are counted from the registry: data that the
authors did not have, a model or size that the profile small does not have, tasks at the floor there, two arms that give
the same answers, or more seeds than the experiment has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from analysis import claims, tables
from analysis.claims.floor import learnt
from analysis.claims.multiplicity import families
from analysis.power import of_mean, seeds_needed
from analysis.results import Results
from analysis.schema import Claim, Statement
from analysis.schema.kinds import Difference
from analysis.scores import METRICS
from benchmarks.engine.spread import spread_of
from benchmarks.experiments import EXPERIMENTS, Experiment, narrowed
from benchmarks.experiments.planning import cost
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.tasks import TASKS

PUBLISHED = Results.open(Path(__file__).resolve().parents[2] / "results" / "published")
PAPERS = ("SMART", "Self-Ensemble and Self-Distillation")  # their claims are families of analysis/claims/families.csv
# Tasks of which the authors had no training set of 2,500 examples, or no set to score on; the others they had at least
# so far as the profile small needs them.
NOT_AT_HAND = {
    "qqp",
    "mnli-mm",
    "scitail",
    "anli-r2",
    "anli-r3",
    "anli",
    "nli-mixture",
    "dbpedia",
    "yelp-polarity",
    "yelp-full",
}
NOT_RUN = "not run"
CORE = 60e9  # operations a second of one CPU core: a forward pass of MiniLM over 16 texts of 48 tokens in 0.27 seconds
INERT = {("smart[shared]", "bregman"), ("smoothness[shared]", "vanilla")}  # arms that differ in R_s at 1e-5 alone
# Name of a fact -> words of the obstacle that it counts, where that is the first.
KINDS = {"model": "another model", "data": "no data at hand", "floor": "at the floor"}
KINDS |= {"inert": "changes no answer", "seeds": "seeds", "not-run": NOT_RUN}
READINGS = {"shared": "shared", "independent": "independent", "as-released": "as released"}


@dataclass(frozen=True)
class Line:
    """A claim of a paper.

    Attributes:
        claim: the claim.
        experiment: the experiment that tests it, in the profile that the cost is for.
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
    header = ("claim", "masks", "so far", "what deciding it takes", "id")
    rows = []
    for line in lines():
        so_far = line.outcome if line.is_decided else f"not decided: {'; '.join(line.obstacles)}"
        reading = READINGS.get(line.claim.reading, line.claim.reading)
        rows.append((line.claim.sentence, reading, so_far, line.cost, line.claim.id))
    return tables.github([header, *rows])


def facts() -> dict[str, str]:
    """Return how many claims there are, how many are decided, and how many each kind of obstacle keeps open."""
    found = lines()
    counts = {"claims": len(found), "decided": sum(line.is_decided for line in found)}
    for name, words in KINDS.items():
        counts[name] = sum(any(words in obstacle for obstacle in line.obstacles[:1]) for line in found)
    return {f"papers/{name}": str(count) for name, count in counts.items()}


def _line(published: Experiment, claim: Claim) -> Line:
    verdict = _verdicts(published.name).get(claim.id)
    if verdict is not None and verdict.status not in (claims.NOT_RUN, claims.NO_VERDICT):
        return Line(claim, published, verdict.words)
    obstacles = list(_beyond_small(published, claim))
    profile = "paper" if obstacles else "small"
    experiment = _of_claim(PROFILES[profile](published), claim)
    seeds = len(experiment.seeds)
    if profile == "small":
        obstacles += _floors(claim)
        if (claim.a, claim.b) in INERT:
            obstacles.append("R_s at 1e-5 with shared masks changes no answer")
        needed, is_known = _seeds(experiment, claim)
        if is_known and needed is None:
            obstacles.append("no number of seeds is enough: too few items")
        elif needed is not None and needed > seeds:
            obstacles.append(f"needs {needed} seeds")
            experiment = replace(experiment, seeds=tuple(range(needed)))
    return Line(claim, experiment, "not decided", tuple(obstacles or [NOT_RUN]), _cost(experiment, profile))


def _beyond_small(experiment: Experiment, claim: Claim) -> Iterator[str]:
    """Yield why the profile small cannot decide a claim: its model, its size, or data that the authors did not have."""
    if claim.model:
        yield f"another model ({claim.model})"
    if reason := experiment.not_in.get("small"):
        yield reason
        return
    small = PROFILES["small"](experiment)
    tasks = tasks_of(claim)
    if absent := [TASKS[task].title for task in tasks if task in NOT_AT_HAND]:
        yield f"no data at hand of {', '.join(absent)}"
    rows = {row.id for row in small.rows if f"{row.id}|*" not in small.missing}
    if {claim.a, claim.b} - rows and not claim.model:
        yield "its models differ in size, and the profile small has one"
    left_out = [name.removeprefix("*|") for name in small.missing if name.startswith("*|")]
    if any(name.partition(".")[0] in tasks for name in left_out) and not absent:
        yield f"the profile small leaves out {', '.join(left_out)}"


def tasks_of(claim: Claim) -> tuple[str, ...]:
    """Return the tasks of all parts of a claim."""
    return tuple(dict.fromkeys(task for statement in claim.statements for task in statement.tasks))


def _floors(claim: Claim) -> list[str]:
    """Return the obstacle of tasks at the floor in the profile small, or none."""
    low = [TASKS[task].title for task in tasks_of(claim) if task in at_the_floor()]
    return [f"{', '.join(low)} at the floor"] if low else []


@lru_cache
def at_the_floor() -> frozenset[str]:
    """Return the tasks that plain fine-tuning has not learnt in the published runs of the profile small."""
    found = set()
    for name in PUBLISHED.experiments():
        manifest = PUBLISHED.manifest(name)
        for column in manifest.columns:
            measured = learnt(PUBLISHED, manifest, column)
            if measured is not None and measured.is_floor and "@" not in column.id:
                found.add(column.task)
    return frozenset(found)


@lru_cache
def _verdicts(experiment: str) -> dict[str, claims.Verdict]:
    """Return id -> verdict of the published runs of an experiment."""
    if experiment not in PUBLISHED.experiments():
        return {}
    return {v.claim.id: v for v in claims.decide_all(PUBLISHED, PUBLISHED.manifest(experiment))}


def _of_claim(experiment: Experiment, claim: Claim) -> Experiment:
    """Return the part of an experiment that a claim about differences needs; for other kinds the whole experiment."""
    if not all(isinstance(statement.test, Difference) for statement in claim.statements):
        return experiment
    named = [row for statement in claim.statements for row in (statement.a, statement.b)]
    rows = {row.id for row in experiment.rows}
    methods = [row for row in dict.fromkeys((experiment.baseline, *named)) if row in rows]
    tasks = tuple(task for task in tasks_of(claim) if task in experiment.tasks)
    return narrowed(experiment, tasks=tasks, methods=",".join(methods) if methods else None)


def _seeds(experiment: Experiment, claim: Claim) -> tuple[int | None, bool]:
    """Return the seeds that see the claimed size four times out of five (None: no number does), and if it is known."""
    columns = [_column(experiment, claim, task) for task in claim.tasks]
    if not claim.plain or not claim.size or claim.quantifier != "average" or None in columns:
        return None, False
    found = [column for column in columns if column is not None]
    items = [TASKS[column.task].sizes.get(column.split, 0) for column in found]
    if not all(items) or any(METRICS[column.metric].scale != 100 for column in found):
        return None, False
    spec = next(spec for *_, spec in experiment.specs())
    noises = [
        spread_of(column.task, column.metric, n, spec.model, spec.max_train_samples)[0]
        for column, n in zip(found, items, strict=True)
    ]
    return seeds_needed(claim.size / 100, sum(items), of_mean(items, noises)), True


def _column(experiment: Experiment, statement: Statement, task: str) -> TaskColumn | None:
    """Return the column on which a statement is decided on a task; None where the experiment has none."""
    return next((c for c in experiment.columns if c.task == task and statement.metric in ("", c.metric)), None)


def _cost(experiment: Experiment, profile: str) -> str:
    """Return what the runs would take, in words: by the assumed speeds of docs/full-scale.md."""
    (entry,) = cost.bill([experiment])
    if profile == "paper":
        return f"{entry.runs:,} runs at the paper's size, {tables.number(entry.hours, int(entry.hours < 10))} GPU hours"
    return f"{entry.runs:,} runs, {tables.number(entry.hours * cost.RATE / CORE, 0)} core-hours"


if __name__ == "__main__":
    print(table())
