"""Correct verdicts for the number of claims that are tested (Holm).

At most twelve contrasts are primary. They are listed in ``primary.csv``, each with its task, arms, working point, unit,
size, seeds and forecast, committed before their first run, and decided after Holm's correction over all of them. The
twelve of the pilot (``pilot.csv``) are decided among themselves. Every other claim is exploratory: its own interval
decides, and Holm's p over its family (all claims of one paper, ``families.csv``) is reported next to it. A claim that
was not run, or has no verdict, counts with p = 1.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from analysis.claims.claim import CONTRADICTED, INCONCLUSIVE, INERT, LEVEL, NO_VERDICT, NOT_RUN, SUPPORTED, Verdict
from analysis.descriptive import holm
from analysis.results import Results
from analysis.schema import Manifest

MOST_PRIMARY = 12
FOLDER = Path(__file__).parent
Decide = Callable[[Results, Manifest], Sequence[Verdict]]


@dataclass(frozen=True)
class Family:
    """Claims that are corrected together: their ids, and the experiments that test them."""

    name: str
    claims: tuple[str, ...]
    experiments: tuple[str, ...]
    is_primary: bool = False


def corrected(
    results: Results, manifest: Manifest, verdicts: Sequence[Verdict], decide_experiment: Decide
) -> list[Verdict]:
    """Return the verdicts of one experiment with Holm's p over their families, which decides primary contrasts.

    The family's claims of other experiments are read from their newest manifests in the same results folder.

    Args:
        results: the results folder.
        manifest: the experiment.
        verdicts: its verdicts without correction.
        decide_experiment: function that returns the uncorrected verdicts of another experiment.
    """
    p_values = {verdict.claim.id: p_in_family(verdict) for verdict in verdicts}
    corrections: dict[str, dict[str, float]] = {}
    adjusted = []
    for verdict in verdicts:
        family = family_of(verdict.claim.id)
        if family is None or not counts(verdict):
            adjusted.append(verdict)
            continue
        if family.name not in corrections:
            other_p_values = _elsewhere(results, manifest, family, decide_experiment)
            corrections[family.name] = over_family(family, {**other_p_values, **p_values})
        adjusted.append(_with_holm(verdict, family, corrections[family.name][verdict.claim.id]))
    return adjusted


def over_family(family: Family, p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's p of every claim of a family; a claim without a p counts as 1."""
    adjusted = holm([p_values.get(claim, 1.0) for claim in family.claims])
    return {claim: float(p) for claim, p in zip(family.claims, adjusted, strict=True)}


def p_in_family(verdict: Verdict) -> float:
    """Return the p that a verdict contributes to its family: 1 where there is none."""
    return verdict.p if counts(verdict) and not math.isnan(verdict.p) else 1.0


def counts(verdict: Verdict) -> bool:
    """Return True if a verdict covers the whole claim."""
    return verdict.status not in (NOT_RUN, NO_VERDICT, INERT) and not verdict.in_part


def family_of(claim: str) -> Family | None:
    """Return the family of a claim: the primary contrasts, or its paper's claims; None if it is in neither."""
    return next((family for family in families() if claim in family.claims), None)


@lru_cache
def families() -> tuple[Family, ...]:
    """Return the primary contrasts, those of the pilot, and the families of each paper's claims.

    Raises:
        ValueError: there are more than twelve primary contrasts, or one that no experiment tests.
    """
    lines = _read("families.csv")
    experiment_of = {line["claim"]: line["experiment"] for line in lines}
    primary = (
        _primary("primary.csv", "primary contrasts", experiment_of),
        _primary("pilot.csv", "primary contrasts of the pilot", experiment_of),
    )
    names = dict.fromkeys(line["family"] for line in lines)
    groups = {name: [line for line in lines if line["family"] == name] for name in names}
    return *primary, *(
        Family(
            f"{len(group)} claims of {name}",
            tuple(line["claim"] for line in group),
            _distinct(line["experiment"] for line in group),
        )
        for name, group in groups.items()
    )


def _primary(file: str, words: str, experiment_of: Mapping[str, str]) -> Family:
    """Return the primary contrasts that a file lists.

    Raises:
        ValueError: there are more than twelve, or one that no experiment tests.
    """
    claims = tuple(line["claim"] for line in _read(file))
    missing = [claim for claim in claims if claim not in experiment_of]
    if len(claims) > MOST_PRIMARY or missing:
        raise ValueError(
            f"{file} must hold at most {MOST_PRIMARY} claims, all of them in families.csv; "
            f"it has {len(claims)}, and families.csv lacks {missing}"
        )
    return Family(f"{len(claims)} {words}", claims, _distinct(experiment_of[claim] for claim in claims), True)


def _with_holm(verdict: Verdict, family: Family, p: float) -> Verdict:
    if math.isnan(verdict.p):
        return verdict
    verdict = replace(verdict, holm=p, family=family.name, is_primary=family.is_primary)
    if not family.is_primary or verdict.status not in (SUPPORTED, CONTRADICTED) or p <= 1 - LEVEL:
        return verdict
    return replace(verdict, status=INCONCLUSIVE, suffix=f"{verdict.status} before Holm's correction")


def _elsewhere(results: Results, manifest: Manifest, family: Family, decide_experiment: Decide) -> dict[str, float]:
    """Return the p values of the family's claims in the other experiments of the results folder."""
    present = [name for name in results.experiments() if name in family.experiments and name != manifest.name]
    return {claim: p for name in present for claim, p in _p_values_of(results, name, decide_experiment).items()}


def _p_values_of(results: Results, name: str, decide_experiment: Decide) -> dict[str, float]:
    manifest = results.manifest(name)
    state = (
        str(results.root.resolve()),
        name,
        manifest.grid,
        tuple(key for key in manifest.all_keys() if results.is_done(key)),
    )
    if state not in _P_VALUES:
        _P_VALUES[state] = {verdict.claim.id: p_in_family(verdict) for verdict in decide_experiment(results, manifest)}
    return _P_VALUES[state]


# Cache by state of the results folder; a finished run never changes.
_P_VALUES: dict[tuple[str, str, str, tuple[str, ...]], dict[str, float]] = {}


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _read(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
