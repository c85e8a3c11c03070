"""Error analysis and calibration: hand-made items whose every number can be counted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn import metrics as sk

from analysis import errors
from analysis.calibration import expected_calibration_error, reliability, temperature
from analysis.comparison import compare
from analysis.crossed import crossed_interval
from analysis.errors import Outputs
from analysis.records import ResultsError
from analysis.report.agreement import _contrastable
from analysis.results import Results
from analysis.scores import log_softmax


def outputs(chosen: list[list[int]], labels: list[int], votes=None, classes: int = 3) -> Outputs:
    """Make runs that answer ``chosen`` with logit 2 against 0."""
    logits = 2.0 * np.eye(classes)[np.array(chosen)]
    ids = np.array([f"i{n}" for n in range(len(labels))])
    return Outputs(ids, np.array(labels), logits, tuple(range(len(chosen))), None if votes is None else np.array(votes))


VOTES = [[5, 0, 0], [1, 4, 0], [2, 3, 0], [3, 1, 1], [2, 2, 1]]


def test_agreement_buckets_by_hand():
    assert errors.agreement(np.array(VOTES)).tolist() == ["5/0/0", "4/1/0", "3/2/0", "3/1/1", errors.NO_MAJORITY]


def test_contested_is_a_bare_majority():
    assert errors.is_contested(np.array(VOTES)).tolist() == [False, False, True, True, False]


def test_agreement_table_by_hand():
    runs = outputs([[0, 1, 1, 0, 0], [0, 1, 0, 1, 0]], [0, 1, 1, 0, 0], VOTES)
    table = errors.by_agreement({"vanilla": runs}).set_index("bucket")
    assert table["n"].to_dict() == {"5/0/0": 1, "4/1/0": 1, "3/2/0": 1, "3/1/1": 1, "all": 4}
    assert table["accuracy"].to_dict() == {"5/0/0": 1.0, "4/1/0": 1.0, "3/2/0": 0.5, "3/1/1": 0.5, "all": 0.75}
    p = np.exp(2) / (np.exp(2) + 2)
    assert table.loc["5/0/0", "cross_entropy"] == pytest.approx(-np.log(p))
    assert table.loc["5/0/0", "kl"] == pytest.approx(-np.log(p))
    assert table.loc["4/1/0", "vote_entropy"] == pytest.approx(stats.entropy([0.8, 0.2]))
    assert table.loc["4/1/0", "kl"] == pytest.approx(stats.entropy([0.8, 0.2, 1e-300], [p, (1 - p) / 2, (1 - p) / 2]))
    assert table.loc["all", "model_entropy"] == pytest.approx(stats.entropy([p, (1 - p) / 2, (1 - p) / 2]))
    assert errors.by_agreement({"vanilla": runs}).attrs["no_majority"] == 1


def test_temperature_scaled_rows_keep_accuracy_and_lower_cross_entropy(rng):
    votes = rng.multinomial(5, [0.6, 0.3, 0.1], size=300)
    labels = np.array([rng.choice(3, p=v / 5) for v in votes])
    loud = Outputs(np.arange(300), labels, 4 * rng.normal(size=(2, 300, 3)), (0, 1), votes)
    table = errors.by_agreement(
        {"vanilla": loud},
        holdout={"vanilla": {s: (labels, run) for s, run in zip(loud.seeds, loud.logits, strict=True)}},
    ).set_index(["row", "bucket"])
    scaled, plain = table.loc[("vanilla, temperature-scaled", "all")], table.loc[("vanilla", "all")]
    assert scaled["accuracy"] == plain["accuracy"]
    assert scaled["cross_entropy"] < plain["cross_entropy"]


def test_votes_that_are_not_there_are_asked_for():
    with pytest.raises(ResultsError, match="vanilla: these predictions hold no annotator votes"):
        errors.by_agreement({"vanilla": outputs([[0]], [0])})


def test_interaction_is_the_difference_of_two_differences(rng):
    labels = np.zeros(400, dtype=int)
    group = np.arange(400) < 150
    answers = lambda inside, outside: (rng.random((5, 400)) > np.where(group, inside, outside)).astype(int).tolist()  # noqa: E731
    a, b = outputs(answers(0.9, 0.7), labels.tolist()), outputs(answers(0.6, 0.7), labels.tolist())
    got = errors.interaction(a, b, group)
    d = a.right.astype(float) - b.right
    assert got.estimate == pytest.approx(d[:, group].mean() - d[:, ~group].mean())
    assert got.low > 0
    inside, outside = crossed_interval(d[:, group], 0 * d[:, group]), crossed_interval(d[:, ~group], 0 * d[:, ~group])
    assert max(inside.se, outside.se) < got.se <= np.hypot(inside.se, outside.se) * 1.25
    flipped = errors.interaction(a, b, ~group)
    assert (flipped.estimate, flipped.low) == pytest.approx((-got.estimate, -got.high))


def test_confusion_is_scikit_learns_mean(rng):
    labels = rng.integers(0, 3, 60)
    runs = outputs(rng.integers(0, 3, (4, 60)).tolist(), labels.tolist())
    expected = np.mean([sk.confusion_matrix(labels, run.argmax(1), labels=[0, 1, 2]) for run in runs.logits], axis=0)
    assert errors.confusion(runs) == pytest.approx(expected)


def test_flips_by_hand():
    b = outputs([[0, 1, 1, 0], [0, 1, 1, 1]], [0, 0, 1, 0])
    a = outputs([[0, 0, 0, 0], [0, 0, 1, 0]], [0, 0, 1, 0])
    texts = pd.DataFrame({"id": ["i1", "i2"], "text_0": ["mended", "broken"]})
    table = errors.flips(a, b, texts)
    assert table[["id", "change", "kind"]].to_numpy().tolist() == [
        ["i1", 2, "mends"],
        ["i2", -1, "breaks"],
        ["i3", 1, "mends"],
        ["i0", 0, "same"],
    ]
    assert table.loc[0, "text_0"] == "mended"


def test_collapsed_runs_are_counted_with_the_mean_without_them(small_world):
    cells = compare(Results.open(small_world), Results.open(small_world).manifest("compare"))
    table = errors.collapsed(cells).set_index(["row", "column"])
    cell = cells.set_index(["row", "column"]).loc[("r-drop", "demo-rte.accuracy")]
    assert set(table.index.get_level_values("row")) == {"r-drop"}
    assert table.loc[("r-drop", "demo-rte.accuracy"), "mean_without"] == cell["scores"][0]
    assert table.loc[("r-drop", "demo-rte.accuracy"), "mean"] == pytest.approx(np.mean(cell["scores"]))


def test_slices_by_hand():
    texts = pd.DataFrame(
        {
            "id": list("abc"),
            "text_0": ["A man sleeps", "Nobody is here today my friend", "One two three four five six seven"],
            "text_1": ["A man sleeps", "It isn't so", "Eight nine"],
        }
    )
    masks = errors.slices(texts, [0, 1, 1], ["yes", "no"])
    assert masks["label: no"].tolist() == [False, True, True]
    assert masks["negation"].tolist() == [False, True, False]
    assert masks["length: short"].tolist() == [True, False, False]
    assert masks["overlap: high"].tolist() == [True, False, False]
    runs = outputs([[0, 1, 1], [0, 0, 1]], [0, 1, 1]), outputs([[1, 1, 1], [1, 0, 1]], [0, 1, 1])
    again = {"the same items": next(iter(masks.values())).copy(), "all": np.ones(len(next(iter(masks.values()))), bool)}
    table = errors.by_slice(*runs, {**masks, **again}).set_index("slice")
    assert not set(again) & set(table.index)  # they would say nothing new
    assert table.loc["label: no", ["n", "a", "b", "difference"]].tolist() == [2, 0.75, 0.75, 0.0]
    assert "negation" not in table.index  # a single item carries no interval


def test_outputs_are_read_from_a_results_folder(small_world):
    manifest = Results.open(small_world).manifest("compare")
    keys = dict(zip(manifest.seeds, manifest.cells["r-drop"]["demo-rte"], strict=True))
    got = errors.read_outputs(Results.open(small_world), keys, "demo-rte", "dev")
    assert got.logits.shape == (2, 300, 2)  # the third seed is missing
    assert got.votes.sum(1).tolist() == [5] * 300
    with pytest.raises(ResultsError, match="no run on demo-rte is finished"):
        errors.read_outputs(Results.open(small_world), {0: "nope"}, "demo-rte", "dev")


def test_calibration_by_hand():
    # four items at confidence 0.9 of which three are right, two at 0.6 of which one is right
    confidence = np.array([0.9] * 4 + [0.6] * 2)
    logits = np.log(np.stack([confidence, 1 - confidence], axis=1))
    labels = np.array([0, 0, 0, 1, 0, 1])
    assert expected_calibration_error(labels, logits) == pytest.approx((4 * 0.15 + 2 * 0.1) / 6)
    table = reliability(labels, logits, bins=10)
    assert table["n"].tolist() == [2, 4]
    assert table["accuracy"].tolist() == [0.5, 0.75]
    assert ((table["low"] < table["confidence"]) & (table["confidence"] <= table["high"] + 1e-12)).all()


def test_the_temperature_that_was_put_in_comes_out(rng):
    honest = rng.normal(size=(20_000, 3)) * 1.5
    labels = (np.exp(log_softmax(honest)).cumsum(1) < rng.random((20_000, 1))).sum(1)
    assert temperature(labels, 3.0 * honest) == pytest.approx(3.0, rel=0.04)
    assert temperature(labels, honest / 2) == pytest.approx(0.5, rel=0.04)


@pytest.mark.parametrize(
    ("votes", "enough"),
    [
        ([[5, 0, 0], [4, 1, 0], [3, 2, 0], [3, 1, 1]], True),
        ([[3, 2, 0], [3, 1, 1], [3, 2, 0], [5, 0, 0]], False),  # one item beside the contested ones
        ([[3, 2, 0], [3, 1, 1], [2, 2, 1], [2, 2, 1]], False),  # no majority is no other group
    ],
)
def test_two_groups_of_two_items_are_needed_for_a_contrast_of_them(votes, enough):
    """A report on fewer once ended with an error instead of saying nothing about the contrast."""
    arm = outputs([[0, 0, 0, 0]], [0, 0, 0, 0], votes)
    assert _contrastable(arm, arm) is enough
    kept = errors.agreement(arm.votes) != errors.NO_MAJORITY
    if enough:
        errors.interaction(arm, arm, errors.is_contested(arm.votes)[kept])
