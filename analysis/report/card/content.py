"""The card as a value: the claim, its readings, costs and basis, and what the other claims have come to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis import schema
from analysis.claims import (
    CONTRADICTED,
    INERT,
    NO_VERDICT,
    NOT_RUN,
    Verdict,
    counts_in_words,
)
from analysis.claims.bounds import rule_in_words
from analysis.report import answer
from analysis.report.ablation import PartAnswer
from analysis.report.card.open_claim import remedy_of
from analysis.report.card.sentences import effect_of, found, titles_of
from analysis.report.identical import identical_sentences
from analysis.report.order import question_of
from analysis.report.own_data import MEANINGS as OWN_MEANINGS
from analysis.report.own_data import OwnAnswer
from analysis.report.remedy import cost_in_words, count, duration, more_runs, seconds_by_device
from analysis.results import Results, Run
from analysis.schema import Manifest
from analysis.tables import kind_of

if TYPE_CHECKING:
    import pandas as pd

MOST_LISTED = 4  # tasks that are named, methods whose cost is given, contradicted claims that are quoted
READINGS = schema.READING_WORDS


@dataclass(frozen=True)
class Reading:
    """What was found for one reading of the claim, or for one comparison where nothing is claimed.

    Attributes:
        name: the reading; "" where there is only one.
        word: the verdict.
        chip: its colour on the page.
        sentence: the finding, built from the claim's own contrast.
        remedy: what would decide, where it is open; "" elsewhere.
        effect: the difference with its interval; "" where there is no single one.
        time: what the seeds that would decide take, in words; "" where none are named.
        command: the command that runs them.
        is_open: True without a verdict: the claim was not run, or no method can be judged.
    """

    name: str
    word: str
    chip: str
    sentence: str
    remedy: str = ""
    effect: str = ""
    time: str = ""
    command: str = ""
    is_open: bool = False


@dataclass(frozen=True)
class Card:
    """The answer.

    Attributes:
        claim: the sentence that was claimed; "" where the experiment has no claims.
        source: table, figure or section that claims it.
        readings: the findings.
        costs: what the runs took.
        basis: data, model and runs that the answer rests on.
        undecided: what the other claims of the experiment have come to, a sentence each.
        words: the words of the verdicts, each with its meaning.
        identical: groups of methods that gave the same answers, a sentence each.
        is_own: True if the answer is about a user's own data.
        parts: what the parts of the methods do; below the table, or first where no reading has a verdict.
        rule: bound and quantifier of the claim, in words.
    """

    claim: str
    source: str
    readings: tuple[Reading, ...]
    costs: tuple[str, ...]
    basis: str
    undecided: tuple[str, ...]
    words: tuple[tuple[str, str], ...] = ()
    identical: tuple[str, ...] = ()
    is_own: bool = False
    parts: tuple[PartAnswer, ...] = ()
    rule: str = ""

    @property
    def is_led_by_parts(self) -> bool:
        """True if the answers about the parts come first, because the claim has no verdict in any reading."""
        return bool(self.parts and self.readings) and all(reading.is_open for reading in self.readings)


def card_of(
    results: Results,
    manifest: Manifest,
    cells: pd.DataFrame,
    verdicts: Sequence[Verdict],
    runs: Sequence[Run],
    own: Sequence[OwnAnswer] = (),
) -> Card:
    """Return the answer card: of own data, else of the first claim that can be decided, else of the comparisons."""
    costs, basis = tuple(_costs(manifest, verdicts, runs)), basis_of(manifest, runs)
    identical = tuple(identical_sentences(results, manifest, cells))
    if own:
        several = len({summary.task for summary in own}) > 1
        names = [f"{summary.title}, {summary.task}" if several else summary.title for summary in own]
        readings = tuple(_own_reading(name, summary, manifest, runs) for name, summary in zip(names, own, strict=True))
        words = tuple((word, OWN_MEANINGS[word]) for word in dict.fromkeys(summary.verdict for summary in own))
        return Card("", "", readings, (), basis, (), words, identical, is_own=True)
    question = question_of(verdicts)
    if question:
        first = question[0].claim
        return Card(
            first.sentence,
            first.table,
            tuple(reading_of(results, manifest, verdict, runs, named=len(question) > 1) for verdict in question),
            costs,
            basis,
            tuple(_undecided(verdicts, question)),
            tuple(answer.words_of(question)),
            identical,
            rule="; ".join(rule_in_words(question[0], titles_of(manifest))),
        )
    summaries = answer.summaries(manifest, cells)
    readings = tuple(Reading("", *_summary_word(summary), summary.sentence) for summary in summaries)
    return Card("", "", readings, costs, basis, (), (), identical)


def basis_of(manifest: Manifest, runs: Sequence[Run]) -> str:
    """Return what the answer rests on: data, model, tasks and runs."""
    sources = sorted({str(run.result.get("source")) for run in runs if run.result.get("source")})
    models = sorted({str(run.spec.get("model")) for run in runs})
    tasks = [column.title or column.task for column in {c.task: c for c in reversed(manifest.columns)}.values()][::-1]
    names = ", ".join(tasks) if len(tasks) <= 2 * MOST_LISTED else f"{len(tasks)} tasks"
    seeds = count(len(manifest.seeds), "seed")
    data = ["generated data"] if manifest.is_generated else [f"{source} data" for source in sources]
    return "; ".join([*data, *(f"model {model}" for model in models), names, f"{seeds}, {count(len(runs), 'run')}"])


def reading_of(
    results: Results, manifest: Manifest, verdict: Verdict, runs: Sequence[Run], *, named: bool = False
) -> Reading:
    """Return the finding of one verdict, with what would decide it and the command that runs it.

    Args:
        results: the results folder.
        manifest: the experiment.
        verdict: the verdict.
        runs: the experiment's finished runs, whose times give the time of further ones.
        named: True if the claim has several readings, so that each is named.
    """
    name = READINGS.get(verdict.claim.reading, verdict.claim.reading) if named else ""
    remedy, more = remedy_of(results, manifest, verdict)
    titles = titles_of(manifest)
    return Reading(
        name,
        verdict.words_with(titles),
        answer.chip_of(verdict),
        found(verdict, titles),
        remedy,
        effect_of(verdict, titles),
        *(more_runs(manifest, runs, more) if more else ("", "")),
        is_open=verdict.status in (NOT_RUN, NO_VERDICT, INERT),
    )


def _own_reading(name: str, own: OwnAnswer, manifest: Manifest, runs: Sequence[Run]) -> Reading:
    time, command = more_runs(manifest, runs, own.more_seeds) if own.more_seeds else ("", "")
    return Reading(name, own.verdict, own.chip, own.sentence, own.details, own.effect, time, command)


def _costs(manifest: Manifest, verdicts: Sequence[Verdict], runs: Sequence[Run]) -> Iterator[str]:
    """Yield what a run of each compared method takes beside its reference, and what all runs took."""
    titles = {row.id: row.title for row in manifest.rows}
    pairs = [(v.claim.a, v.claim.b) for v in question_of(verdicts)]
    if not pairs and manifest.baseline_row is not None:
        pairs = [(row.id, manifest.baseline_row) for row in manifest.rows if row.id != manifest.baseline_row]
    keys = {row: {k for ks in cells.values() for k in ks} for row, cells in manifest.cells.items()}
    by_reference: dict[str, dict[str, set[str]]] = {}
    for a, b in list(dict.fromkeys(pairs))[:MOST_LISTED]:
        by_reference.setdefault(b, {})[titles.get(a, a)] = keys.get(a, set())
    for b, methods in by_reference.items():
        if text := cost_in_words(methods, titles.get(b, b), keys.get(b, set()), runs):
            yield text
    by_device = seconds_by_device(runs)
    if by_device:
        parts = [f"{duration(sum(times))} on the {device}" for device, times in by_device.items()]
        total = parts if len(parts) > 1 else [duration(sum(sum(times) for times in by_device.values()))]
        yield f"All {count(len(runs), 'run')}: {' and '.join(total)} of computing."


def _undecided(verdicts: Sequence[Verdict], question: Sequence[Verdict]) -> Iterator[str]:
    """Yield what the other claims of the experiment have come to: the contradicted ones first, then all counted."""
    others = [verdict for verdict in verdicts if verdict not in question]
    contradicted = [verdict for verdict in others if verdict.counted_as == CONTRADICTED]
    for verdict in contradicted[:MOST_LISTED]:
        reading = READINGS.get(verdict.claim.reading, verdict.claim.reading)
        yield f'{verdict.label[:1].upper()}{verdict.label[1:]}: "{verdict.claim.sentence.rstrip(".")}"' + (
            f" ({reading})." if reading else "."
        )
    if others:
        yield f"{count(len(others), 'further claim')}: {counts_in_words(others)}{_common_reason(others)}."


def _common_reason(verdicts: Sequence[Verdict]) -> str:
    """Return the reason of the claims without a verdict where all have one reason: `` (no verdict: at the floor)``."""
    kinds = (kind_of(verdict.reason) for verdict in verdicts if verdict.status == NO_VERDICT and verdict.reason)
    reasons = list(dict.fromkeys(answer.OUTSIDE.get(kind, kind) for kind in kinds))
    return f" ({NO_VERDICT}: {reasons[0]})" if len(reasons) == 1 else ""


def _summary_word(summary: answer.Summary) -> tuple[str, str]:
    """Return the word and colour of a method's comparisons: the common one, or how many are better and worse."""
    counts = {word: n for word, n in summary.counts.items() if n}
    word = next(iter(counts)) if len(counts) == 1 else "mixed"
    return word, answer.CHIPS.get(word, answer.OPEN)
