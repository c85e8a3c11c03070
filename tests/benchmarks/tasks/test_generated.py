"""The generated world: what it promises, against closed forms and simulation."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import product

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score, matthews_corrcoef

from benchmarks.speed.world import Difficulty, joined
from benchmarks.tasks import TASKS, Split
from benchmarks.tasks.generated import ceilings
from benchmarks.tasks.generated.annotators import (
    ANNOTATORS,
    THREE_CLASSES,
    TWO_CLASSES,
    WEIGHTS,
    bucket_probability,
    majority,
    majority_ceiling,
    majority_chances,
    scores,
)
from benchmarks.tasks.generated.lexicon import ADJECTIVES, HEDGES, KIND, NOUNS, vocabulary

NAMES = [name for name, task in TASKS.items() if task.generated]
GLUE = ("cola", "sst2", "mrpc", "qqp", "stsb", "mnli", "qnli", "rte", "wnli")
SPLITS = {name: {split: TASKS[name].generate(split) for split in ("train", "dev", "test")} for name in NAMES}


def test_every_glue_task_has_a_generated_twin_of_the_same_shape():
    for name in GLUE:
        real, twin = TASKS[name], TASKS[f"demo-{name}"]
        assert (twin.head, twin.text, twin.metrics) == (real.head, real.text, real.metrics)


@pytest.mark.parametrize("name", NAMES)
def test_splits_have_their_sizes_and_share_no_text(name):
    texts = {split: set(joined(rows)) for split, rows in SPLITS[name].items()}
    assert {split: len(found) for split, found in texts.items()} == TASKS[name].sizes
    assert not texts["train"] & texts["dev"]
    assert not texts["train"] & texts["test"]
    assert not texts["dev"] & texts["test"]


def casts(split: Split) -> set[tuple[str, str]]:
    """Agent and patient of every event; the passive names the agent last."""
    found = set()
    for text in (text for column in split.texts for text in column):
        nouns = [word for word in text.split() if word in KIND]
        if len(nouns) == 2:
            found.add((nouns[1], nouns[0]) if " by the " in text else (nouns[0], nouns[1]))
    return found


@pytest.mark.parametrize("name", NAMES)
def test_splits_share_no_cast(name):
    train, dev, test = (casts(SPLITS[name][split]) for split in ("train", "dev", "test"))
    assert train
    assert not train & dev
    assert not train & test
    assert not dev & test


def test_a_fresh_process_generates_the_same():
    names = ("demo-rte", "demo-stsb")
    code = f"from benchmarks.tasks import TASKS\nfor name in {names}: print(TASKS[name].generate('train').fingerprint)"
    fresh = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert fresh.stdout.split() == [SPLITS[name]["train"].fingerprint for name in names]


def test_the_data_are_those_the_shipped_figures_were_measured_on():
    """If numpy or the code changes what is generated, raise its version and measure docs/generated-world.md again."""
    assert SPLITS["demo-rte"]["dev"].fingerprint[:16] == "f6975b13486ecdd0"
    assert SPLITS["demo-sst2"]["dev"].fingerprint[:8] == "bfeffc59"


@pytest.mark.parametrize("name", NAMES)
def test_generated_words_are_in_the_vocabulary_and_texts_are_short(name):
    words = set(vocabulary())
    for split in SPLITS[name].values():
        assert {word for text in joined(split) for word in text.split()} <= words
        assert max(len(text.split()) for text in joined(split)) + 3 <= 32  # [CLS], two [SEP]: nothing is cut off


def test_vocabulary_names_each_word_once_and_kinds_are_even():
    assert len(set(vocabulary())) == len(vocabulary())
    assert {len(nouns) for nouns in NOUNS.values()} == {160}


@pytest.mark.parametrize("name", ["demo-sst2", "demo-cola", "demo-qnli", "demo-rte", "demo-mnli"])
def test_train_shows_a_noun_two_or_three_times_on_average(name):
    counts = Counter(word for text in joined(SPLITS[name]["train"]) for word in text.split() if word in KIND)
    assert 1.75 <= np.mean(list(counts.values())) <= 3
    assert len(counts) >= 320


@pytest.mark.parametrize("name", [name for name in NAMES if name != "demo-stsb"])
def test_one_annotator_is_wrong_as_often_as_stated(name):
    train = SPLITS[name]["train"]
    panel = THREE_CLASSES if train.extra["q"].shape[1] == 3 else TWO_CLASSES
    expected = sum(w * (1 - q[0]) for w, q in zip(WEIGHTS, panel.q, strict=True))
    wrong = (train.labels != train.extra["q"].argmax(1)).mean()
    assert 0.15 <= expected <= 0.20
    assert wrong == pytest.approx(expected, abs=4 * (expected * (1 - expected) / len(train)) ** 0.5)


@pytest.mark.parametrize(("name", "share"), [("demo-sst2", 1.0), ("demo-qnli", 0.3), ("demo-mrpc", 0.04)])
def test_reasons_are_as_frequent_as_stated_and_say_nothing_about_the_label(name, share):
    dev = SPLITS[name]["dev"]
    events = [text for column in dev.texts for text in column if " the " in text]
    told = np.array([" because it is " in text for text in events])
    assert told.mean() == pytest.approx(share, abs=4 * (share * (1 - share) / len(told)) ** 0.5)
    column = dev.texts[-1]
    rows = np.array([" because it is " in text for text in column])
    values = np.array([reason(text) for text in np.array(column)[rows]])
    assert abs(np.corrcoef(values, dev.labels[rows])[0, 1]) < 4 / rows.sum() ** 0.5


def reason(text: str) -> int:
    """Value of the remark that ends a sentence."""
    *_, before, word, _ = text.split()
    kind = next(kind for kind, words in ADJECTIVES.items() if word in words)
    return -kind if before == "never" else kind


@pytest.mark.parametrize("name", ["demo-rte", "demo-qqp", "demo-mnli", "demo-stsb", "demo-cola"])
def test_other_tasks_give_no_reasons(name):
    assert not any("because" in text for column in SPLITS[name]["dev"].texts for text in column)


@pytest.mark.parametrize("name", NAMES)
def test_the_hedge_shows_the_type(name):
    dev = SPLITS[name]["dev"]
    first = [text.split()[0] for text in dev.texts[0]]
    assert all(word in HEDGES[tau] for word, tau in zip(first, dev.extra["type"], strict=True))


# -- annotators and ceilings ----------------------------------------------------------------------------------------


def bucket_of(votes: np.ndarray) -> str:
    ordered = [*sorted(votes.tolist(), reverse=True), 0]
    return "/".join(str(count) for count in ordered[:3])


@pytest.mark.parametrize("q", [*THREE_CLASSES.q, (0.2, 0.5, 0.3)])
def test_simulated_buckets_follow_the_closed_form(q):
    n = 40_000
    drawn = np.random.default_rng(0).multinomial(ANNOTATORS, q, size=n)
    found = Counter((bucket_of(votes), majority(votes)) for votes in drawn)
    for winner in range(3):
        for bucket, p in bucket_probability(q, winner).items():
            assert found[bucket, winner] / n == pytest.approx(p, abs=4.5 * (p * (1 - p) / n) ** 0.5 + 1e-9)


def test_buckets_and_no_majority_make_up_everything():
    q = (0.5, 0.3, 0.2)
    tie = sum(30 * np.prod([x ** (1 if i == k else 2) for i, x in enumerate(q)]) for k in range(3))  # 2/2/1
    assert sum(majority_chances(q)) + tie == pytest.approx(1)


def bucket_ceilings(panel):
    """Best reachable accuracy in each agreement bucket."""
    probabilities = [[bucket_probability(q, k) for k in range(len(q))] for q in panel.q]
    return {
        bucket: sum(w * max(p[bucket] for p in row) for w, row in zip(panel.weights, probabilities, strict=True))
        / sum(w * sum(p[bucket] for p in row) for w, row in zip(panel.weights, probabilities, strict=True))
        for bucket in ("5/0/0", "4/1/0", "3/2/0", "3/1/1")
    }


@pytest.mark.parametrize("name", ["demo-mnli", "demo-snli"])
def test_votes_come_with_the_inference_tasks_and_the_oracle_reaches_each_bucket(name):
    dev = SPLITS[name]["dev"]
    assert dev.votes is not None
    assert (dev.votes.argmax(1) == dev.labels).all()
    buckets = np.array([bucket_of(votes) for votes in dev.votes])
    right = dev.extra["q"].argmax(1) == dev.labels
    for bucket, p in bucket_ceilings(THREE_CLASSES).items():
        rows = buckets == bucket
        assert right[rows].mean() == pytest.approx(p, abs=4 * (p * (1 - p) / rows.sum()) ** 0.5 + 1e-3)
    assert SPLITS[name]["train"].votes is None


@pytest.mark.parametrize("name", [name for name in NAMES if "accuracy" in TASKS[name].metrics])
def test_the_oracle_reaches_the_stated_accuracy_on_dev(name):
    dev, ceiling = SPLITS[name]["dev"], TASKS[name].ceiling["accuracy"]
    oracle = (dev.extra["q"].argmax(1) == dev.labels).mean()
    assert oracle == pytest.approx(ceiling, abs=4 * (ceiling * (1 - ceiling) / len(dev)) ** 0.5)


def every_rule(metric: ceilings.Confusion, prior: tuple[float, float]) -> float:
    """Return the best over all 256 ways to label the eight kinds of items."""
    mass = np.outer(prior, WEIGHTS).ravel()
    chance = np.array([majority_chances(TWO_CLASSES.votes(y, t))[1] for y in (0, 1) for t in TWO_CLASSES.types])
    positive, negative, best = mass * chance, mass * (1 - chance), 0.0
    for said in product([0, 1], repeat=8):
        yes = np.array(said)
        cells = [yes @ positive, yes @ negative, (1 - yes) @ positive, (1 - yes) @ negative]
        best = max(best, metric(*cells)) if any(said) else best
    return best


@pytest.mark.parametrize("prior", [(0.3, 0.7), (0.63, 0.37), (0.5, 0.5)])
@pytest.mark.parametrize("metric", [ceilings.matthews, ceilings.f1])
def test_no_rule_beats_the_binary_ceiling(metric, prior):
    assert ceilings.binary_ceiling(metric, TWO_CLASSES, prior) == pytest.approx(every_rule(metric, prior))


def test_matthews_of_even_classes_is_twice_accuracy_minus_one():
    found = ceilings.binary_ceiling(ceilings.matthews, TWO_CLASSES, (0.5, 0.5))
    assert found == pytest.approx(2 * majority_ceiling(TWO_CLASSES) - 1)


@pytest.mark.parametrize("name", ["demo-cola", "demo-mrpc", "demo-qqp"])
def test_matthews_and_f1_ceilings_against_a_large_simulation(name):
    """A rule as good as the ceiling's exists: the oracle's, where no threshold but one half is better."""
    rng, n = np.random.default_rng(1), 200_000
    positive = {"demo-cola": 0.7, "demo-mrpc": 0.67, "demo-qqp": 0.37}[name]
    true, tau = (rng.random(n) < positive).astype(int), rng.choice(4, size=n, p=WEIGHTS)
    chance = np.array([[majority_chances(TWO_CLASSES.votes(y, t))[1] for t in range(4)] for y in (0, 1)])[true, tau]
    gold = rng.random(n) < chance
    score, metric = (matthews_corrcoef, "matthews") if name == "demo-cola" else (f1_score, "f1")
    found = max(score(gold, chance > cut) for cut in np.unique(chance)[:-1])
    assert found == pytest.approx(TASKS[name].ceiling[metric], abs=0.006)


def test_pearson_and_spearman_ceilings_against_a_large_simulation():
    rng, n = np.random.default_rng(2), 200_000
    true, tau = rng.choice([5, 3, 1], size=n), rng.choice(4, size=n, p=WEIGHTS)
    q = np.array([[scores(m, t) for t in range(4)] for m in range(6)])
    gold = np.zeros(n)
    for m, t in product([5, 3, 1], range(4)):
        rows = (true == m) & (tau == t)
        gold[rows] = rng.multinomial(ANNOTATORS, q[m, t], size=rows.sum()) @ np.arange(6) / ANNOTATORS
    oracle = (q @ np.arange(6))[true, tau]
    assert pearsonr(oracle, gold)[0] == pytest.approx(TASKS["demo-stsb"].ceiling["pearson"], abs=0.002)
    assert spearmanr(oracle.round(9), gold)[0] == pytest.approx(TASKS["demo-stsb"].ceiling["spearman"], abs=0.003)


@pytest.mark.parametrize("name", ["demo-rte", "demo-sst2", "demo-cola", "demo-stsb", "demo-qnli", "demo-mrpc"])
def test_a_bag_of_words_learns_next_to_nothing(name):
    train, dev = SPLITS[name]["train"], SPLITS[name]["dev"]
    counts = CountVectorizer().fit(joined(train))
    model = Ridge() if name == "demo-stsb" else LogisticRegression(max_iter=1_000)
    model.fit(counts.transform(joined(train)), train.labels)
    found = model.predict(counts.transform(joined(dev)))
    assert abs(np.corrcoef(found, dev.labels)[0, 1]) < 0.2


# -- the table of difficulties (benchmarks/speed/world.py) ---


@pytest.mark.parametrize(
    ("train", "dev", "words", "passed"),
    [
        (0.95, 0.82, 0.5, True),
        (0.89, 0.82, 0.5, False),  # does not fit its training labels
        (0.95, 0.86, 0.5, False),  # too near to the ceiling
        (0.95, 0.79, 0.5, False),  # too far from it
        (0.95, 0.82, 0.78, False),  # a bag of words is nearly as good
    ],
)
def test_the_gate_asks_for_fit_room_and_more_than_a_bag_of_words(train, dev, words, passed):
    gate = Difficulty("demo-rte", "accuracy", np.array([train, train]), np.array([dev - 0.01, dev + 0.01]), 0.9, words)
    assert gate.passed is passed
    assert gate.row().startswith(f"| demo-rte | accuracy | {100 * train:.1f} ± 0.0 | {100 * dev:.1f} ± 1.4 | 90.0 |")
    assert gate.row().endswith("| 2 | yes |" if passed else "| 2 | NO |")
