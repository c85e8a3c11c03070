"""Pronouns and candidates: the alignment against HNN's annotation, the readers, the demo's form, twins."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.errors import DataError, UsageError
from benchmarks.tasks import TASKS
from benchmarks.tasks.base import Split
from benchmarks.tasks.generated.lexicon import KIND
from benchmarks.tasks.pronouns import forms
from benchmarks.tasks.pronouns.alignment import align
from benchmarks.tasks.pronouns.mentions import alignment_notes, mentions_of
from benchmarks.tasks.pronouns.phrases import noun_phrases
from benchmarks.tasks.pronouns.words import PRONOUNS
from benchmarks.tasks.sources import Source, load_split
from benchmarks.tasks.subsample import holdout, subsample


def annotation(folder: Path, split: str) -> list[dict[str, str]]:
    with (folder / "HNN" / "WNLI" / f"{split}_annotated.tsv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))


# -- WNLI --------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("premise", "hypothesis", "pronoun", "candidate"),
    [
        (
            "The trophy doesn't fit into the suitcase because it is too large.",
            "The trophy is too large.",
            "it",
            "The trophy",
        ),
        (
            "The man lifted the boy onto his shoulders.",
            "The man lifted the boy onto the man's shoulders.",
            "his",
            "the man's",
        ),
        ("I can't cut that tree down with that axe; it is too thick.", "The tree is too thick.", "it", "The tree"),
        (
            "They broadcast an announcement, but I couldn't hear over it.",
            "I couldn't hear the announcement.",
            "it",
            "the announcement",
        ),
        ("Mary tucked Anne in, so that she could sleep.", "Mary's daughter could sleep.", "she", "Mary's daughter"),
    ],
)
def test_a_hypothesis_names_its_pronoun_and_candidate(
    premise: str, hypothesis: str, pronoun: str, candidate: str
) -> None:
    found = align(premise, hypothesis)
    assert found is not None
    assert (premise[found.start : found.end], found.candidate) == (pronoun, candidate)


def test_a_premise_without_a_pronoun_has_no_alignment() -> None:
    assert align("The dog ran.", "The dog ran.") is None
    with pytest.raises(DataError, match=r"wnli, row 7: no pronoun with candidates in .The dog ran\. / A dog ran\.."):
        mentions_of(TASKS["wnli"], Split(["7"], (["The dog ran."], ["A dog ran."]), np.array([1])))


@pytest.mark.parametrize(("split", "rows", "candidates"), [("train", 635, 626), ("test", 146, 139)])
def test_the_alignment_finds_every_annotated_pronoun_and_nearly_every_candidate(
    split: str, rows: int, candidates: int, real_data: Path
) -> None:
    """Counted against the annotation that HNN's authors published; articles and possessive endings do not count."""
    own = load_split(TASKS["wnli"], split, Source("local", real_data))
    pronouns = named = 0
    for row, premise, hypothesis in zip(annotation(real_data, split), *own.texts, strict=True):
        found = align(premise, hypothesis)
        assert found is not None
        pronouns += found.start == int(row["pronoun_idx"])
        named += forms.same_phrase(found.candidate, row["selected_nouns"])
    assert (len(own), pronouns, named) == (rows, rows, candidates)


def test_most_rows_with_a_wrong_candidate_have_the_right_one_among_their_rivals(real_data: Path) -> None:
    """Of rows with label 0 whose group (sentence, pronoun) has a row with label 1: the same phrase or its last word."""
    rows, groups = annotation(real_data, "train"), {}
    for row in rows:
        groups.setdefault((row["source"], row["pronoun_idx"]), []).append(row)
    assert len(groups) == 340
    assert sum(any(row["label"] == "1" for row in group) for group in groups.values()) == 312
    hits = total = 0
    for group in groups.values():
        right = [row["selected_nouns"] for row in group if row["label"] == "1"]
        for row in (row for row in group if row["label"] == "0" and right):
            mention = forms.entailment(row["source"], row["target"])
            assert mention is not None
            heads = {forms.plain_phrase(rival).split()[-1] for rival in mention.candidates[0]}
            hits += any(forms.plain_phrase(phrase).split()[-1] in heads for phrase in right)
            total += 1
    assert total == 295
    assert hits == 263


def test_wnlis_dev_set_is_aligned_and_what_is_unsure_is_counted(real_data: Path) -> None:
    dev = load_split(TASKS["wnli"], "dev", Source("local", real_data))
    mentions = mentions_of(TASKS["wnli"], dev)
    for mention, premise in zip(mentions, dev.texts[0], strict=True):
        assert mention.left + mention.pronoun + mention.right == premise
        assert len(mention.candidates[1]) == 1
        assert mention.candidates[0]
    (note,) = alignment_notes(TASKS["wnli"], dev)
    assert note == (
        "wnli: 0 of 71 pronouns found by an alignment that leaves words over; "
        "3 rows without a rival phrase, where the pronoun itself is the rival"
    )


def test_rivals_are_the_other_phrases_and_possessives_where_the_pronoun_is_one() -> None:
    mention = forms.entailment(
        "Jim signaled the barman and gestured toward his glass.", "Jim gestured toward the barman's glass."
    )
    assert mention is not None
    assert mention.candidates == (("Jim's", "his glass's"), ("the barman's",))
    assert noun_phrases("Sam and Amy love Joan, but they argue.", "they") == ["Sam", "Amy", "Joan", "Sam and Amy"]
    alone = forms.entailment("Because it rained, we stayed.", "The sky rained.")
    assert alone is not None
    assert alone.candidates == (("it",), ("The sky",))


# -- DPRD and the Winograd schemas -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("task", "split", "rows", "first"),
    [
        ("dprd", "train", 1322, 661),
        ("dprd", "test", 564, 282),
        ("wsc", "test", 285, 143),
        ("wsc273", "test", 273, 137),
    ],
)
def test_official_files_give_marked_sentences_with_two_candidates(
    task: str, split: str, rows: int, first: int, real_data: Path
) -> None:
    own = load_split(TASKS[task], split, Source("local", real_data))
    assert len(own) == rows
    assert int((own.labels == 0).sum()) == first
    for mention in mentions_of(TASKS[task], own):
        assert mention.pronoun
        assert all(len(group) == 1 and group[0] for group in mention.candidates)


def test_a_few_of_dprds_mentions_are_phrases_rather_than_pronouns(real_data: Path) -> None:
    """A trap: "that newbie" stands where a pronoun should; such a mention is masked and pooled like any other."""
    phrases = {}
    for split in ("train", "test"):
        own = load_split(TASKS["dprd"], split, Source("local", real_data))
        phrases[split] = sum(m.pronoun.lower() not in PRONOUNS for m in mentions_of(TASKS["dprd"], own))
    assert phrases == {"train": 2, "test": 4}


def test_wsc273_is_the_beginning_of_wsc(real_data: Path) -> None:
    whole, part = (load_split(TASKS[task], "test", Source("local", real_data)) for task in ("wsc", "wsc273"))
    assert part.texts[0] == whole.texts[0][:273]
    assert part.texts[0][0] == "The city councilmen refused the demonstrators a permit because [they] feared violence."


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("Al saw Bo.\t3\the\tAl\tAl,Bo", "does not stand at character 3"),
        ("Al saw Bo since he ran.\t16\the\tCy\tAl,Bo", "is not one of the candidates Al, Bo"),
        ("Al saw Bo since he ran.\t16\the\tAl\tAl", "two candidates"),
        ("Al [saw] Bo since he ran.\t18\the\tAl\tAl,Bo", "without brackets"),
    ],
)
def test_a_damaged_row_of_dprd_names_its_line(line: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "DPRD").mkdir()
    text = f"sentence\tpronoun_idx\tpronoun\tcoref\tcandidates\n{line}\n"
    (tmp_path / "DPRD" / "test_annotated.tsv").write_text(text)
    with pytest.raises(DataError, match=rf"line 2: .*{complaint}"):
        load_split(TASKS["dprd"], "test", Source("local", tmp_path))


def test_twins_stay_together_in_subsets_and_holdouts(real_data: Path) -> None:
    train = load_split(TASKS["dprd"], "train", Source("local", real_data))
    assert train.twins is not None
    rows = subsample(train, 401, seed=3)
    assert len(rows) == 400
    assert set(subsample(train, 100, seed=3)) <= set(rows)
    kept, aside = holdout(train, rows, 0.1, seed=3)
    assert (len(kept), len(aside)) == (360, 40)
    assert not set(train.twins[kept]) & set(train.twins[aside])
    assert sorted([*kept, *aside]) == rows.tolist()
    assert (train.labels[aside] == 0).mean() == 0.5  # one of each pair


# -- the demo ----------------------------------------------------------------------------------------------------------
def test_demo_wnli_has_pronouns_and_candidates_whose_kinds_differ() -> None:
    task = TASKS["demo-wnli"]
    split = load_split(task, "train", Source("generated"))
    for mention, premise in zip(mentions_of(task, split), split.texts[0], strict=True):
        assert mention.left + mention.pronoun + mention.right == premise
        assert mention.pronoun == "it"
        (rival,), (named,) = mention.candidates
        assert KIND[rival.removeprefix("the ")] == -KIND[named.removeprefix("the ")]


def test_a_task_without_pronouns_is_refused() -> None:
    split = load_split(TASKS["demo-rte"], "train", Source("generated"))
    with pytest.raises(UsageError, match="demo-rte has no pronouns to resolve"):
        mentions_of(TASKS["demo-rte"], split)
