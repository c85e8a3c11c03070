"""The first screen of a report: what was claimed, what was found, how sure, on what, and what could not be decided."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from analysis import schema
from analysis.claims import (
    CONTRADICTED,
    INCONCLUSIVE,
    INERT,
    NO_VERDICT,
    NOT_RUN,
    SUPPORTED,
    Verdict,
    counts_in_words,
)
from analysis.claims.bounds import rule_in_words
from analysis.claims.claim import POINTS
from analysis.claims.deciding import (
    adjusted_p,
    column_of,
    correction_of,
    deciding_intervals,
    deciding_parts,
    deciding_task,
    hardest_or_easiest,
    has_opposite_tasks,
    is_per_task,
    open_tasks,
)
from analysis.claims.rule import bound_of
from analysis.claims.words import DIGITS, in_groups, interval_text
from analysis.crossed import Components
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.report import answer
from analysis.report.ablation import PartAnswer
from analysis.report.identical import identical_sentences
from analysis.report.order import question_of
from analysis.report.own_data import MEANINGS as OWN_MEANINGS
from analysis.report.own_data import OwnAnswer
from analysis.report.remedy import cost_in_words, count, deciding_seeds, duration, more_runs, seconds_by_device
from analysis.results import Results, Run
from analysis.schema import Column, Manifest
from analysis.tables import kind_of, number, percent, probability, records, unit_of

if TYPE_CHECKING:
    import pandas as pd

MOST_SERIES = 4  # methods that one figure shows on every task
MOST_LISTED = 4  # tasks whose numbers the sentence lists; with more, the figure shows them
READINGS = schema.READING_WORDS
FEWEST_FOR_NOISE = 2  # seeds from which the number of seeds to add can be computed


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
        several = len({each.task for each in own}) > 1
        names = [f"{each.title}, {each.task}" if several else each.title for each in own]
        readings = tuple(_own_reading(name, each, manifest, runs) for name, each in zip(names, own, strict=True))
        words = tuple((word, OWN_MEANINGS[word]) for word in dict.fromkeys(each.verdict for each in own))
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
    readings = tuple(Reading("", *_summary_word(each), each.sentence) for each in summaries)
    return Card("", "", readings, costs, basis, (), (), identical)


def titles_of(manifest: Manifest) -> dict[str, str]:
    """Return the title of each task and of each row, by its id."""
    return {c.task: c.title or c.task for c in manifest.columns} | {row.id: row.title for row in manifest.rows}


def found(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """Return what was found, in one sentence about the two rows that the claim compares.

    Args:
        verdict: the verdict.
        titles: :func:`titles_of` its experiment.
    """
    if verdict.parts:
        return " ".join(f"{part.claim.clause}: {found(part, titles)}" for part in verdict.parts)
    if not verdict.per_task:
        lead = "cannot be decided here" if verdict.is_out_of_reach else "not decided"
        return answer.sentence_of(f"{lead}: {verdict.reason}")
    a, b = (titles.get(row, row) for row in (verdict.claim.a, verdict.claim.b))
    if verdict.estimand and verdict.interval is not None:
        text = f"{a} against {b}: {interval_text(verdict.estimand, verdict.interval, verdict.unit)}"
    elif verdict.interval is not None and len(verdict.per_task) > 1 and verdict.claim.quantifier == "average":
        deciding = [task for task in verdict.per_task if task not in verdict.excluded] or list(verdict.per_task)
        names = [titles.get(task, task) for task in deciding]
        place = f"on average over {len(names)} tasks" if len(names) > 1 else f"on {names[0]}"
        text = f"{a} is {_relation(verdict.interval, verdict.unit)} {b} {place} ({_sure(verdict, verdict.interval)})"
    elif len(verdict.per_task) == 1:
        ((task, only),) = verdict.per_task.items()
        text = f"{a} is {_relation(only, verdict.unit)} {b} on {titles.get(task, task)} ({_sure(verdict, only)})"
    else:
        text = f"{a} against {b}: {_per_task(verdict, titles)} ({count(verdict.n_seeds, 'seed')} a task)"
    left_out = [
        f"{titles.get(task, task)} is not counted ({why})"
        for task, why in verdict.excluded.items()
        if why != verdict.reason
    ]
    if verdict.left_out:
        left_out.append(f"left out: {in_groups({titles.get(t, t): lack for t, lack in verdict.left_out.items()})}")
    reasons = filter(None, (_why(verdict, titles), _after_correction(verdict), verdict.reason))
    return answer.sentence_of(text, *reasons, *left_out)


def forest_of(
    manifest: Manifest, cells: pd.DataFrame, verdicts: Sequence[Verdict]
) -> tuple[pd.DataFrame, dict[str, str], str]:
    """Return the frame of the answer's figure, the title of each series, and the unit.

    The rows are the tasks of the claim's contrast and, for an average, their mean; several readings are several series.
    Where too few seeds leave the claim undecided, and for experiments without claims, they are the differences to the
    baseline. The frame is empty where nothing is compared in one unit.
    """
    import pandas as pd

    names = {row.id: row.title for row in manifest.rows}
    lines: list[dict[str, Any]] = []
    titles: dict[str, str] = {}
    for verdict in verdicts:
        for line in _lines(manifest, cells, verdict):
            lines.append(line)
            titles[verdict.claim.a] = names.get(verdict.claim.a, verdict.claim.a)
    units = {line.pop("unit") for line in lines}
    frame = pd.DataFrame.from_records(lines) if len(units) == 1 else pd.DataFrame()
    if len(frame):
        frame = frame.sort_values("is_mean", kind="stable", ignore_index=True)
    return frame, titles, next(iter(units), "")


def comparisons_of(manifest: Manifest, cells: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str], str]:
    """Return the frame of the answer's figure where nothing is claimed: differences to the baseline.

    The first column of each task counts, and of the methods the first :data:`MOST_SERIES`.
    """
    import pandas as pd

    rows = [row for row in manifest.rows if row.id != manifest.baseline_row][:MOST_SERIES]
    tasks = [column.task for column in manifest.columns]
    lines = [line for row in rows for line in _cell_lines(manifest, cells, row.id, tasks)]
    units = [line.pop("unit") for line in lines]
    kept = [line for line, unit in zip(lines, units, strict=True) if unit == units[0]]
    series = {line["series"] for line in kept}
    return pd.DataFrame.from_records(kept), {r.id: r.title for r in rows if r.id in series}, units[0] if units else ""


def drawn_methods(manifest: Manifest, verdicts: Sequence[Verdict]) -> str:
    """Return which methods the answer's figure shows; "" where it shows all that it is about."""
    n_others = sum(row.id != manifest.baseline_row for row in manifest.rows)
    if verdicts or n_others <= MOST_SERIES:
        return ""
    return f"The first {MOST_SERIES} of {n_others} methods; all are under Figures."


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


def effect_of(verdict: Verdict, titles: Mapping[str, str] | None = None) -> str:
    """Return the difference of a claim's two rows with its interval; "" where the claim has no single difference.

    Of a claim on each or any task it is the difference on the task that decides it or keeps it open, with Holm's p.
    """
    if task := deciding_task(verdict):
        return f"{(titles or {}).get(task, task)}: {_on_one_task(verdict, task)}"
    deciding = [value for task, value in verdict.per_task.items() if task not in verdict.excluded]
    described = deciding or list(verdict.per_task.values())
    values = described if verdict.interval is None else [verdict.interval]
    if verdict.parts or len(values) != 1 or not isinstance(verdict.claim.test, schema.Difference):
        return ""
    return _difference(values[0], verdict.unit)


def _difference(value: Interval, unit: str) -> str:
    return f"{number(value.estimate, DIGITS.get(unit, 1), signed=True)} {unit} ({_ends(value, unit)})"


def _on_one_task(verdict: Verdict, task: str) -> str:
    """Return the difference on one of a claim's tasks, with its p after Holm's correction over them."""
    adjusted = adjusted_p(verdict)
    p = f"Holm's p {_equals(adjusted[task])} over {len(adjusted)} tasks"
    return f"{_difference(verdict.per_task[task], verdict.unit)}, {p}"


def _why(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """Return why a claim on each or any task has its verdict: the task that decides it; "" for other claims."""
    task, claim = deciding_task(verdict), verdict.claim
    if not task or has_opposite_tasks(verdict):
        return ""
    name, numbers = titles.get(task, task), _on_one_task(verdict, task)
    if verdict.status == CONTRADICTED:
        return f"the claim is contradicted by {name} after Holm's correction: {numbers}"
    if verdict.status == SUPPORTED:
        which = "least" if claim.quantifier == "every" else "most"
        return f"the {which} certain task that supports the claim is {name}: {numbers}"
    if verdict.status == INCONCLUSIVE and claim.quantifier == "every":
        ones = open_tasks(verdict)
        lead = f"{len(ones)} of {count(len(deciding_intervals(verdict)), 'task')} {'does' if len(ones) == 1 else 'do'}"
        return f"{lead} not support the claim at the 5 % level, least {name}: {numbers}"
    return f"the most certain task is {name}: {numbers}" if verdict.status == INCONCLUSIVE else ""


def _after_correction(verdict: Verdict) -> str:
    """Return the p of a primary contrast after the correction that decides it; "" for other claims."""
    if not verdict.is_primary or math.isnan(verdict.holm):
        return ""
    return f"after Holm's correction over the {verdict.family} p {_equals(verdict.holm)}"


def _own_reading(name: str, own: OwnAnswer, manifest: Manifest, runs: Sequence[Run]) -> Reading:
    time, command = more_runs(manifest, runs, own.more_seeds) if own.more_seeds else ("", "")
    return Reading(name, own.verdict, own.chip, own.sentence, own.details, own.effect, time, command)


def remedy_of(results: Results, manifest: Manifest, verdict: Verdict) -> tuple[str, int]:
    """Return what would decide an open difference between two rows, in words, and the number of seeds to add.

    They are "" and 0 for every other verdict. Seeds are counted at the level that the corrections leave for the claim
    (over the primary contrasts, over tasks), and where tasks are tested one by one, on the task that keeps it open.
    """
    claim = verdict.claim
    if verdict.status not in (INCONCLUSIVE, NOT_RUN) or not isinstance(claim.test, schema.Difference) or claim.parts:
        return "", 0
    try:
        measured, seeds = deciding_parts(results, manifest, verdict)
    except ResultsError:
        return "", 0
    lacking = max(claim.min_seeds - seeds, 0)
    if seeds < FEWEST_FOR_NOISE or claim.test.against_parents or verdict.unit != POINTS:
        return (f"{count(lacking, 'more seed')} would allow a verdict.", lacking) if lacking else ("", 0)
    if has_opposite_tasks(verdict):
        return "No number of seeds is given: one task supports the claim and another contradicts it.", 0
    correction = correction_of(claim, len(measured))
    target = _target(claim, measured, open_tasks(verdict), correction.level)
    place = f" on {titles_of(manifest).get(target.task, target.task)}" if target.task else ""
    level = f", {correction.words}" if correction.words else ""
    if target.seeds is None:
        items = f" ({correction.words})" if level else ""
        return f"No number of seeds would show {number(target.size)} points{place} on so few items{items}.", 0
    more = max(target.seeds - seeds, lacking, 1)
    role = f", the {_which(claim)} open task," if target.task else ""
    seeds_in_words = count(more, "more seed")
    difference = f"a true difference of {number(target.size)} points{place}"
    return f"About {seeds_in_words} would decide {difference}{role} (80 % chance{level}).", more


@dataclass(frozen=True)
class _Target:
    """The true difference that further seeds should show: its size, the seeds that show it, the task ("": the mean)."""

    size: float
    seeds: int | None
    task: str = ""


def _target(claim: schema.Claim, parts: Mapping[str, Components], open_ones: Sequence[str], level: float) -> _Target:
    """Return the difference to show: of the mean, or of the task that keeps a claim on each or any task open."""
    if not is_per_task(claim) or len(parts) == 1:
        size = _size_to_show(claim, [*parts.values()])
        return _Target(size, deciding_seeds([*parts.values()], size, level))
    sizes = {task: _size_to_show(claim, [parts[task]]) for task in parts if task in open_ones or not open_ones}
    seeds = {task: deciding_seeds([parts[task]], size, level) for task, size in sizes.items()}
    task = hardest_or_easiest(claim, {task: math.inf if n is None else n for task, n in seeds.items()})
    return _Target(sizes[task], seeds[task], task)


def _size_to_show(claim: schema.Claim, parts: Sequence[Components]) -> float:
    """Return the claimed size or margin, else the larger of the estimate and the bound."""
    estimate = sum(float(part.differences.mean()) for part in parts) / len(parts)
    return claim.size or claim.margin or max(abs(estimate), bound_of(replace(claim, size=None)) or 0.0)


def _which(claim: schema.Claim) -> str:
    return "least certain" if claim.quantifier == "every" else "most certain"


def _relation(value: Interval, unit: str) -> str:
    digits = DIGITS.get(unit, 1)
    size = number(abs(value.estimate), digits)
    if float(size) == 0:
        return "level with"
    return f"{size} {unit} {'above' if value.estimate > 0 else 'below'}"


def _equals(p: float) -> str:
    """Return a p with its relation: ``= 0.013`` or ``< 0.001``."""
    return f"{'' if p < 0.001 else '= '}{probability(p)}"


def _ends(value: Interval, unit: str) -> str:
    digits = DIGITS.get(unit, 1)
    return f"{percent(value.level)} interval {number(value.low, digits)} to {number(value.high, digits)}"


def _sure(verdict: Verdict, value: Interval) -> str:
    p = "" if math.isnan(verdict.p) else f"p {_equals(verdict.p)}"
    items = f" × {value.n_items:,} items" if value.n_items else ""
    return "; ".join(filter(None, [_ends(value, verdict.unit), p, f"{count(verdict.n_seeds, 'seed')}{items}"]))


def _per_task(verdict: Verdict, titles: Mapping[str, str]) -> str:
    """Return the effect on each task, or on how many tasks it is above and below 0 where there are many."""
    digits, unit = DIGITS.get(verdict.unit, 1), verdict.unit
    if len(verdict.per_task) <= MOST_LISTED:
        return "; ".join(
            f"{number(value.estimate, digits, signed=True)} {unit} on {titles.get(task, task)} ({_ends(value, unit)})"
            for task, value in verdict.per_task.items()
        )
    above = sum(value.low > 0 for value in verdict.per_task.values())
    below = sum(value.high < 0 for value in verdict.per_task.values())
    return f"the interval lies above 0 on {above} and below 0 on {below} of {len(verdict.per_task)} tasks"


def _lines(manifest: Manifest, cells: pd.DataFrame, verdict: Verdict) -> Iterator[dict[str, Any]]:
    """Yield a line of the figure per task of one verdict, then the mean."""
    claim = verdict.claim
    if not verdict.per_task and not verdict.parts:
        if claim.b == manifest.baseline_row and isinstance(claim.test, schema.Difference):
            for line in _cell_lines(manifest, cells, claim.a, claim.tasks):
                yield line | {"undecided": line["undecided"] or verdict.reason}
        return
    if verdict.parts or not isinstance(claim.test, schema.Difference):
        for part in verdict.parts or (verdict,):
            if part.interval is not None:
                place = part.claim.clause if verdict.parts else part.estimand or "all tasks"
                yield _line(place, claim.a, part.interval, part.unit, "", math.nan)
        return
    for task, value in sorted(verdict.per_task.items(), key=lambda item: item[0] in verdict.excluded):
        column = column_of(manifest, task, claim.metric)
        place = (column.title or column.task) if column else task
        undecided = verdict.excluded.get(task, "") or (verdict.reason if verdict.status == "no verdict" else "")
        yield _line(place, claim.a, value, verdict.unit, undecided, _papers(manifest, verdict, column))
    if len(verdict.per_task) > 1 and claim.quantifier == "average" and verdict.interval is not None:
        n_deciding = len([task for task in verdict.per_task if task not in verdict.excluded]) or len(verdict.per_task)
        if n_deciding == 1:
            return
        size = claim.sign * claim.size if claim.size and not claim.within and verdict.unit == POINTS else math.nan
        published = math.nan if manifest.is_generated else size
        mean = _line(f"mean of {n_deciding} tasks", claim.a, verdict.interval, verdict.unit, verdict.reason, published)
        yield mean | {"is_mean": True}


def _line(place: str, series: str, value: Interval, unit: str, undecided: str, published: float) -> dict[str, Any]:
    return {
        "place": place,
        "series": series,
        "difference": value.estimate,
        "low": value.low,
        "high": value.high,
        "n_pairs": value.n_seeds,
        "n_items": value.n_items,
        "undecided": undecided,
        "published": published,
        "is_mean": False,
        "unit": unit,
    }


def _cell_lines(manifest: Manifest, cells: pd.DataFrame, row: str, tasks: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the differences to the baseline in the first column of each task, as a description."""
    first = {column.task: column.id for column in reversed(manifest.columns)}
    for cell in records(cells[cells["row"] == row]):
        if cell.task in tasks and first[cell.task] == cell.column and not math.isnan(cell.difference):
            yield {
                "place": cell.column_title,
                "series": row,
                "difference": cell.difference,
                "low": cell.low,
                "high": cell.high,
                "n_pairs": cell.n_pairs,
                "n_items": cell.n_items,
                "undecided": cell.undecided,
                "published": math.nan,
                "is_mean": False,
                "unit": unit_of(cell.metric),
            }


def _papers(manifest: Manifest, verdict: Verdict, column: Column | None) -> float:
    """Return the paper's difference of the claim's two rows in a column; nan without both, and on generated data."""
    if column is None or verdict.unit != POINTS or manifest.is_generated:
        return math.nan
    values = {p.row: p.value for p in manifest.published if p.column == column.id}
    return values.get(verdict.claim.a, math.nan) - values.get(verdict.claim.b, math.nan)


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


def alt_of(frame: pd.DataFrame, titles: Mapping[str, str]) -> str:
    """Return the answer's figure in words."""
    entries = [
        f"{titles[line.series]}, {line.place}: {number(line.difference, signed=True)} ({interval_of(line)}"
        f"{'; no verdict' if line.undecided else ''})"
        for line in records(frame)
    ]
    return f"Differences with 95 % intervals, one scale: {'; '.join(entries)}."


def interval_of(line: Any) -> str:
    """Return the interval of a line of the figure: ``−0.4 to 2.8``."""
    return f"{number(line.low)} to {number(line.high)}"
