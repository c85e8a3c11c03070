"""The studies of docs/FINDINGS.md: their primary contrasts, and which runs are published.

``primary_table()`` has a line for each row of analysis/claims/primary.csv; ``runs_table()`` one for each study, with
the command that does what is missing. Both are computed from ``results/published``.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import radius
from published import PUBLISHED, verdicts_of

from analysis import claims, tables
from analysis.cells import read_cell
from analysis.claims import multiplicity
from analysis.claims.claim import POINTS, VALUE
from analysis.contrasts import changed_answers
from analysis.schema import Claim
from benchmarks.experiments import EXPERIMENTS
from benchmarks.tasks import TASKS

PRIMARY = Path(multiplicity.__file__).with_name("primary.csv")
RATE = "1e-4"  # at which plain fine-tuning did best in its trials on SST-2


class Study(NamedTuple):
    """An experiment of the plan.

    Attributes:
        title: what it is for.
        name: its name in the registry.
        options: options of its command, beside the profile.
        runs: number of its runs that no study before it has.
    """

    title: str
    name: str
    options: str
    runs: int


STUDIES = (
    Study("1: radius of R_s", "epsilon", f"--set learning_rate={RATE}", 123),
    Study("1: choosing a radius", "epsilon-choice", f"--set learning_rate={RATE}", 24),
    Study(
        "1: confirming it",
        "epsilon-confirmation",
        f"--set learning_rate={RATE} --methods vanilla,epsilon-ascent@RADIUS",
        16,
    ),
    Study("2: past students as teachers", "self-distillation", "", 112),
    Study("2: a teacher with masks of its own", "self-distillation-masks", "", 8),
    Study("3: trials", "equal-budgets-tuning", "--tune", 128),
    Study("3: equal budgets", "equal-budgets", "--tuned", 80),
    Study("1 at half the learning rate", "epsilon-half-rate", f"--set learning_rate={RATE}", 31),
    Study("1 with three layers", "epsilon-three-layers", f"--set learning_rate={RATE}", 31),
    Study("1 on AG's News", "epsilon-ag-news", f"--set learning_rate={RATE}", 31),
    Study("2 at twice the learning rate", "self-distillation-double-rate", "", 24),
    Study("2 at the paper's learning rate", "self-distillation-paper-rate", "", 24),
    Study("2 with three layers", "self-distillation-three-layers", "", 24),
)


@lru_cache
def primary() -> dict[str, claims.Verdict]:
    """Return the verdicts of the primary contrasts whose runs are published, by the claim's id."""
    verdicts = {id: verdict for study in STUDIES for id, verdict in verdicts_of(study.name).items()}
    return {id: verdicts[id] for id in _lines() if id in verdicts and verdicts[id].status != claims.NOT_RUN}


def primary_table() -> str:
    """Return the primary contrasts as a table in Markdown: forecast and result, or "not run yet"."""
    rows = [("study", "claim", "at", "task", "unit", "forecast", "result", "Holm's p", "verdict")]
    sentences = {claim.id: claim.sentence for study in STUDIES for claim in _claims(study)}
    for line in _lines().values():
        about = (
            line["study"],
            sentences[line["claim"]],
            line["working_point"],
            TASKS[line["task"]].title,
            line["unit"],
            line["forecast"],
        )
        verdict = primary().get(line["claim"])
        if verdict is None:
            rows.append((*about, "", "", "not run yet"))
            continue
        holm = "" if math.isnan(verdict.holm) else tables.probability(verdict.holm)
        rows.append((*about, _result(verdict), holm, verdict.words))
    return tables.github(rows)


def runs_table() -> str:
    """Return how many runs of each study are published, and the command that does the others."""
    lines, before = ["| study | published | command |", "|---|---|---|"], frozenset[str]()
    for study in STUDIES:
        command = " ".join(filter(None, (study.name.removesuffix("-tuning"), study.options)))
        own = published_keys(study.name) - before
        before |= own
        lines.append(f"| {study.title} | {len(own)} of {study.runs} | `smart-repro run {command}` |")
    return "\n".join(lines)


def facts() -> Iterator[tuple[str, str]]:
    """Yield name and number: of the primary contrasts that are decided, and of the studies' runs."""
    for id, line in _lines().items():
        yield f"primary/forecast/{id}", line["forecast"].partition(":")[0].replace("-", "\u2212")
    decided = [v for v in primary().values() if v.status not in (claims.INCONCLUSIVE, claims.NO_VERDICT)]
    yield "primary", str(len(_lines()))
    yield "primary/run", str(len(primary()))
    yield "primary/decided", str(len(decided))
    yield "studies/runs", f"{len(frozenset().union(*(published_keys(study.name) for study in STUDIES))):,}"
    yield "studies/of", f"{sum(study.runs for study in STUDIES):,}"
    yield from radius.facts()
    for study in STUDIES:
        if study.name.startswith("self-distillation"):
            yield from _changed(study.name)
    terms, losses = (_figure_6(quantity) for quantity in ("mse_loss", "ce_loss"))
    yield "papers/sda-fig6/largest", tables.number(max(terms.values()), 2)
    yield "papers/sda-fig6/last", tables.number(terms[max(terms)], 2)
    yield "papers/sda-fig6/cross-entropy", tables.number(losses[max(losses)], 2)
    yield "papers/sda-fig6/steps", f"{max(terms):,.0f}"


def papers_term() -> tuple[float, float]:
    """Return the least and the largest distillation term in the SDA paper's figure 6."""
    terms = _figure_6("mse_loss").values()
    return min(terms), max(terms)


@lru_cache
def _figure_6(quantity: str) -> dict[float, float]:
    """Return the points of a curve of the SDA paper's figure 6: training step -> value."""
    return {float(point.x): point.value for point in EXPERIMENTS["sda-fig6"]().points if point.quantity == quantity}


def _changed(experiment: str) -> Iterator[tuple[str, str]]:
    """Yield ``EXPERIMENT/TASK/ROW/changed``: the percentage of plain fine-tuning's answers that an arm changes."""
    if experiment not in PUBLISHED.experiments():
        return
    manifest = PUBLISHED.manifest(experiment)
    for column in manifest.columns:
        plain = read_cell(PUBLISHED, manifest, str(manifest.baseline_row), column)
        for row in manifest.rows:
            shares = changed_answers(read_cell(PUBLISHED, manifest, row.id, column), plain, column.metric).scores
            yield f"{experiment}/{column.task}/{row.id}/changed", tables.number(100 * shares.mean(), 1)


@lru_cache
def published_keys(experiment: str) -> frozenset[str]:
    """Return an experiment's published runs: those of its table, and those of arms that are not complete yet."""
    keys = {key for key, part in PUBLISHED.packed.parts.items() if part.path.parent.name == experiment}
    if experiment in PUBLISHED.experiments():
        keys |= {key for key in PUBLISHED.manifest(experiment).all_keys() if PUBLISHED.is_done(key)}
    return frozenset(keys)


def _claims(study: Study) -> tuple[Claim, ...]:
    """Return the claims that the registry has of a study; trials have none."""
    return EXPERIMENTS[study.name]().claims if study.name in EXPERIMENTS else ()


@lru_cache
def _lines() -> dict[str, dict[str, str]]:
    with PRIMARY.open(encoding="utf-8", newline="") as file:
        return {line["claim"]: line for line in csv.DictReader(file)}


def _result(verdict: claims.Verdict) -> str:
    """Return the estimate with its interval, in the unit of the contrast."""
    interval = verdict.interval
    if interval is None:
        return verdict.reason
    digits = 1 if verdict.unit == POINTS else 2
    low, high = (tables.number(end, digits) for end in (interval.low, interval.high))
    estimate = tables.number(interval.estimate, digits, signed=verdict.unit == POINTS)
    return f"{estimate} ({low} to {high}){' %' * (verdict.unit == VALUE)}"
