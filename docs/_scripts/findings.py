"""Write docs/FINDINGS.md and docs/pilot.md from templates and the published runs: ``python docs/_scripts/findings.py``.

The templates, ``FINDINGS.md.j2`` and ``pilot.md.j2`` beside this script, are pages in Markdown that a person edits;
tests compare. In double braces they have numbers, as ``number("claim/ID/estimate")`` (names: :func:`facts`), and
blocks, as ``table("together")``; also ``claims``, ``replicates`` and ``changes``. ``paper_claims()`` is the table of
all claims of the papers, ``primary()`` that of the primary contrasts, ``runs()`` that of the studies' runs,
``radius()`` that of study 1's arms,
``elsewhere()`` that of the findings in other settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import elsewhere
import jinja2
import numpy as np
import pandas as pd
import paper_claims
import radius
import studies
from published import PUBLISHED, verdicts_of

from analysis import claims, curves, frames, tables
from analysis.claims import multiplicity, rule
from analysis.claims.claim import POINTS
from analysis.claims.floor import learnt
from analysis.claims.replicates import CHANGES, STAYS, Change, SeedSet, change, pool, seed_set
from analysis.comparison import compare
from analysis.interval import Interval
from analysis.load import load
from analysis.schema import Column, Manifest
from smart_repro.registry import did_you_mean

HERE = Path(__file__).resolve().parents[1]  # docs/
PAGES = ("FINDINGS.md", "pilot.md")
TASK = "cola"  # on which the findings were attacked
STUDIES = ("together", "what-drives-sda", "what-drives-smart")  # whose seeds 0 to 7 were planned
REPLICATIONS = {"seeds 10 to 17": "attack-seeds", "seeds 20 to 27": "attack-slice"}  # title -> experiment
RATES = {"half the learning rate": "attack-half-rate", "double the learning rate": "attack-double-rate"}
FURTHER = "control-smart-shared-beats-vanilla"  # looked at in the attacks' runs, though not one of the attacked
AGAINST = {"what-drives-smart": "r-drop"}  # experiment -> a baseline its arms are also held against
TEMPLATES = Path(__file__).parent
PILOT = (*STUDIES, *REPLICATIONS.values(), *RATES.values(), "smart-fig2")  # the pilot's experiments


def page(name: str) -> str:
    """Return a page with every number from the published runs."""
    source = (TEMPLATES / f"{name}.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    blocks = {name: partial(_block, build) for name, build in BLOCKS.items()}
    return environment.from_string(source).render(
        number=partial(number, template=f"{name}.j2"),
        interval=partial(interval, template=f"{name}.j2"),
        paper_claims=paper_claims.table,
        primary=studies.primary_table,
        runs=studies.runs_table,
        radius=radius.table,
        elsewhere=elsewhere.table,
        **blocks,
    )


def number(name: str, template: str) -> str:
    """Return a fact as it is printed. Raises: SystemExit: for a name that no fact has."""
    if name not in facts():
        raise SystemExit(f"{template}: no fact is called {name!r}{did_you_mean(name, facts())}")
    return facts()[name]


def interval(name: str, template: str) -> str:
    """Return a cell's difference from its baseline with its interval, as they are printed."""
    difference, low, high = (number(f"{name}/{each}", template) for each in ("difference", "low", "high"))
    return f"{difference} ({low} to {high})"


def _block(build: Callable[[Manifest], str], experiment: str) -> str:
    return build(_manifest(experiment))


@lru_cache
def facts() -> dict[str, str]:
    """Name -> number as it is printed: of cells (``together/cola.matthews/sda[K=1]/mean``), of claims, of all runs."""
    pilot = [key for key, part in PUBLISHED.packed.parts.items() if part.path.parent.name in PILOT]
    on_gpu = sum(PUBLISHED.run(key).environment["device"] == "cuda" for key in pilot)
    found = {"runs": f"{len(PUBLISHED.run_keys()):,}", "pilot/runs": f"{len(pilot):,}", "pilot/cuda": f"{on_gpu:,}"}
    found["pilot/runs/nli"] = str(sum(PUBLISHED.run(key).spec["task"] in ("mnli", "snli") for key in pilot))
    found |= differing() | paper_claims.facts() | dict(studies.facts()) | dict(elsewhere.facts())
    for name in _names():
        manifest = _manifest(name)
        for cell in tables.records(cells(name)):
            about = f"{name}/{cell.column}/{cell.row}".replace(" ", "-")
            found |= {f"{about}/{each}": tables.number(getattr(cell, each)) for each in ("mean", "sd", "visible")}
            found |= _signed(about, cell)
        if other := AGAINST.get(name):
            for cell in tables.records(compare(PUBLISHED, replace(manifest, baseline_row=other))):
                found |= _signed(f"{name}/{cell.column}/{cell.row}~{other}".replace(" ", "-"), cell)
        for task in dict.fromkeys(column.task for column in manifest.columns):
            found |= fit(manifest, task)
        for verdict in _verdicts(name):
            if verdict.interval is not None:
                about, digits = f"claim/{verdict.claim.id}", 1 if verdict.unit == POINTS else 2
                signed = verdict.unit == POINTS
                for each in ("estimate", "low", "high"):
                    found[f"{about}/{each}"] = tables.number(getattr(verdict.interval, each), digits, signed=signed)
            if not np.isnan(verdict.p):
                found[f"claim/{verdict.claim.id}/p"] = tables.probability(verdict.p)
            if not np.isnan(verdict.holm):
                found[f"claim/{verdict.claim.id}/holm"] = tables.probability(verdict.holm)
        for column in manifest.columns:
            found |= _learnt(manifest, column)
        found[f"{name}/inert"] = str(sum(verdict.status == claims.INERT for verdict in _verdicts(name)))
    return found | _pooled()


def _learnt(manifest: Manifest, column: Column) -> dict[str, str]:
    """``together/cola.matthews/learnt`` and ``/learnt/low``: the baseline's learnt share, in percent."""
    measured, about = learnt(PUBLISHED, manifest, column), f"{manifest.name}/{column.id}/learnt".replace(" ", "-")
    if measured is None or np.isnan(measured.share):
        return {}
    shares = {about: measured.share, f"{about}/low": measured.low_share}
    return {name: tables.number(100 * share, 0) for name, share in shares.items()}


def _pooled() -> dict[str, str]:
    """Return the attacked contrasts over several sets of seeds, as ``pooled/A~B/all/estimate``.

    ``all`` are all three sets, ``again`` the two replications; ``/p-equal`` is the p value of equal sets.
    """
    found: dict[str, str] = {}
    for each in attacked():
        sets = [each.planned, *each.replications]
        for name, some in (("all", sets), ("again", sets[1:])):
            pooled, about = pool(some), f"pooled/{each.a}~{each.b}/{name}"
            for end in ("estimate", "low", "high"):
                found[f"{about}/{end}"] = tables.number(getattr(pooled.interval, end), 2, signed=True)
            found[f"{about}/p-equal"] = tables.probability(pooled.p_equal)
    return found


def _signed(about: str, cell: Any) -> dict[str, str]:
    return {f"{about}/{n}": tables.number(getattr(cell, n), signed=True) for n in ("difference", "low", "high")}


def differing() -> dict[str, str]:
    """``differ/ARM~OTHER``: how many answers of two arms on CoLA differ, over the items of the seeds that both have.

    Arms are named by their settings, as ``smoothness/independent/random``; ``differ/ARM~OTHER/of`` is how many answers
    were compared.
    """
    runs = load(PUBLISHED).query("task == 'cola' and split == 'dev' and learning_rate == 5e-5 and seed < 8")
    plain = (runs["method"] == "vanilla") & runs["epochs"].eq(3) & runs["dropout"].isna()
    plain &= runs["optimizer"].eq("adamw") & ~runs["config.label_smoothing"].gt(0)
    runs = runs[plain | runs["method"].isin(["smoothness", "bregman", "smart"])]
    by = ["method", "config.dropout", "config.direction", "config.teacher"]
    answers = {}
    for arm, rows in runs.groupby(by, dropna=False):
        made = frames.outputs(rows)
        name = "/".join(str(part) for part in arm if isinstance(part, str))
        answers[name] = dict(zip(made.seeds, made.logits.argmax(-1), strict=True))
    found = {}
    for a, b in combinations(answers, 2):
        pairs = [(answers[a][seed], answers[b][seed]) for seed in sorted(answers[a].keys() & answers[b].keys())]
        found[f"differ/{a}~{b}"] = f"{sum(int((x != y).sum()) for x, y in pairs):,}"
        found[f"differ/{a}~{b}/of"] = f"{sum(x.size for x, _ in pairs):,}"
    return found


def table(manifest: Manifest) -> str:
    """Return the experiment's table, as papers print it."""
    return tables.github(tables.matrix(cells(manifest.name)), texts=1)


def verdicts(manifest: Manifest) -> str:
    """Return the decided claims of an experiment with their numbers, then the number of undecided ones."""
    found = _verdicts(manifest.name)
    decided = [verdict for verdict in found if verdict.status != claims.NOT_RUN]
    lines = [("claim", "reading", "verdict", "p", "Holm's p", "numbers", "id")]
    for verdict in decided:
        claim, told = verdict.claim, claims.in_words(verdict)
        counted = multiplicity.counts(verdict)
        ps = [tables.probability(p) if counted and not np.isnan(p) else "" for p in (verdict.p, verdict.holm)]
        numbers = told[len(verdict.words) + 2 :]
        lines.append((claim.sentence, claim.reading, verdict.words, *ps, numbers, claim.id))
    text = tables.github(lines)
    left = [f"`{verdict.claim.id}`" for verdict in found if verdict.status == claims.NOT_RUN]
    return text + (f"\n\nNot run: {', '.join(left)}." if left else "")


class Attacked(NamedTuple):
    """A contrast that was attacked: the planned seeds, the replications and the other learning rates."""

    sentence: str
    a: str
    b: str

    def seeds(self, experiment: str, name: str) -> SeedSet:
        """Return the contrast at an experiment's seeds and setting."""
        manifest = _manifest(experiment)
        column = next(column for column in manifest.columns if column.task == TASK)
        return seed_set(PUBLISHED, manifest, self.a, self.b, column, name)

    @property
    def planned(self) -> SeedSet:
        """The contrast as found, at seeds 0 to 7."""
        rows = {study: {row.id for row in _manifest(study).rows} for study in STUDIES}
        home = next(study for study in STUDIES if {self.a, self.b} <= rows[study])
        return self.seeds(home, "seeds 0 to 7")

    @property
    def replications(self) -> list[SeedSet]:
        """The contrast at the other two sets of seeds."""
        return [self.seeds(experiment, title) for title, experiment in REPLICATIONS.items()]

    def changes(self) -> dict[str, tuple[Interval, Change]]:
        """At each other learning rate: the difference, and how it changed."""
        others = {title: self.seeds(experiment, title) for title, experiment in RATES.items()}
        bound = rule.CORRELATION_BOUND
        return {title: (each.interval, change(self.planned, each, bound)) for title, each in others.items()}


@lru_cache
def attacked() -> tuple[Attacked, ...]:
    """Return the contrasts of the attacked claims, and SMART's, which has the same runs."""
    claimed = list(_manifest("attack-seeds").claims)
    claimed += [v.claim for v in _verdicts("together") if v.claim.id == FURTHER]
    return tuple(Attacked(claim.sentence, claim.a, claim.b) for claim in claimed)


def replicates(_: Manifest) -> str:
    """Each attacked contrast at its planned seeds and at the replications, and pooled, as a description."""
    lines = [
        ("contrast", "seeds 0 to 7 (planned)", *REPLICATIONS, "both replications", "all three sets", "sets equal, p")
    ]
    for each in attacked():
        sets = [each.planned, *each.replications]
        again, together = pool(sets[1:]), pool(sets)
        shown = [_in_short(interval) for interval in (*(s.interval for s in sets), again.interval, together.interval)]
        lines.append((each.sentence, *shown, tables.probability(together.p_equal)))
    return tables.github(lines)


def changes(_: Manifest) -> str:
    """Each attacked contrast at the other learning rates, and by how much it changed: what "survives" means."""
    lines = [
        ("contrast", "as found", *(f"{head}{title}" for title in RATES for head in ("", "change at ")), "survives")
    ]
    for each in attacked():
        found = each.changes()
        shown = [text for interval, by in found.values() for text in (_in_short(interval), _changed(by))]
        outcomes = {title: by.outcome for title, (_, by) in found.items()}
        lines.append((each.sentence, _in_short(each.planned.interval), *shown, survival(outcomes)))
    return tables.github(lines)


def survival(outcomes: Mapping[str, str]) -> str:
    """Whether a finding survives changes of setting, by the contrast of contrasts of each."""
    fell = [title for title, outcome in outcomes.items() if outcome == CHANGES]
    if fell:
        return f"no: {', '.join(fell)}"
    return "yes" if all(outcome == STAYS for outcome in outcomes.values()) else "open"


def _changed(by: Change) -> str:
    return f"{_in_short(by.interval)}: {by.outcome}"


def _in_short(interval: Interval) -> str:
    estimate = tables.number(interval.estimate, signed=True)
    return f"{estimate} ({tables.number(interval.low)} to {tables.number(interval.high)})"


def fit(manifest: Manifest, task: str) -> dict[str, str]:
    """Return statistics of each method's runs on a task, as means over runs.

    These are the accuracy (also the lowest and the highest), the share of the most frequent answer, the task's loss and
    each logged part over the last third of the updates, and the number of diverged runs.
    """
    found: dict[str, str] = {}
    column = next(column for column in manifest.columns if column.task == task)
    away = curves.diverged(curves.read_logs(PUBLISHED, manifest), manifest).set_index(["row", "column"])["diverged"]
    for row in manifest.rows:
        keys = [key for key in manifest.keys(row.id, column) if PUBLISHED.is_done(key)]
        if not keys or column.metric in ("pearson", "spearman"):
            continue
        answers = [PUBLISHED.predictions(key, task, column.split) for key in keys]
        right = [100 * float((each["label"] == each["prediction"]).mean()) for each in answers]
        logs = [PUBLISHED.history(key) for key in keys]
        means = {
            "accuracy": np.mean(right),
            "accuracy/least": min(right),
            "accuracy/largest": max(right),
            "commonest": 100 * np.mean([each["prediction"].value_counts(normalize=True).max() for each in answers]),
            "loss": np.mean([log["task"].iloc[-(len(log) // 3) :].mean() for log in logs]),
        }
        found |= {f"{row.id}/{name}": tables.number(float(v), 2 if name == "loss" else 1) for name, v in means.items()}
        found[f"{row.id}/diverged"] = str(int(away.get((row.id, column.id), 0)))
        parts = [part for part in ("smoothness", "bregman", "distillation", "start_share") if part in logs[0]]
        found |= {f"{row.id}/{part}": f"{np.mean([log[part].mean() for log in logs]):.1e}" for part in parts}
        found |= {f"{row.id}/{part}/decimal": f"{np.mean([log[part].mean() for log in logs]):.2g}" for part in parts}
        late = {part: np.mean([log[part].iloc[-(len(log) // 3) :].mean() for log in logs]) for part in parts}
        found |= {f"{row.id}/{part}/late": f"{value:.2g}" for part, value in late.items()}
        found["items"] = f"{len(answers[0]):,}"
        found["majority"] = tables.number(100 * float(answers[0]["label"].value_counts(normalize=True).max()))
    return {f"{manifest.name}/{task}/{name}": value for name, value in found.items()}


BLOCKS: dict[str, Callable[[Manifest], str]] = {
    "table": table,
    "claims": verdicts,
    "replicates": replicates,
    "changes": changes,
}


@lru_cache
def _manifest(name: str) -> Manifest:
    return PUBLISHED.manifest(name)


@lru_cache
def cells(name: str) -> pd.DataFrame:
    """Return the cells of a published experiment's table."""
    return compare(PUBLISHED, _manifest(name))


@lru_cache
def _verdicts(name: str) -> list[claims.Verdict]:
    return list(verdicts_of(name).values())


def _names() -> list[str]:
    return PUBLISHED.experiments()


if __name__ == "__main__":
    for name in PAGES:
        (HERE / name).write_text(page(name), encoding="utf-8")
