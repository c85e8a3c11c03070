"""The findings of studies 1 and 2 in other settings: a table, by the rule of docs/analysis-plan.md.

``table()`` has a line for each finding, with its effect as found and in each setting; ``facts()`` yields the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from published import PUBLISHED, verdicts_of

from analysis import claims, tables
from analysis.claims.claim import LEVEL
from analysis.contrasts import Arm, changed_answers, measure, read_row, weighted
from analysis.crossed import combine
from analysis.interval import Interval

NOT_RUN = "not run"
HOLDS, REVERSED, OPEN = "holds", "reversed", "open"
OTHER_RATE, PAPERS_RATE, THREE_LAYERS, TOPICS = (
    "half or twice the rate",
    "the paper's rate",
    "three layers",
    "AG's News",
)


class Place(NamedTuple):
    """Where a contrast is measured: an experiment, and the task of it."""

    experiment: str
    task: str = "sst2"


@dataclass(frozen=True, eq=False)
class Finding:
    """A contrast of two arms that is tried in other settings.

    Attributes:
        name: short name, for the numbers.
        title: what is contrasted, in a figure.
        sentence: what was found.
        a, b: the arms.
        here: where it was found.
        elsewhere: setting -> place.
        of_answers: True if the contrast is of the shares of changed answers, False if of accuracies.
    """

    name: str
    title: str
    sentence: str
    a: str
    b: str
    here: Place
    elsewhere: Mapping[str, Place]
    of_answers: bool


_RADIUS = {
    OTHER_RATE: Place("epsilon-half-rate"),
    THREE_LAYERS: Place("epsilon-three-layers"),
    TOPICS: Place("epsilon-ag-news", "ag-news"),
}
_TEACHER = {
    OTHER_RATE: Place("self-distillation-double-rate"),
    PAPERS_RATE: Place("self-distillation-paper-rate"),
    THREE_LAYERS: Place("self-distillation-three-layers"),
    TOPICS: Place("self-distillation", "ag-news"),
}
SETTINGS = (OTHER_RATE, PAPERS_RATE, THREE_LAYERS, TOPICS)
CHANGES_NOTHING = "control-epsilon-paper-changes-nothing"  # finding 1, a claim of its own in each setting
FINDINGS = (
    Finding(
        "direction",
        "ascent against signs",
        "At a radius of 0.01 the ascent changes more answers than random signs of the same size (points of answers)",
        "epsilon-ascent@0.01",
        "epsilon-signs@0.01",
        Place("epsilon"),
        _RADIUS,
        of_answers=True,
    ),
    Finding(
        "masks",
        "masks alone against 1e-5",
        "Independent masks alone change more answers than the paper's radius with shared masks (points of answers)",
        "epsilon-0[independent]",
        "epsilon-ascent@1e-05",
        Place("epsilon"),
        _RADIUS,
        of_answers=True,
    ),
    Finding(
        "one-student",
        "SDA against plain",
        "SDA (K = 1), the teacher without dropout, against plain fine-tuning (points of accuracy)",
        "sda[K=1]",
        "vanilla",
        Place("self-distillation"),
        _TEACHER,
        of_answers=False,
    ),
    Finding(
        "teacher-masks",
        "student's masks against none",
        "SDA (K = 1), the teacher with the student's masks against without dropout (points of accuracy)",
        "sda[K=1]:shared",
        "sda[K=1]",
        Place("self-distillation"),
        _TEACHER,
        of_answers=False,
    ),
)


class Outcome(NamedTuple):
    """A finding in another setting.

    Attributes:
        interval: the effect there.
        change: that effect minus the one as found, at the seeds that both have.
        word: "holds" if the interval lies on the side of 0 on which the finding's does, "reversed" on the other one,
            "open" where it holds 0.
    """

    interval: Interval
    change: Interval
    word: str


def table() -> str:
    """Return the findings as a table in Markdown, each with its effect here and in the other settings."""
    lines = [("finding", "as found", *SETTINGS), _first()]
    for finding in FINDINGS:
        here = effect(finding, finding.here)
        cells = [_cell(finding, setting) for setting in SETTINGS]
        lines.append((finding.sentence, NOT_RUN if here is None else _in_short(here), *cells))
    return tables.github(lines)


def facts() -> Iterator[tuple[str, str]]:
    """Yield name and number: effects in the settings, ``elsewhere/FINDING/EXPERIMENT``, and counts of the tries."""
    tried = [found for finding in FINDINGS for setting in finding.elsewhere if (found := outcome(finding, setting))]
    firsts = [verdict for place in _RADIUS.values() if (verdict := _verdict(place)) is not None]
    yield "elsewhere/tried", str(len(tried) + len(firsts))
    yield "elsewhere/hold", str([*(found.word for found in tried), *map(_word, firsts)].count(HOLDS))
    yield "elsewhere/of", str(len(_RADIUS) + sum(len(finding.elsewhere) for finding in FINDINGS))
    for place in _RADIUS.values():
        if verdict := _verdict(place):
            yield f"elsewhere/changes-nothing/{place.experiment}", _share(verdict).partition(":")[0]
    for finding in FINDINGS:
        for setting, place in finding.elsewhere.items():
            if found := outcome(finding, setting):
                yield f"elsewhere/{finding.name}/{place.experiment}", _in_short(found.interval)
                yield f"elsewhere/{finding.name}/{place.experiment}/change", _in_short(found.change)


@lru_cache
def outcome(finding: Finding, setting: str) -> Outcome | None:
    """Return the finding in another setting; None where it or the original is not run."""
    here, there = _arms(finding, finding.here), _arms(finding, finding.elsewhere[setting])
    if here is None or there is None:
        return None
    original, interval = _interval(here), _interval(there)
    word = word_of(original.estimate, interval.low, interval.high)
    return Outcome(interval, _interval([*there, *weighted(here, -1.0)]), word)


def word_of(found: float, low: float, high: float) -> str:
    """Return whether an effect that was found holds where its interval is ``low`` to ``high``."""
    ends = sorted(end if found > 0 else -end for end in (low, high))
    return HOLDS if ends[0] > 0 else REVERSED if ends[1] < 0 else OPEN


def effect(finding: Finding, place: Place) -> Interval | None:
    """Return the finding's effect in a place; None where an arm is not run."""
    arms = _arms(finding, place)
    return None if arms is None else _interval(arms)


def _arms(finding: Finding, place: Place) -> list[Arm] | None:
    """Return the contrast in a place; None where an arm of it is not run."""
    if place.experiment not in PUBLISHED.experiments():
        return None
    manifest = PUBLISHED.manifest(place.experiment)
    column = next((column for column in manifest.columns if column.task == place.task), None)
    if column is None:
        return None
    column = replace(column, metric="accuracy")  # AG's News has an error rate
    rows = [finding.a, finding.b, *([str(manifest.baseline_row)] if finding.of_answers else [])]
    if not all(any(map(PUBLISHED.is_done, manifest.keys(row, column))) for row in rows):
        return None
    cells = [read_row(PUBLISHED, manifest, row, column) for row in rows]
    if finding.of_answers:
        cells = [changed_answers(cell, cells[-1], column.metric) for cell in cells[:-1]]
    return [Arm(weight, cell, column) for weight, cell in zip((1.0, -1.0), cells, strict=True)]


def _interval(arms: list[Arm]) -> Interval:
    """Return the interval at the seeds that all arms have, for new seeds and new items."""
    seeds = [seed for seed in arms[0].scored.seeds if all(seed in arm.scored.seeds for arm in arms)]
    return combine([measure(arms, seeds)], level=LEVEL)


def _first() -> tuple[str, ...]:
    """Return the line of finding 1: shares of changed answers at the paper's radius, by the claims of the settings."""
    here = _verdict(Place("epsilon"))
    cells = [_share(_verdict(_RADIUS[setting])) if setting in _RADIUS else "" for setting in SETTINGS]
    sentence = "At the paper's radius R_s with shared masks changes less than 0.1 % of plain fine-tuning's answers (%)"
    return (sentence, NOT_RUN if here is None else _share(here).partition(":")[0], *cells)


def _verdict(place: Place) -> claims.Verdict | None:
    found = [v for id, v in verdicts_of(place.experiment).items() if id.startswith(CHANGES_NOTHING)]
    return found[0] if found and found[0].interval is not None else None


def _word(verdict: claims.Verdict) -> str:
    return {claims.SUPPORTED: HOLDS, claims.CONTRADICTED: REVERSED}.get(verdict.status, OPEN)


def _share(verdict: claims.Verdict | None) -> str:
    if verdict is None or verdict.interval is None:
        return NOT_RUN
    ends = f"{tables.number(verdict.interval.low, 2)} to {tables.number(verdict.interval.high, 2)}"
    return f"{tables.number(verdict.interval.estimate, 2)} ({ends}): {_word(verdict)}"


def _cell(finding: Finding, setting: str) -> str:
    if setting not in finding.elsewhere:
        return ""
    found = outcome(finding, setting)
    if found is None:
        return NOT_RUN
    return f"{_in_short(found.interval)}: {found.word}; change {_in_short(found.change)}"


def _in_short(interval: Interval) -> str:
    ends = f"{tables.number(interval.low)} to {tables.number(interval.high)}"
    return f"{tables.number(interval.estimate, signed=True)} ({ends})"
