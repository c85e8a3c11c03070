"""Compare the answers of methods: by annotator agreement, by slice and by item.

Most functions take :class:`Outputs`, the logits of several seeds on the same items (:func:`read_outputs` reads them
from a results folder). Result folders hold no texts; functions that can show texts take a frame ``id text_0 [text_1]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis import scores
from analysis.calibration import temperature
from analysis.cells import logits as logits_of
from analysis.cells import must_be_finite
from analysis.crossed import Components, combine, layout
from analysis.interval import Interval
from analysis.records import ResultsError
from analysis.results import Results

if TYPE_CHECKING:
    import pandas as pd

NO_MAJORITY = "no majority"
NEGATIONS = re.compile(
    r"\b(?:no|not|never|none|nobody|nothing|neither|nor|nowhere|cannot|without)\b|n't\b", re.IGNORECASE
)


Holdouts = Mapping[int, tuple[np.ndarray, np.ndarray]]  # seed -> labels ``(items,)``, logits ``(items, classes)``


@dataclass(frozen=True)
class Outputs:
    """Outputs of one method on one split of a classification task.

    Attributes:
        ids: ``(items,)`` identifiers of the items.
        labels: ``(items,)``.
        logits: ``(seeds, items, classes)``.
        seeds: ``(seeds,)``.
        votes: ``(items, classes)`` annotator counts, or None.
        numerics: version of the arithmetic its runs were made with; methods with different versions are not compared.
        groups: ``(items,)`` group of each item, or None.
    """

    ids: np.ndarray
    labels: np.ndarray
    logits: np.ndarray
    seeds: tuple[int, ...]
    votes: np.ndarray | None = None
    numerics: int = 1
    groups: np.ndarray | None = None

    @property
    def right(self) -> np.ndarray:
        """``(seeds, items)`` booleans: True where the prediction is the label."""
        right: np.ndarray = self.logits.argmax(-1) == self.labels
        return right


def read_outputs(results: Results, keys: Mapping[int, str], task: str, split: str) -> Outputs:
    """Read the finished runs among ``keys`` (seed -> key).

    Raises:
        ResultsError: no run is finished, the runs differ in items, or logits are not finite.
    """
    done = {seed: key for seed, key in keys.items() if results.is_done(key)}
    if not done:
        raise ResultsError(f"no run on {task} is finished")
    numerics = results.same_numerics(done.values())
    frames = [results.predictions(key, task, split) for key in done.values()]
    first = frames[0]
    if any(not np.array_equal(frame["id"], first["id"]) for frame in frames):
        raise ResultsError(f"the runs were scored on different items of {task}.{split}")
    logits = [logits_of(frame) for frame in frames]
    for key, outputs in zip(done.values(), logits, strict=True):
        must_be_finite(key, outputs, f"{task}.{split}")
    names = [c for c in first if str(c).startswith("votes_")]
    return Outputs(
        ids=first["id"].to_numpy(),
        labels=first["label"].to_numpy(),
        logits=np.stack(logits),
        seeds=tuple(done),
        votes=first[names].to_numpy() if names else None,
        numerics=numerics,
        groups=first["group"].to_numpy() if "group" in first else None,
    )


def read_holdouts(results: Results, keys: Mapping[int, str], task: str) -> Holdouts:
    """Read labels and logits of each finished run on its holdout; every seed holds out other examples."""
    holdouts = {}
    for seed, key in keys.items():
        try:
            frame = results.predictions(key, task, "holdout")
        except ResultsError:
            continue
        holdouts[seed] = (frame["label"].to_numpy(), logits_of(frame))
    return holdouts


def at_seeds(outputs: Outputs, seeds: Sequence[int], items: np.ndarray | None = None) -> Outputs:
    """Return some of a method's runs, in the order of ``seeds``; with ``items`` (boolean mask), on these items only.

    Raises:
        ValueError: the method has no run of a seed.
    """
    rows = [outputs.seeds.index(seed) for seed in seeds]
    keep = np.ones(len(outputs.ids), dtype=bool) if items is None else items
    votes = outputs.votes[keep] if outputs.votes is not None else None
    groups = outputs.groups[keep] if outputs.groups is not None else None
    logits = outputs.logits[rows][:, keep]
    return Outputs(outputs.ids[keep], outputs.labels[keep], logits, tuple(seeds), votes, outputs.numerics, groups)


# ---- annotator agreement


def agreement(votes: np.ndarray) -> np.ndarray:
    """Return the bucket of each item from its ``(items, classes)`` votes: "5/0/0", "4/1/0"...

    The counts are sorted from largest to smallest. Items whose largest count is at most half of the votes have no
    majority and belong to no bucket.
    """
    ordered = -np.sort(-np.asarray(votes), axis=1)
    names = np.array(["/".join(map(str, row)) for row in ordered], dtype=object)
    return np.where(2 * ordered[:, 0] > ordered.sum(1), names, NO_MAJORITY)


def by_agreement(arms: Mapping[str, Outputs], holdout: Mapping[str, Holdouts] | None = None) -> pd.DataFrame:
    """Return means over seeds per method and bucket.

    Columns: ``row bucket n accuracy cross_entropy kl jsd model_entropy vote_entropy``. The last bucket of each method
    is "all" (items with a majority). Cross-entropy and divergences are to the vote distribution. Any smoothing lowers
    them, so each method in ``holdout`` appears again as "<row>, temperature-scaled", with its logits divided by the
    temperature that fits its holdout. Items without a majority are left out; their number is in
    ``frame.attrs["no_majority"]``.

    Raises:
        ResultsError: the predictions of a method hold no annotator votes.
    """
    import pandas as pd

    scaled = {
        f"{row}, temperature-scaled": rescaled(arms[row], holdouts)
        for row, holdouts in (holdout or {}).items()
        if row in arms
    }
    records: list[dict[str, object]] = []
    excluded = 0
    for row, outputs in {**arms, **scaled}.items():
        if outputs.votes is None:
            raise ResultsError(f"{row}: these predictions hold no annotator votes")
        buckets = agreement(outputs.votes)
        excluded = int((buckets == NO_MAJORITY).sum())
        for bucket in [*sorted(set(buckets) - {NO_MAJORITY}, reverse=True), "all"]:
            mask = buckets == bucket if bucket != "all" else buckets != NO_MAJORITY
            records.append({"row": row, "bucket": bucket, "n": int(mask.sum()), **_against_votes(outputs, mask)})
    frame = pd.DataFrame.from_records(records)
    frame.attrs["no_majority"] = excluded
    return frame


def is_contested(votes: np.ndarray) -> np.ndarray:
    """Return ``(items,)`` booleans: True where a majority is at most 60 % of the votes: 3/2/0 or 3/1/1 of five."""
    totals = np.asarray(votes).sum(1)
    largest = np.asarray(votes).max(1)
    contested: np.ndarray = (2 * largest > totals) & (10 * largest <= 6 * totals)
    return contested


def interaction(a: Outputs, b: Outputs, group: np.ndarray, level: float = 0.95) -> Interval:
    """Return the contrast of two contrasts: A's gain on ``group`` (boolean, per item) minus that on the other items.

    The gain is in accuracy. Its variance is that of the deciding interval: seeds are shared by both groups, their items
    are independent.

    Raises:
        ValueError: a group has fewer than two items, or items or seeds of the arms differ.
    """
    d = _differences(a, b)
    group = np.asarray(group, dtype=bool)
    if min(group.sum(), (~group).sum()) < 2:
        raise ValueError("both groups need at least two items")
    inside, outside = layout(d[:, group]), layout(d[:, ~group])
    part = Components(
        inside.differences - outside.differences,
        inside.items + outside.items,
        inside.interaction + outside.interaction,
        d.shape[1],
        "contrast of two groups' contrasts, seeds and items crossed",
    )
    return combine([part], level=level)


def _differences(a: Outputs, b: Outputs) -> np.ndarray:
    """Return ``(seeds, items)``: 1 where only A is right, -1 where only B is, else 0.

    Raises:
        ValueError: items or seeds differ.
        ResultsError: numerics differ.
    """
    if not np.array_equal(a.ids, b.ids) or a.seeds != b.seeds:
        raise ValueError("two methods must have the same items and seeds to be compared; see at_seeds")
    if a.numerics != b.numerics:
        raise ResultsError(
            f"runs with numerics {a.numerics} and {b.numerics} are not compared or pooled: run the older again"
        )
    difference: np.ndarray = a.right.astype(np.float64) - b.right
    return difference


def _against_votes(outputs: Outputs, mask: np.ndarray) -> dict[str, float]:
    assert outputs.votes is not None
    votes, labels = outputs.votes[mask], outputs.labels[mask]
    runs = [run[mask] for run in outputs.logits]
    mean = {
        name: float(np.mean([scores.score(name, votes, run) for run in runs]))
        for name in ("cross_entropy", "kl", "jsd")
    }
    return {
        "accuracy": float(np.mean([(run.argmax(1) == labels).mean() for run in runs])),
        **mean,
        "model_entropy": float(np.mean([scores.entropy(np.exp(scores.log_softmax(run))).mean() for run in runs])),
        "vote_entropy": float(scores.entropy(votes / votes.sum(1, keepdims=True)).mean()),
    }


def rescaled(outputs: Outputs, holdouts: Holdouts) -> Outputs:
    """Return the outputs with each seed's logits divided by the temperature of the same seed's holdout.

    Raises:
        KeyError: a seed has no holdout.
    """
    temperatures = [temperature(*holdouts[seed]) for seed in outputs.seeds]
    scaled = outputs.logits / np.array(temperatures)[:, None, None]
    return Outputs(outputs.ids, outputs.labels, scaled, outputs.seeds, outputs.votes, outputs.numerics)


# ---- confusion, flips, hardest items, collapsed runs


def confusion(outputs: Outputs) -> np.ndarray:
    """Return ``(classes, classes)`` counts, the mean over seeds: items of label i (row) predicted as j (column)."""
    classes = outputs.logits.shape[2]
    predictions = outputs.logits.argmax(-1)
    counts = [np.bincount(classes * outputs.labels + run, minlength=classes**2) for run in predictions]
    table: np.ndarray = np.mean(counts, axis=0).reshape(classes, classes)
    return table


def flips(a: Outputs, b: Outputs, texts: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return which items A corrects and breaks compared with B, with the largest changes first.

    Columns: ``id label a_right b_right`` (number of seeds that are right), ``change`` (a_right - b_right), ``kind``
    ("mends" where that is positive, "breaks" or "same"), and the texts where given.

    Raises:
        ValueError: items or numbers of seeds differ.
    """
    import pandas as pd

    if not np.array_equal(a.ids, b.ids) or len(a.seeds) != len(b.seeds):
        raise ValueError("flips need the same items and the same number of seeds on both sides")
    frame = pd.DataFrame({"id": a.ids, "label": a.labels, "a_right": a.right.sum(0), "b_right": b.right.sum(0)})
    frame["change"] = frame["a_right"] - frame["b_right"]
    frame["kind"] = np.select([frame["change"] > 0, frame["change"] < 0], ["mends", "breaks"], "same")
    frame = frame.sort_values("change", key=lambda c: -c.abs(), kind="stable", ignore_index=True)
    return frame if texts is None else frame.merge(texts, on="id", how="left")


def collapsed(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with collapsed runs: their number, and the mean with and without them.

    The input is the frame of ``compare``.
    """
    import pandas as pd

    records = []
    for cell in cells[cells["collapsed"] > 0].to_dict("records"):
        alive = [s for s, dead in zip(cell["scores"], cell["collapsed_runs"], strict=True) if not dead]
        records.append(
            {
                **{name: cell[name] for name in ("row", "column", "collapsed", "n_seeds", "mean")},
                "mean_without": float(np.mean(alive)) if alive else np.nan,
            }
        )
    return pd.DataFrame(records, columns=["row", "column", "collapsed", "n_seeds", "mean", "mean_without"])


# ---- slices


def slices(
    texts: pd.DataFrame | None, labels: Sequence[int], names: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Return boolean masks over the items: by label, length, lexical overlap and negation.

    Args:
        texts: ``id text_0 [text_1]``, a row per item in the items' order; None: slices by label only.
        labels: ``(items,)``.
        names: names of the labels.

    Returns:
        Name -> mask. Thirds are by rank, so that they are equally large except for ties.
    """
    label = np.asarray(labels)
    masks = {f"label: {names[c] if names else c}": label == c for c in np.unique(label)}
    if texts is None:
        return masks
    columns = [c for c in texts if str(c).startswith("text_")]
    words = [[str(t).lower().split() for t in texts[c]] for c in columns]
    length = np.array([sum(map(len, item)) for item in zip(*words, strict=True)])
    masks |= _thirds("length", length, ("short", "middle", "long"))
    if len(columns) == 2:
        overlap = np.array([_overlap(first, second) for first, second in zip(*words, strict=True)])
        masks |= _thirds("overlap", overlap, ("low", "middle", "high"))
    negated = texts[columns].apply(lambda c: c.astype(str).str.contains(NEGATIONS)).any(axis=1).to_numpy()
    return masks | {"negation": negated, "no negation": ~negated}


def by_slice(a: Outputs, b: Outputs, masks: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the accuracies of A and B per slice, with the deciding interval within the slice.

    Columns: ``slice n a b difference low high``, as fractions. Left out are slices of fewer than two items, and those
    of the same items as all together or as an earlier slice.

    Raises:
        ValueError: items or seeds differ.
    """
    import pandas as pd

    records, d = [], _differences(a, b)
    seen = {np.ones(d.shape[1], dtype=bool).tobytes()}
    for name, mask in masks.items():
        if mask.tobytes() in seen:
            continue
        seen.add(mask.tobytes())
        groups = None if a.groups is None else a.groups[mask]
        if mask.sum() < 2 or (groups is not None and len(set(groups)) < 2):
            continue
        interval = combine([layout(d[:, mask], groups)])
        arms = {"a": float(a.right[:, mask].mean()), "b": float(b.right[:, mask].mean())}
        records.append(
            {
                "slice": name,
                "n": int(mask.sum()),
                **arms,
                "difference": interval.estimate,
                "low": interval.low,
                "high": interval.high,
            }
        )
    return pd.DataFrame.from_records(records)


def _thirds(quantity: str, values: np.ndarray, names: tuple[str, str, str]) -> dict[str, np.ndarray]:
    low, high = np.quantile(values, [1 / 3, 2 / 3])
    return {
        f"{quantity}: {names[0]}": values <= low,
        f"{quantity}: {names[1]}": (values > low) & (values <= high),
        f"{quantity}: {names[2]}": values > high,
    }


def _overlap(first: list[str], second: list[str]) -> float:
    """Return the share of the second text's words that also occur in the first (a known heuristic in NLI data)."""
    return sum(word in set(first) for word in second) / len(second) if second else 0.0
