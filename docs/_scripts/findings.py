"""Fills the numbers of docs/FINDINGS.md from the published runs: ``python docs/_scripts/findings.py``. A test compares.

Written anew are blocks from ``<!-- table NAME -->`` (also ``claims``; ``attacks``) to ``<!-- end -->``, and
single numbers with their source behind them, ``+1.2<!--= claim/ID/estimate -->``. Every other word is an author's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import claims, curves, frames, tables
from analysis.claims.claim import POINTS
from analysis.comparison import compare
from analysis.load import load
from analysis.results import Results
from analysis.schema import Manifest

HERE = Path(__file__).resolve().parents[1]  # docs/
PUBLISHED = Results.open(HERE.parent / "results" / "published")
PAGE = HERE / "FINDINGS.md"
ATTACKS = {  # title -> experiment (benchmarks/experiments/attacks.py)
    "seeds 10 to 17": "attack-seeds",
    "half the learning rate": "attack-half-rate",
    "double the learning rate": "attack-double-rate",
    "seeds 20 to 27": "attack-slice",
}
AGAINST = {"what-drives-smart": "r-drop"}  # experiment -> a baseline its arms are also held against
_BLOCK = re.compile(r"(<!-- (table|claims|attacks) ([\w-]+) -->\n).*?(<!-- end -->)", re.S)
_SOURCE = re.compile(r"<!--= \S+ -->")
_NUMBER = re.compile(r"[+\u2212]?[\d,]*\d(?:\.\d+)?(?:e[+-]\d+)?(<!--= (\S+) -->)")


def page() -> str:
    """The page with every number as the published runs give it."""
    text = PAGE.read_text(encoding="utf-8")
    text = _BLOCK.sub(lambda m: f"{m[1]}\n{BLOCKS[m[2]](_manifest(m[3]))}\n{m[4]}", text)
    if bare := _SOURCE.findall(_NUMBER.sub("", text)):
        raise SystemExit(f"{PAGE.name}: no number before {bare[0]}; write any, as 0{bare[0]}, and it is filled in")
    return _NUMBER.sub(lambda m: facts()[m[2]] + m[1], text)


@lru_cache
def facts() -> dict[str, str]:
    """Name -> number as it is printed: of cells (``together/cola.matthews/sda[K=1]/mean``), of claims, of all runs."""
    keys = PUBLISHED.run_keys()
    on_gpu = sum(PUBLISHED.run(key).environment["device"] == "cuda" for key in keys)
    found = {"runs": f"{len(keys):,}", "runs/cuda": f"{on_gpu:,}", **differing()}
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
    """The experiment's table, as papers print it."""
    return tables.github(tables.matrix(cells(manifest.name)), texts=1)


def verdicts(manifest: Manifest) -> str:
    """The experiment's claims that were decided, each with its numbers; then how many were not run."""
    found = _verdicts(manifest.name)
    decided = [verdict for verdict in found if verdict.status != claims.NOT_RUN]
    lines = [("claim", "reading", "verdict", "numbers", "id")]
    for verdict in decided:
        claim, told = verdict.claim, claims.in_words(verdict)
        lines.append((claim.sentence, claim.reading, verdict.words, told[len(verdict.words) + 2 :], claim.id))
    text = tables.github(lines)
    left = [f"`{verdict.claim.id}`" for verdict in found if verdict.status == claims.NOT_RUN]
    return text + (f"\n\nNot run: {', '.join(left)}." if left else "")


def attacked(name: str) -> Iterator[tuple[claims.Verdict, dict[str, claims.Verdict | None]]]:
    """Each claim that an experiment attacks: its verdict as found, on the attack's tasks, and that of each of the
    :data:`ATTACKS`, None where it was not run."""
    known = {v.claim.id: v for each in _names() for v in _verdicts(each) if v.status != claims.NOT_RUN}
    home = {v.claim.id: each for each in _names() for v in _verdicts(each)}
    for verdict in _verdicts(name):
        about = verdict.claim.id.removeprefix(f"{name}-")
        found = known[f"control-{about}"]
        if found.claim.tasks != verdict.claim.tasks:
            there = _manifest(home[found.claim.id])
            found = claims.decide(PUBLISHED, there, replace(found.claim, tasks=verdict.claim.tasks))
        yield found, {title: known.get(f"{attack}-{about}") for title, attack in ATTACKS.items()}


def survival(manifest: Manifest) -> str:
    """The claims that an experiment attacks: each verdict as found and in every attack; whether it stayed."""
    lines = [("claim", "as found", *ATTACKS, "survives")]
    for found, tried in attacked(manifest.name):
        fell = [title for title, each in tried.items() if each and each.status != found.status]
        end = f"no: {', '.join(fell)}" if fell else "yes" if all(tried.values()) else "open"
        lines.append((found.claim.sentence, *(_in_short(each) for each in (found, *tried.values())), end))
    return tables.github(lines)


def _in_short(verdict: claims.Verdict | None) -> str:
    """The verdict and its interval; "not run" where there is none."""
    if verdict is None:
        return claims.NOT_RUN
    found = verdict.interval
    estimate = tables.number(found.estimate, signed=True)
    return f"{verdict.status}, {estimate} ({tables.number(found.low)} to {tables.number(found.high)})"


def fit(manifest: Manifest, task: str) -> dict[str, str]:
    """How each method's runs on a task fit and answer, means over runs: accuracy, the share of their commonest answer,
    the task's loss over the last third of the updates, and each part that is logged beside it; how many diverged."""
    found: dict[str, str] = {}
    column = next(column for column in manifest.columns if column.task == task)
    away = curves.diverged(curves.read_logs(PUBLISHED, manifest), manifest).set_index(["row", "column"])["diverged"]
    for row in manifest.rows:
        keys = [key for key in manifest.keys(row.id, column) if PUBLISHED.is_done(key)]
        if not keys or column.metric in ("pearson", "spearman"):
            continue
        answers = [PUBLISHED.predictions(key, task, column.split) for key in keys]
        logs = [PUBLISHED.history(key) for key in keys]
        means = {
            "accuracy": 100 * np.mean([(each["label"] == each["prediction"]).mean() for each in answers]),
            "commonest": 100 * np.mean([each["prediction"].value_counts(normalize=True).max() for each in answers]),
            "loss": np.mean([log["task"].iloc[-(len(log) // 3) :].mean() for log in logs]),
        }
        found |= {f"{row.id}/{name}": tables.number(float(v), 2 if name == "loss" else 1) for name, v in means.items()}
        found[f"{row.id}/diverged"] = str(int(away.get((row.id, column.id), 0)))
        parts = [part for part in ("smoothness", "bregman", "distillation", "start_share") if part in logs[0]]
        found |= {f"{row.id}/{part}": f"{np.mean([log[part].mean() for log in logs]):.1e}" for part in parts}
        found["majority"] = tables.number(100 * float(answers[0]["label"].value_counts(normalize=True).max()))
    return {f"{manifest.name}/{task}/{name}": value for name, value in found.items()}


BLOCKS: dict[str, Callable[[Manifest], str]] = {"table": table, "claims": verdicts, "attacks": survival}


@lru_cache
def _manifest(name: str) -> Manifest:
    return PUBLISHED.manifest(name)


@lru_cache
def cells(name: str) -> pd.DataFrame:
    """The cells of a published experiment's table."""
    return compare(PUBLISHED, _manifest(name))


@lru_cache
def _verdicts(name: str) -> list[claims.Verdict]:
    return claims.decide_all(PUBLISHED, _manifest(name))


def _names() -> list[str]:
    return PUBLISHED.experiments()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
