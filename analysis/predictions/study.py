"""Several systems on the same items, with labels and predictions as numbers: what can be compared.

Ids are compared as text. Labels decide the kind of task: numbers with fractions, in labels or predictions, are a
regression; everything else are classes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analysis.cells import Scored, quiet_score
from analysis.predictions.files import examples
from analysis.predictions.systems import System, in_one_alone
from analysis.records import ResultsError
from analysis.scores import METRICS, Metric

Array = np.ndarray
CHOICES = ("accuracy", "macro_f1", "balanced_accuracy", "matthews", "f1", "pearson", "spearman", "rmse")
FEWEST_ITEMS = 20  # items that an interval needs (docs/statistics.md)
MANY_NUMBERS = 50  # different whole numbers from which labels may be scores instead of classes
MOST_CLASSES = 1_000
_WHOLE = re.compile(r"-?\d+\.0+")
MISSING = ("", "nan", "none", "null", "na", "<na>")
UNLABELLED = ("-100", "-1")  # labels of items without one in transformers and in datasets


@dataclass(frozen=True)
class Study:
    """Systems on the same items.

    Attributes:
        runs: of each system, by its name, in the order they were given.
        classes: names of the classes; those that no label has come last.
        n_classes: how many of them labels have.
        score_name: the metric's name in the files that hold item scores.
        notes: remarks on the files that a reader of the verdicts needs.
    """

    metric: Metric
    runs: dict[str, Scored]
    classes: tuple[str, ...] = ()
    n_classes: int = 0
    score_name: str = ""
    positive: str = ""
    notes: tuple[str, ...] = ()

    @property
    def n_items(self) -> int:
        """The number of items."""
        return len(next(iter(self.runs.values())).labels)

    @property
    def n_groups(self) -> int | None:
        """The number of groups of items; None where each item stands by itself."""
        groups = next(iter(self.runs.values())).groups
        return None if groups is None else len(np.unique(groups))

    @property
    def title(self) -> str:
        """The metric as it is printed: ``F1 of spam``, ``exact_match``."""
        return self.score_name or self.metric.title + (f" of {self.positive}" if self.positive else "")


def make_study(
    systems: Sequence[System],
    *,
    metric: str | None = None,
    classes: Sequence[str] | None = None,
    positive: str | None = None,
) -> Study:
    """Return the systems as numbers, lined up with the first.

    Args:
        systems: the systems; the first one gives the order of items.
        metric: one of :data:`CHOICES`; None: accuracy of classes, Pearson of numbers.
        classes: names in the order of class numbers and logits.
        positive: the class that F1 is of.
    Raises: ResultsError: ids, labels or groups differ between systems, or values that cannot be scored.
    """
    study = _study(_lined_up(systems), metric, classes, positive)
    return replace(study, notes=tuple(_notes_on_epochs(systems)))


def _notes_on_epochs(systems: Sequence[System]) -> Iterator[str]:
    """Yield which systems have predictions of different epochs: of early stopping, or of runs that were cut short."""
    for system in systems:
        if len(set(system.epochs)) > 1:
            ends = examples(f"seed {s}: {e}" for s, e in zip(system.seeds, system.epochs, strict=True))
            yield f"the last epochs of {system.name} differ ({ends}): a run that was cut short counts as a whole one"


def _study(
    lined_up: Sequence[System], metric: str | None, classes: Sequence[str] | None, positive: str | None
) -> Study:
    if len(lined_up[0].ids) < FEWEST_ITEMS:
        raise ResultsError(f"{len(lined_up[0].ids)} items are too few: an interval needs at least {FEWEST_ITEMS}")
    has_scores = {system.scores is not None for system in lined_up}
    if has_scores == {True}:
        return _of_scores(lined_up)
    if len(has_scores) > 1:
        raise ResultsError("some systems hold item scores, others predictions: compare files of one kind")
    if metric is not None and metric not in CHOICES:
        raise ResultsError(f"no metric named {metric!r} for predictions; there are: {', '.join(CHOICES)}")
    if positive is not None and metric not in (None, "f1"):
        raise ResultsError(f"a positive class is for f1 alone, not for {metric}")
    metric = "f1" if positive is not None else metric
    if metric in ("pearson", "spearman", "rmse") or (metric is None and _is_regression(lined_up, classes)):
        return _of_numbers(lined_up, METRICS[metric or "pearson"])
    return _of_classes(lined_up, METRICS[metric or "accuracy"], classes, positive)


def _lined_up(systems: Sequence[System]) -> list[System]:
    """Return the systems with their items in the order of the first; labels and groups must agree with it."""
    first = systems[0]
    lined_up = [first, *(_in_order_of(first, system) for system in systems[1:])]
    for system in lined_up[1:]:
        _refuse_conflicts(first, system, "label", _comparable(first.labels), _comparable(system.labels))
        if first.groups is not None and system.groups is not None:
            _refuse_conflicts(first, system, "group", first.groups, system.groups)
    groups = next((system.groups for system in lined_up if system.groups is not None), None)
    ungrouped = [] if groups is None else [i for i, group in enumerate(groups) if group.lower() in MISSING]
    if groups is not None and ungrouped:
        raise ResultsError(
            f"{len(ungrouped):,} items have no group ({groups[ungrouped[0]]!r}): {examples(first.ids[ungrouped])}; "
            "give each the group it belongs to, or one of its own"
        )
    if groups is not None and len(set(groups)) == 1:
        raise ResultsError(f"all items are in one group ({groups[0]}): intervals need several, or no column 'group'")
    return [replace(system, groups=groups) for system in lined_up]


def _in_order_of(first: System, system: System) -> System:
    if len(system.ids) == len(first.ids) and (system.ids == first.ids).all():
        return system
    place = {item: i for i, item in enumerate(system.ids)}
    missing = [item for item in first.ids if item not in place]
    extra = sorted(set(system.ids) - set(first.ids))
    if missing or extra:
        differences = in_one_alone({first.name: missing, system.name: extra})
        raise ResultsError(f"ids differ, compared as text: {differences}{_spelling_remedy(missing, extra)}")
    order = np.array([place[item] for item in first.ids])

    def ordered(values: Array | None, axis: int) -> Array | None:
        return None if values is None else np.take(values, order, axis=axis)

    return replace(
        system,
        ids=first.ids,
        labels=system.labels[order],
        predictions=ordered(system.predictions, 1),
        logits=ordered(system.logits, 1),
        scores=ordered(system.scores, 1),
        groups=ordered(system.groups, 0),
    )


def _spelling_remedy(ids: Sequence[str], further_ids: Sequence[str]) -> str:
    """Return what to do with ids that are the same numbers, or differ in case alone; "" for others."""
    for spelt, difference in ((_number, "numbers in other spellings"), (str.casefold, "names in other case")):
        if {spelt(item) for item in ids} & ({spelt(item) for item in further_ids} - {None}):
            return f"; some are the same {difference}: write them alike"
    return ""


def _refuse_conflicts(first: System, system: System, noun: str, first_values: Array, values: Array) -> None:
    differs = np.flatnonzero(first_values != values)
    if len(differs):
        pairs = (f"{first.ids[i]} ({first_values[i]} and {values[i]})" for i in differs)
        count = f"{len(differs):,} of {len(first_values):,} ids"
        raise ResultsError(f"{first.name} and {system.name}: {noun}s differ for {count}: {examples(pairs)}")


def _comparable(labels: Array) -> Array:
    """Labels in one spelling: 1 and 1.0 are no conflict, nor True and true; 007 stays a name."""

    def spelt(text: str) -> str:
        if text in ("True", "TRUE", "False", "FALSE"):
            return text.lower()
        return text.partition(".")[0] if _WHOLE.fullmatch(text) else text

    return np.array([spelt(text) for text in labels], dtype=object)


def _number(text: str) -> float | None:
    """Return the finite number that a text holds, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _is_regression(systems: Sequence[System], classes: Sequence[str] | None) -> bool:
    """Return whether labels and predictions are numbers of which one has a fraction.

    Raises: ResultsError: whole numbers that may be classes or amounts.
    """
    if classes is not None or any(system.predictions is None for system in systems):
        return False
    labels = set(systems[0].labels)
    numbers_of_labels = [_number(text) for text in labels]
    if all(value is not None for value in numbers_of_labels) and any(value % 1 for value in numbers_of_labels if value):
        return True  # also where an answer is no number: it is refused by name
    texts = labels.union(*(set(system.predictions.flat) for system in systems if system.predictions is not None))
    try:
        numbers = [float(text) for text in texts if text.lower() not in MISSING]
    except ValueError:
        return False
    if not all(number.is_integer() for number in numbers):  # infinite ones are refused later, by name
        return True
    if len(labels) > MANY_NUMBERS:
        raise ResultsError(
            f"the labels are {len(labels):,} different whole numbers, classes or amounts: say --metric accuracy or "
            "--metric pearson"
        )
    return False


def _of_scores(systems: Sequence[System]) -> Study:
    names = list(dict.fromkeys(system.score_name for system in systems))
    if len(names) > 1:
        raise ResultsError(f"the systems have different metrics ({', '.join(names)}): choose one by --metric")
    metric, zeros = METRICS["item_score"], np.zeros(len(systems[0].ids))
    runs = {system.name: _scored(system, metric, zeros, np.asarray(system.scores)) for system in systems}
    return Study(metric, runs, score_name=names[0])


def _of_numbers(systems: Sequence[System], metric: Metric) -> Study:
    labels = _as_numbers("labels", systems[0], systems[0].labels)
    if np.ptp(labels) == 0:
        raise ResultsError(f"all labels are {systems[0].labels[0]}: there is nothing to predict")
    runs = {}
    for system in systems:
        if system.predictions is None:
            raise ResultsError(
                f"{system.name} holds logits of classes: {metric.title} needs predictions that are numbers"
            )
        runs[system.name] = _scored(
            system, metric, labels, np.stack([_as_numbers("predictions", system, run) for run in system.predictions])
        )
    return Study(metric, runs)


def _as_numbers(noun: str, system: System, texts: Array) -> Array:
    values = [_number(text) for text in texts]
    strange = [i for i, value in enumerate(values) if value is None]
    if strange:
        pairs = (f"{texts[i]!r} (id {system.ids[i]})" for i in strange)
        raise ResultsError(f"{system.name}: {len(strange):,} {noun} are no finite numbers: {examples(pairs)}")
    return np.array(values, dtype=np.float64)


def _of_classes(
    systems: Sequence[System], metric: Metric, classes: Sequence[str] | None, positive: str | None
) -> Study:
    _refuse_widths(systems, classes)
    texts = {system.name: _answers(system, classes) for system in systems}
    labels = _named(_comparable(systems[0].labels), classes)
    missing = np.flatnonzero([label.lower() in MISSING and label not in (classes or ()) for label in labels])
    if len(missing):
        raise ResultsError(f"{len(missing):,} items have no label: {examples(systems[0].ids[missing])}")
    _refuse_unlabelled(systems[0].ids, labels, texts, classes)
    names = _class_names(labels, classes)
    _refuse_strangers(texts, names, classes)
    extra = sorted({text for answers in texts.values() for text in answers.flat} - set(names))
    number = {name: i for i, name in enumerate([*names, *extra])}
    codes = np.array([number[label] for label in labels])
    answers = {name: np.array([[number[t] for t in run] for run in runs]) for name, runs in texts.items()}
    if metric.name == "f1":
        positive_code = number[_positive_class(names, positive)]
        codes, answers = (
            (codes == positive_code).astype(int),
            {n: (a == positive_code).astype(int) for n, a in answers.items()},
        )
        positive = names[positive_code]
    runs = {system.name: _scored(system, metric, codes, answers[system.name]) for system in systems}
    return Study(metric, runs, (*names, *extra), len(names), positive=positive or "")


def _refuse_widths(systems: Sequence[System], classes: Sequence[str] | None) -> None:
    """Refuse systems whose logits are of different classes. Raises ResultsError."""
    names = {
        system.name: list(_named(_comparable(np.array(system.outputs, dtype=object)), classes))
        for system in systems
        if system.logits is not None
    }
    widths = [f"{name} {len(outputs)} ({examples(outputs)})" for name, outputs in names.items()]
    if len({frozenset(outputs) for outputs in names.values()}) > 1:
        raise ResultsError(f"logits of different classes: {' and '.join(widths)}; give logits of the same classes")


def _answers(system: System, classes: Sequence[str] | None) -> Array:
    """``(seeds, items)`` class names: the predictions, else the output with the largest logit."""
    if system.predictions is not None:
        answers = _named(_comparable(system.predictions.reshape(-1)), classes).reshape(system.predictions.shape)
        class_names = set(classes or ()) | set(system.labels)
        missing = np.array([[t.lower() in MISSING and t not in class_names for t in run] for run in answers])
        _refuse_missing(system, missing)
        return answers
    if system.logits is None:
        raise ResultsError(f"{system.name} has neither predictions nor logits")
    _refuse_missing(system, ~np.isfinite(system.logits).all(-1), "logits are no finite numbers")
    if classes is not None and len(classes) != system.logits.shape[-1]:
        raise ResultsError(
            f"{system.name}: {system.logits.shape[-1]} logits an item ({examples(system.outputs)}) for {len(classes)} "
            f"classes ({examples(classes)})"
        )
    names = _named(_comparable(np.array(system.outputs, dtype=object)), classes)
    return np.asarray(names[system.logits.argmax(-1)])


def _refuse_missing(system: System, missing: Array, problem: str = "predictions are missing or NaN") -> None:
    if missing.any():
        places = (f"{system.ids[i]} (seed {system.seeds[s]})" for s, i in np.argwhere(missing))
        raise ResultsError(
            f"{system.name}: {int(missing.sum()):,} of {missing.size:,} {problem}: {examples(places)}; every system "
            "must answer every item"
        )


def _named(texts: Array, classes: Sequence[str] | None) -> Array:
    """Class numbers as the names of ``classes``; names stay."""
    if classes is None:
        return texts
    by_number = {str(i): name for i, name in enumerate(classes) if str(i) not in classes}
    return np.array([by_number.get(text, text) for text in texts], dtype=object)


def _class_names(labels: Array, classes: Sequence[str] | None) -> list[str]:
    """Return the classes of the labels, in order of their numbers or names."""
    present = set(labels)
    if classes is not None:
        if strange := sorted(present - set(classes)):
            raise ResultsError(f"labels that are none of the classes {examples(classes)}: {examples(strange)}")
        return list(classes)
    if len(present) == 1:
        raise ResultsError(f"all labels are {next(iter(present))!r}: there is nothing to predict")
    if len(present) > MOST_CLASSES:
        raise ResultsError(
            f"the labels have {len(present):,} different values, such as {examples(sorted(present))}: classes may be "
            f"{MOST_CLASSES:,} at most; if they are amounts, say --metric pearson"
        )
    numbers = {text for text in present if _number(text) is not None}
    if numbers and numbers != present:
        words = present - numbers
        raise ResultsError(
            f"mixed label types: {len(numbers)} numbers ({examples(sorted(numbers))}) and {len(words)} words "
            f"({examples(sorted(words))}); if all are classes, name them by --classes"
        )
    return sorted(present, key=float) if numbers else sorted(present)


def _refuse_unlabelled(ids: Array, labels: Array, texts: dict[str, Array], classes: Sequence[str] | None) -> None:
    """Refuse labels that mark items without one: numbers of no class, which no system ever answers."""
    present = {text for answers in texts.values() for text in answers.flat}
    for mark in UNLABELLED:
        places = np.flatnonzero(labels == mark)
        if len(places) and mark not in present and mark not in (classes or ()):
            raise ResultsError(
                f"{len(places):,} items have the label {mark}, which no system ever answers: {examples(ids[places])}; "
                "leave items without a label out, or name all classes by --classes"
            )


def _refuse_strangers(texts: dict[str, Array], names: Sequence[str], classes: Sequence[str] | None) -> None:
    """Refuse a system none of whose answers is a class: its class names or numbers are others."""
    for name, answers in texts.items():
        present = set(answers.flat)
        if not present & set(names):
            remedy = "" if classes is not None else "; --classes says which number is which name"
            if {text.casefold() for text in present} & {name.casefold() for name in names}:
                remedy = "; they differ in case alone: write them alike"
            raise ResultsError(
                f"{name}: no prediction ({examples(sorted(present))}) is one of the labels' classes "
                f"({examples(names)}){remedy}"
            )


def _positive_class(names: Sequence[str], positive: str | None) -> str:
    if positive is None:
        if list(names) == ["0", "1"]:
            return "1"
        raise ResultsError(f"f1 is of one class: say --positive with one of {examples(names)}, or --metric macro_f1")
    if positive not in names:
        raise ResultsError(f"no class is named {positive!r}; there are: {examples(names)}")
    return positive


def _scored(system: System, metric: Metric, labels: Array, outputs: Array) -> Scored:
    return Scored(
        keys=(),
        seeds=system.seeds,
        ids=system.ids,
        labels=labels,
        outputs=outputs,
        scores=np.array([quiet_score(metric, labels, run) for run in outputs]),
        collapsed=_constant(outputs) if metric.uses == "predictions" else np.zeros(len(outputs), dtype=bool),
        groups=None if system.groups is None else np.unique(system.groups, return_inverse=True)[1],
    )


def _constant(outputs: Iterable[Array]) -> Array:
    return np.array([bool(np.ptp(run) == 0) for run in outputs])
