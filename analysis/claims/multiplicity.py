"""Many claims are tested: what is left of a verdict after Holm's correction.

At most twelve contrasts are primary, committed in ``primary.csv`` before their first run, each with its task, arms,
working point, unit, size, seeds and forecast: they are decided after Holm's correction over all of them. The twelve of
the pilot (``pilot.csv``) stay decided among themselves. Every other claim is exploratory: it is decided by its own
interval, and Holm's p over its family, all claims of one paper (``families.csv``), stands beside it. A claim that was
not run, or without a verdict, counts with p = 1.
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
HERE = Path(__file__).parent
Decide = Callable[[Results, Manifest], Sequence[Verdict]]


@dataclass(frozen=True)
class Family:
    """Claims that are corrected together: their ids, and the experiments that ask them."""

    name: str
    claims: tuple[str, ...]
    experiments: tuple[str, ...]
    is_primary: bool = False


def corrected(
    results: Results, manifest: Manifest, verdicts: Sequence[Verdict], decide_experiment: Decide
) -> list[Verdict]:
    """Return the verdicts of one experiment with Holm's p over their families; primary ones are decided by it.

    Args:
        decide_experiment: uncorrected verdicts of an experiment: the family's other claims are read from the newest
            manifests of their experiments in the same results folder.
    """
    own = {verdict.claim.id: p_in_family(verdict) for verdict in verdicts}
    corrections: dict[str, dict[str, float]] = {}
    adjusted = []
    for verdict in verdicts:
        family = family_of(verdict.claim.id)
        if family is None or not counts(verdict):
            adjusted.append(verdict)
            continue
        if family.name not in corrections:
            elsewhere = _elsewhere(results, manifest, family, decide_experiment)
            corrections[family.name] = over_family(family, {**elsewhere, **own})
        adjusted.append(_with_holm(verdict, family, corrections[family.name][verdict.claim.id]))
    return adjusted


def over_family(family: Family, p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Holm's p of every claim of a family; a claim without a p counts as 1."""
    adjusted = holm([p_values.get(claim, 1.0) for claim in family.claims])
    return {claim: float(p) for claim, p in zip(family.claims, adjusted, strict=True)}


def p_in_family(verdict: Verdict) -> float:
    """Return the p that a verdict brings into its family: 1 where there is none."""
    return verdict.p if counts(verdict) and not math.isnan(verdict.p) else 1.0


def counts(verdict: Verdict) -> bool:
    """Return whether a verdict is one on its whole claim."""
    return verdict.status not in (NOT_RUN, NO_VERDICT, INERT) and not verdict.in_part


def family_of(claim: str) -> Family | None:
    """Return the primary contrasts, or the paper's claims, that a claim belongs to; None for a claim of neither."""
    return next((family for family in families() if claim in family.claims), None)


@lru_cache
def families() -> tuple[Family, ...]:
    """Return the primary contrasts first, then the pilot's, then every paper's claims.

    Raises: ValueError: more than twelve primary contrasts, or one that no experiment asks.
    """
    lines = _read("families.csv")
    asked_by = {line["claim"]: line["experiment"] for line in lines}
    primary = (
        _primary("primary.csv", "primary contrasts", asked_by),
        _primary("pilot.csv", "primary contrasts of the pilot", asked_by),
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


def _primary(file: str, words: str, asked_by: Mapping[str, str]) -> Family:
    """Return the contrasts that a file names. Raises ValueError: too many, or one that no experiment asks."""
    claims = tuple(line["claim"] for line in _read(file))
    unknown = [claim for claim in claims if claim not in asked_by]
    if len(claims) > MOST_PRIMARY or unknown:
        raise ValueError(f"{file}: at most {MOST_PRIMARY} claims of families.csv; it has {len(claims)}, {unknown}")
    return Family(f"{len(claims)} {words}", claims, _distinct(asked_by[claim] for claim in claims), True)


def _with_holm(verdict: Verdict, family: Family, p: float) -> Verdict:
    if math.isnan(verdict.p):
        return verdict
    verdict = replace(verdict, holm=p, family=family.name, is_primary=family.is_primary)
    if not family.is_primary or verdict.status not in (SUPPORTED, CONTRADICTED) or p <= 1 - LEVEL:
        return verdict
    return replace(verdict, status=INCONCLUSIVE, suffix=f"{verdict.status} before Holm's correction")


def _elsewhere(results: Results, manifest: Manifest, family: Family, decide_experiment: Decide) -> dict[str, float]:
    """The p values of the family's claims in the other experiments of the results folder."""
    present = [name for name in results.experiments() if name in family.experiments and name != manifest.name]
    return {claim: p for name in present for claim, p in _p_values_of(results, name, decide_experiment).items()}


def _p_values_of(results: Results, name: str, decide_experiment: Decide) -> dict[str, float]:
    other = results.manifest(name)
    state = (
        str(results.root.resolve()),
        name,
        other.grid,
        tuple(key for key in other.all_keys() if results.is_done(key)),
    )
    if state not in _P_VALUES:
        _P_VALUES[state] = {verdict.claim.id: p_in_family(verdict) for verdict in decide_experiment(results, other)}
    return _P_VALUES[state]


_P_VALUES: dict[
    tuple[str, str, str, tuple[str, ...]], dict[str, float]
] = {}  # by state of the folder: runs never change


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _read(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
