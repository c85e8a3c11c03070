"""Titles and claims of experiments in the profile demo, whose data are generated.

These experiments show no published numbers, no sizes of claims and no names of models, because the papers did not use
the generated data. Each claim keeps its test, on the tasks that are run, and gets a new sentence about the generated
data that the test decides. Claims that need a printed value, and claims without a task that is run, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, TypeVar

from analysis.schema import (
    Agreement,
    AtEpoch,
    BestPoint,
    Changed,
    Claim,
    Cost,
    Difference,
    Interaction,
    Kind,
    LossBetween,
    Measured,
    NearConstant,
    Selection,
    Statement,
    Sweep,
    Variance,
)
from analysis.scores import METRICS
from benchmarks.experiments.planning.base import Experiment

S = TypeVar("S", bound=Statement)

SEEDS = 5  # of every claim of the demo
NOTE = (
    "A demonstration: the data are generated and their ceilings, the scores of the best possible rule, are known; the "
    "model is the project's own. No number here is from a paper."
)
_MARK = " on generated data"  # ends the title of every demonstration
_PRINTED = (NearConstant, LossBetween)  # tests against a value that a paper prints
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
# Names of the papers' models -> what the row is in a profile that has one model.
_MODELS = (
    (r"^(BERT|RoBERTa)(-base|-large)?(, (base|large))?$", "plain fine-tuning"),
    (r"^BERT,", "plain fine-tuning,"),
    (r", (RoBERTa-large|base)\b", ""),
)
# Names of the papers' multi-task systems -> what the row is in the demo.
_SYSTEMS = (
    (r" \(not in the paper\)", ""),
    (r"\bMT-DNN-SMART_v0\b", "SMART after plain multi-task training"),
    (r"\bMT-DNN-SMART\b", "SMART after multi-task training with it"),
    (r"\bMT-DNN\b", "plain fine-tuning after multi-task training"),
)
_MASKS = re.compile(r" \[(?P<reading>\w+) masks\]")  # in the title of a row that is one reading of a method
_IDS = ((r"roberta|bert", "plain"), (r"glue", "all"), (r"mt-dnn", "multitask"), (r"snli", "nli"), (r"ag-news", "cola"))


def demonstrated(experiment: Experiment) -> Experiment:
    """Return the experiment with titles, claims and notes of the generated world, on the tasks that it has.

    Doing it again on fewer tasks or rows gives what those can decide.
    """
    rows = tuple(replace(row, title=title_of(row.title), published="") for row in experiment.rows)
    titled = replace(
        experiment,
        title=_title(experiment.title),
        rows=rows,
        published=(),
        points=(),
        omitted=(),
        notes=(NOTE, experiment.demo.note) if experiment.demo.note else (NOTE,),
    )
    return replace(titled, claims=_distinct(_without_masks(tuple(_claims(titled)))))


def _title(title: str) -> str:
    """Return an experiment's title: its place in the paper, or its subject, and that its data are generated."""
    subject = title.removesuffix(_MARK)
    return f"{subject.partition(':')[0] if subject.startswith(('SMART, ', 'SDA, ')) else subject}{_MARK}"


def renewed(experiment: Experiment) -> Experiment:
    """Return a demonstration with the claims that its tasks and rows can decide, after some were left out."""
    return demonstrated(experiment) if experiment.title.endswith(_MARK) else experiment


def title_of(title: str) -> str:
    """Return a row's title without the names of a paper's model and multi-task system."""
    return _replaced(without_model(title), _SYSTEMS)


def without_model(title: str) -> str:
    """Return a row's title without the name of a paper's model."""
    return _replaced(title, _MODELS)


def _replaced(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    for pattern, words in pairs:
        text = re.sub(pattern, words, text)
    return text


def _claims(experiment: Experiment) -> Iterable[Claim]:
    for claim in experiment.claims:
        statements = [narrowed for part in claim.statements if (narrowed := _on_tasks(part, experiment)) is not None]
        if len(statements) < len(claim.statements):
            continue
        sentences = [sentence(statement, experiment) for statement in statements]
        parts = tuple(replace(part, clause=words) for part, words in zip(statements[1:], sentences[1:], strict=True))
        first = {
            statement_field.name: getattr(statements[0], statement_field.name) for statement_field in fields(Statement)
        }
        yield replace(
            claim,
            **{**first, "clause": sentences[0] if parts else ""},
            parts=parts,
            id=claim.id if claim.id.startswith("demo-") else f"demo-{_replaced(claim.id, _IDS)}",
            sentence=_capital(f"{'; and '.join(sentences)}."),
            table="generated data",
            min_seeds=SEEDS,
            partial=False,
            model="",
            untested="",
        )


def _on_tasks(statement: S, experiment: Experiment) -> S | None:
    """Return the statement on the tasks and columns that the experiment has, without a printed size; None: on none."""
    test = _on_columns(statement.test, experiment)
    tasks = tuple(task for task in statement.tasks if task in experiment.tasks)
    rows = {row.id for row in experiment.rows}
    if test is None or not tasks or not {statement.a, statement.b, *_rows_of(test)} <= rows:
        return None
    quantifier = statement.quantifier if len(tasks) > 1 or getattr(test, "columns", None) else "average"
    changes: dict[str, Any] = {"margin": None} if isinstance(test, Cost) else {}
    return replace(statement, tasks=tasks, test=test, size=None, quantifier=quantifier, **changes)


def _on_columns(test: Kind, experiment: Experiment) -> Kind | None:
    if isinstance(test, _PRINTED):
        return None
    present = {"columns": {column.id for column in experiment.columns}, "against_tasks": set(experiment.tasks)}
    present["against_columns"] = present["columns"]
    changes: dict[str, Any] = {}
    for name, ids in present.items():
        tested_ids = getattr(test, name, None)
        if tested_ids is not None:
            changes[name] = tuple(place for place in tested_ids if place in ids)
            if not changes[name]:
                return None
    return replace(test, **changes)


def _rows_of(test: Kind) -> set[str]:
    contrast = getattr(test, "against_contrast", None)
    return {*getattr(test, "rows", ()), *((contrast.a, contrast.b) if contrast else ())}


def _without_masks(claims: Sequence[Claim]) -> Iterable[Claim]:
    """Yield the claims; those that are the same but for the reading get one sentence, which does not name the masks."""
    readings: dict[str, set[str]] = {}
    for claim in claims:
        readings.setdefault(_MASKS.sub("", claim.sentence), set()).add(claim.reading)
    for claim in claims:
        is_own = {mark["reading"] for mark in _MASKS.finditer(claim.sentence)} == {claim.reading}
        if not is_own or len(readings[_MASKS.sub("", claim.sentence)]) == 1:
            yield claim
            continue
        parts = tuple(replace(part, clause=_MASKS.sub("", part.clause)) for part in claim.parts)
        words, clause = (_MASKS.sub("", text) for text in (claim.sentence, claim.clause))
        yield replace(claim, sentence=words, clause=clause, parts=parts)


def _distinct(claims: Iterable[Claim]) -> tuple[Claim, ...]:
    """Return the claims without duplicates, which arise where one task stands in for two data sets."""
    by_statement: dict[object, Claim] = {}
    for claim in claims:
        by_statement.setdefault((claim.sentence, claim.reading), claim)
    return tuple(by_statement.values())


# --- sentences ---


def sentence(statement: Statement, experiment: Experiment) -> str:
    """Return what a statement's test decides, in words, without a full stop."""
    return _SENTENCES[type(statement.test)](statement, statement.test, _Names(experiment, statement))


class _Names:
    """The words for rows, columns and tasks of a statement."""

    def __init__(self, experiment: Experiment, statement: Statement) -> None:
        self.titles = {row.id: row.title for row in experiment.rows}
        self.columns = {column.id: column for column in experiment.columns}
        self.a, self.b = self.titles[statement.a], self.titles[statement.b]
        self.metric = statement.metric or self._metric_of(statement)
        self.by_error = bool(self.metric) and not METRICS[self.metric].greater_is_better

    def _metric_of(self, statement: Statement) -> str:
        ids = getattr(statement.test, "columns", None) or ()
        columns = [self.columns[column_id] for column_id in ids] or list(self.columns.values())
        return next((column.metric for column in columns if column.task == statement.tasks[0]), "")

    def better(self, statement: Statement) -> str:
        """Return the verb of the claimed direction."""
        comparative = "higher" if statement.direction == "greater" else "lower"
        if self.by_error:
            return f"has a {comparative} {METRICS[self.metric].title} than"
        return f"scores {comparative} than"

    def row(self, name: str) -> str:
        return self.titles[name]

    def places(self, ids: Iterable[str]) -> str:
        return listed([self._place(column_id) for column_id in ids])

    def _place(self, name: str) -> str:
        column = self.columns[name]
        return f"{column.task} ({column.variant})" if column.variant else column.task


def listed(words: Iterable[str]) -> str:
    """Return words as a list in a sentence: ``a, b and c``; each word once."""
    *other_words, last_word = dict.fromkeys(words)
    return f"{', '.join(other_words)} and {last_word}" if other_words else last_word


def _capital(text: str) -> str:
    """Return a sentence with a capital, unless it begins with a symbol such as ``lambda_s``."""
    return text[0].upper() + text[1:] if text.startswith(("the ", "reading ", "plain ")) else text


def _points(number: float | None) -> str:
    """Return a number of points in words; claims that use it have a margin."""
    assert number is not None
    return f"{number:g} point{'s' * (number != 1)}"


def _over(statement: Statement, names: _Names) -> str:
    """Return where a statement holds: on one task, on average over several, on every one of them."""
    columns = getattr(statement.test, "columns", None)
    places = [names._place(column_id) for column_id in columns] if columns else list(statement.tasks)
    places = list(dict.fromkeys(places))
    if len(places) == 1:
        return f"on {places[0]}"
    number = _NUMBERS[len(places)] if len(places) < len(_NUMBERS) else str(len(places))
    kind = "tasks" if set(places) <= set(statement.tasks) else "columns"
    is_all = kind == "columns" or set(places) == {column.task for column in names.columns.values()}
    words = listed(places) if len(places) <= 3 or not is_all else f"the {number} generated {kind}"
    if statement.quantifier == "every":
        return f"on each of {words}"
    return f"on at least one of {words}" if statement.quantifier == "any" else f"on average over {words}"


def _difference(statement: Statement, test: Difference, names: _Names) -> str:
    against = f"the mean of the runs it combines ({names.b})" if test.against_parents else names.b
    over = _over(statement, names)
    if statement.direction == "the same":
        return f"{names.a} and {against} differ by at most {_points(statement.margin)} {over}"
    if statement.within:
        side = "above" if statement.direction == "no greater" else "below"
        return f"{names.a} is at most {_points(statement.margin)} {side} {against} {over}"
    return f"{names.a} {names.better(statement)} {against} {over}"


def _interaction(statement: Statement, test: Interaction, names: _Names) -> str:
    word = "more" if (statement.direction == "greater") != names.by_error else "less"
    share = ", as a share of the error" if test.relative_error else ""
    first_places = names.places(test.columns) if test.columns else listed(statement.tasks)
    start = f"{names.a} gains {word} over {names.b} on {first_places}"
    if test.against_contrast is not None:
        contrast = test.against_contrast
        return f"{start} than {names.row(contrast.a)} gains over {names.row(contrast.b)}{share}"
    other_places = listed(test.against_tasks) if test.against_tasks else names.places(test.against_columns or ())
    return f"{start} than on {other_places}{share}"


def _agreement(statement: Statement, test: Agreement, names: _Names) -> str:
    items = f"items on which the annotators agree {' or '.join(test.buckets)}"
    verb = names.better(statement)
    if test.each:
        return f"{names.a} {verb} {names.b} at every level of annotators' agreement, on {listed(statement.tasks)}"
    reference = f", by more than on items with {' or '.join(test.against_buckets)}" if test.against_buckets else ""
    return f"{names.a} {verb} {names.b} on {items}, of {listed(statement.tasks)}{reference}"


def _variance(statement: Statement, test: Variance, names: _Names) -> str:
    word = "more" if statement.direction == "greater" else "less"
    return f"the scores of {names.a} vary {word} over seeds than those of {names.b} {_over(statement, names)}"


def _cost(statement: Statement, test: Cost, names: _Names) -> str:
    word = "more" if statement.direction == "greater" else "less"
    resource = "time for an update" if test.quantity == "seconds" else "memory"
    return f"{names.a} takes {word} {resource} than {names.b}"


def _sweep(statement: Statement, test: Sweep, names: _Names) -> str:
    if test.curve:
        low, high = test.between or (0.0, 0.0)
        subject = f"the points of {test.curve} from {low:g} to {high:g}"
    else:
        subject = listed(map(names.row, test.rows or (statement.a, statement.b)))
    return f"{subject} differ by at most {_points(statement.margin)} {_over(statement, names)}"


def _best_point(statement: Statement, test: BestPoint, names: _Names) -> str:
    return f"the best of {listed(map(names.row, test.rows))} is not the same on {listed(statement.tasks)}"


def _at_epoch(statement: Statement, test: AtEpoch, names: _Names) -> str:
    reference = ", by more than after the last" if test.against_last else ""
    after = f"after {test.epoch} epoch{'s' * (test.epoch != 1)}"
    return f"{names.a} {names.better(statement)} {names.b} {after}{reference}, {_over(statement, names)}"


def _selection(statement: Statement, test: Selection, names: _Names) -> str:
    return (
        f"reading the epoch {test.best} instead of {test.reference} raises the scores of {names.a} and of {names.b}, "
        "and not by the same amount"
    )


def _measured(statement: Statement, test: Measured, names: _Names) -> str:
    word = "more" if statement.direction == "greater" else "less"
    change = {
        "r_s": f"changes {word} under a perturbation of radius {test.radius or 0:g}",
        "distance": f"ends {'farther from' if word == 'more' else 'nearer to'} its starting weights",
        "step_divergence": f"changes {word} from one update to the next",
    }[test.quantity]
    return f"{names.a} {change} than {names.b} {_over(statement, names)}"


def _changed(statement: Statement, test: Changed, names: _Names) -> str:
    return f"{names.a} answers less than {100 * test.share:g} % of the items otherwise than {names.b}"


_SENTENCES: Mapping[type, Callable[[Statement, Any, _Names], str]] = {
    Difference: _difference,
    Interaction: _interaction,
    Agreement: _agreement,
    Variance: _variance,
    Cost: _cost,
    Sweep: _sweep,
    BestPoint: _best_point,
    AtEpoch: _at_epoch,
    Selection: _selection,
    Measured: _measured,
    Changed: _changed,
}
