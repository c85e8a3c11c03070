"""Definitions of own data: types inferred, splits cut once, groups whole, and every refusal with its remedy."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.definition import Definition
from benchmarks.errors import DataError, UsageError
from benchmarks.tasks import TASKS
from benchmarks.tasks.own import Choices, define, enter, read_task_file
from benchmarks.tasks.sources import Source, load_split
from benchmarks.tasks.subsample import holdout


def frame(n: int = 200, classes: tuple[str, ...] = ("calm", "angry", "sad"), seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, n, p=[0.6, *[0.4 / (len(classes) - 1)] * (len(classes) - 1)])
    texts = [f"text {i} says {word}" for i, word in enumerate(labels)]
    return pd.DataFrame({"says": texts, "mood": labels, "who": [f"w{i % 40}" for i in range(n)]})


def choose(path: Path, content: pd.DataFrame, **changes) -> Choices:
    content.to_csv(path, index=False)
    return Choices(**{"data": str(path), "text": ("says",), "label": "mood", **changes})


def splits_of(task) -> dict:
    enter([task.definition])
    source = Source("local", None, task.files)
    return {split: load_split(TASKS[task.name], split, source) for split in task.definition.splits}


def test_a_file_becomes_a_task_with_a_stratified_dev(tmp_path):
    content = frame()
    task = define(choose(tmp_path / "My Tickets.v2.csv", content))
    definition, splits = task.definition, splits_of(task)
    assert (task.name, definition.labels, definition.metrics) == (
        "own-my-tickets-v2",
        ("angry", "calm", "sad"),
        ("accuracy", "macro_f1"),
    )
    assert dict(definition.rows) == {"train": 160, "dev": 40}
    assert sorted(map(int, splits["train"].ids + splits["dev"].ids)) == list(range(1, 201))
    whole, dev = Counter(content["mood"]), Counter(definition.labels[i] for i in splits["dev"].labels)
    assert all(abs(dev[name] - 0.2 * whole[name]) < 1 for name in whole)
    row = int(splits["dev"].ids[0])
    assert splits["dev"].texts[0][0] == content["says"][row - 1]


def test_the_split_seed_alone_moves_the_cut(tmp_path):
    ids = [splits_of(define(choose(tmp_path / "a.csv", frame(), split_seed=seed)))["dev"].ids for seed in (0, 0, 1)]
    assert ids[0] == ids[1] != ids[2]


def test_groups_are_never_divided_in_cut_nor_holdout(tmp_path):
    splits = splits_of(define(choose(tmp_path / "a.csv", frame(400), group="who")))
    train, dev = splits["train"], splits["dev"]
    assert not set(train.extra["group"]) & set(dev.extra["group"])
    assert 0.15 <= len(dev) / 400 <= 0.25
    kept, aside = holdout(train, np.arange(len(train)), 0.1, 3)
    assert len(kept) + len(aside) == len(train)
    assert len(aside)
    assert not set(train.extra["group"][kept]) & set(train.extra["group"][aside])


def test_given_splits_stay_as_they_are_and_the_verdict_is_on_test(tmp_path):
    for name, seed in (("dev", 1), ("test", 2)):
        frame(30, seed=seed).to_csv(tmp_path / f"{name}.csv", index=False)
    choices = choose(tmp_path / "a.csv", frame(), dev=str(tmp_path / "dev.csv"), test=str(tmp_path / "test.csv"))
    definition = define(choices).definition
    assert dict(definition.rows) == {"train": 200, "dev": 30, "test": 30}
    assert (definition.verdict_split, definition.cut_dev) == ("test", False)
    enter([definition])
    assert TASKS[definition.name].evaluated_on == "test"
    only_test = define(replace(choices, dev=None)).definition
    assert only_test.splits == ("train", "test")


def test_the_format_is_no_part_of_a_definition_and_the_content_is(tmp_path):
    choices = choose(tmp_path / "a.csv", frame())
    frame().to_parquet(tmp_path / "a.parquet")
    first = define(choices).definition
    assert define(replace(choices, data=str(tmp_path / "a.parquet"))).definition == first
    changed = frame()
    changed.loc[0, "says"] += "!"
    assert define(choose(tmp_path / "a.csv", changed)).definition.fingerprints != first.fingerprints


def test_a_definition_reads_back_from_json_and_holds_no_path(tmp_path):
    definition = define(choose(tmp_path / "a.csv", frame(), group="who", metrics=("f1:sad", "matthews"))).definition
    text = json.dumps(definition.to_json())
    assert Definition.from_json(json.loads(text)) == definition
    assert str(tmp_path) not in text
    assert definition.labels[1] == "sad"
    assert definition.metrics == ("f1_named", "matthews")


def test_changed_rows_are_not_taken_for_those_of_the_definition(tmp_path):
    task = define(choose(tmp_path / "a.csv", frame()))
    frame(210).to_csv(tmp_path / "a.csv", index=False)
    enter([task.definition])
    with pytest.raises(DataError, match="they have changed"):
        load_split(TASKS[task.name], "dev", Source("local", None, task.files))


def test_numbers_are_predicted_on_their_own_scale(tmp_path):
    content = frame().assign(mood=np.linspace(1, 5, 200).round(3))
    task = define(choose(tmp_path / "a.csv", content, regression=True))
    assert (task.definition.low, task.definition.high) == (1.0, 5.0)
    assert splits_of(task)["train"].labels.dtype == np.float64


def test_a_pair_of_texts_and_labels_of_whole_numbers(tmp_path):
    content = frame().assign(then="and then", mood=[str(i % 12) for i in range(200)])
    task = define(choose(tmp_path / "a.csv", content, text=("says", "then")))
    assert task.definition.labels == tuple(map(str, range(12)))
    assert len(splits_of(task)["dev"].texts) == 2


def test_bad_rows_are_refused_with_their_numbers_or_dropped_and_counted(tmp_path):
    content = frame()
    content.loc[[3, 7], "says"] = ["", "   "]
    content.loc[9, "mood"] = ""
    choices = choose(tmp_path / "a.csv", content)
    with pytest.raises(DataError, match=r"3 of 200 rows cannot be used: row 4 \(without 'says'\), 8 .*--bad-rows"):
        define(choices)
    task = define(replace(choices, bad_rows="drop"))
    assert any("rows of train left out: 1 without 'mood', 2 without 'says'" in remark for remark in task.remarks)
    assert sum(dict(task.definition.rows).values()) == 197


def test_remarks_tell_types_splits_labels_repeats_and_groups(tmp_path):
    content = frame()
    content.loc[100:, "says"] = content["says"][:100].to_numpy()
    remarks = " ".join(define(choose(tmp_path / "a.csv", content, group="who")).remarks)
    for words in (
        "text from 'says'; label from 'mood', read as 3 classes ('angry', 'calm', 'sad')",
        "20 % were cut as dev, once for all seeds (split seed 0, groups of 'who' never divided)",
        "labels of dev:",
        "stand in train too",
        "with fewer than 20 nothing is decided",
    ):
        assert words in remarks


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (frame(3), {}, "only 3 usable rows; the train split needs at least 50"),
        (frame().assign(mood="same"), {}, "every row has the label 'same'"),
        (frame().assign(mood=[f"id-{i}" for i in range(200)]), {}, "200 different values in 200 rows: is it an id"),
        (frame().assign(mood=["1", "yes"] * 100), {}, r"mixes numbers \('1'\) and words \('yes' in row 2\)"),
        (frame().assign(mood=["1", "1.0"] * 100), {}, "writes one number in two ways"),
        (frame().assign(mood=np.arange(200)), {}, "200 different numbers .* add --regression"),
        (frame().assign(mood=[0.5, 1.5] * 100), {}, "add --regression"),
        (frame().assign(mood=["nan", "1"] * 100), {"regression": True}, "row 1: 'nan' in 'mood' is no finite number"),
        (frame().assign(mood=["inf", "1"] * 100), {"regression": True}, "row 1: 'inf' .* no finite number"),
        (frame().assign(mood=[2.5] * 200), {"regression": True}, "nothing to predict"),
        (frame().assign(mood=["0,5", "1,5"] * 100), {"regression": True}, "row 1: '0,5' .* with a decimal point"),
        (frame().assign(mood=["5 %", "7 %"] * 100), {"regression": True}, "row 1: '5 %' .* with a decimal point"),
        (frame().assign(mood=["1e300", "1"] * 100), {"regression": True}, "row 1: '1e300' .* is too large"),
        (frame().assign(mood=[*np.linspace(0, 5, 199), "inf"]), {}, "'inf' in row 200.; mend the words and add --regr"),
        (frame(), {"regression": True, "bad_rows": "drop"}, "no row can be used: with no finite number in 'mood'"),
        (frame().assign(says="all alike"), {}, "every row has the same text in 'says': is it the right column"),
        (frame().assign(says="x" * 1_000_001), {}, r"row 1 \(with more than 1,000,000 characters in 'says'\)"),
        (frame(), {"metrics": ("f1:glad",)}, "has no class of that name"),
        (frame().assign(who="w"), {"group": "who"}, "1 group, too few or too uneven"),
        (frame().assign(who=["a"] * 160 + ["b"] * 40), {"group": "who"}, "all rows of dev are of one group of 'who'"),
        (frame(), {"label": "moods"}, "no column 'moods'; did you mean 'mood'"),
    ],
)
def test_what_is_no_task_is_refused_with_the_remedy(tmp_path, content, changes, message):
    with pytest.raises(UsageError, match=message) as caught:
        define(choose(tmp_path / "a.csv", content, **changes))
    assert "\n" not in str(caught.value)


def test_two_hundred_thousand_classes_are_refused(tmp_path):
    many = [f"c{i}" for i in range(200_000)]
    content = pd.DataFrame({"says": ["x"] * 400_000, "mood": many * 2})
    with pytest.raises(DataError, match="200,000 different values in 400,000 rows"):
        define(choose(tmp_path / "a.csv", content))


def test_a_class_that_only_dev_has_and_a_divided_group_are_refused(tmp_path):
    dev = frame(30, seed=1)
    dev.assign(mood="new").to_csv(tmp_path / "dev.csv", index=False)
    choices = choose(tmp_path / "a.csv", frame(), dev=str(tmp_path / "dev.csv"))
    with pytest.raises(DataError, match="row 1: the label 'new' does not occur"):
        define(choices)
    dev.to_csv(tmp_path / "dev.csv", index=False)
    with pytest.raises(DataError, match=r"groups stand in train too \('w0'"):
        define(replace(choices, group="who"))
    dev.assign(mood="").to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(DataError, match="a verdict needs labels"):
        define(replace(choices, dev=None, test=str(tmp_path / "test.csv")))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_a_split_seed_is_refused_where_nothing_is_cut(split, tmp_path):
    """It would make other runs of the same rows."""
    frame(60, seed=1).to_csv(tmp_path / "more.csv", index=False)
    given = {split: str(tmp_path / "more.csv")}
    with pytest.raises(UsageError, match=f"--split-seed 4: nothing is cut where the data have {split}; leave it out"):
        define(choose(tmp_path / "a.csv", frame(), split_seed=4, **given))
    assert not define(choose(tmp_path / "a.csv", frame(), **given)).definition.cut_dev


def test_numbers_that_are_all_the_same_in_one_split_are_refused(tmp_path):
    frame(30, seed=1).assign(mood=1.5).to_csv(tmp_path / "dev.csv", index=False)
    content = frame().assign(mood=np.linspace(1, 5, 200).round(3))
    choices = choose(tmp_path / "a.csv", content, regression=True, dev=str(tmp_path / "dev.csv"))
    with pytest.raises(
        DataError, match=r"dev\.csv: every row has the number 1\.5 in 'mood': there is nothing to predict"
    ):
        define(choices)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": ("a", "b", "c")}, "one, or two for pairs"),
        ({"text": ("mood",)}, "name a column twice"),
        ({"group": "says"}, r"name a column twice \(says, mood, says\)"),
        ({"group": ""}, "need a column's name, got an empty one"),
        ({"text": ("",)}, "need a column's name, got an empty one"),
        ({"data": ""}, "--data is empty: give a file or folder"),
        ({"dev": ""}, "--dev is empty: give a file or folder, or leave it out"),
        ({"test": " "}, "--test is empty: give a file or folder, or leave it out"),
        ({"metrics": ("",)}, "--metric has an empty name"),
        ({"split_seed": -1}, "--split-seed -1: give a whole number from 0 to"),
        ({"split_seed": 2**63}, "--split-seed 9223372036854775808: give a whole number from 0 to"),
        ({"name": "My Task"}, "small letters, digits and dashes"),
        ({"bad_rows": "skip"}, "give error or drop"),
        ({"metrics": ("f1",)}, "say of which class"),
        ({"metrics": ("acuracy",)}, "did you mean 'accuracy'"),
        ({"metrics": ("rmse",)}, "classes are predicted"),
        ({"regression": True, "metrics": ("accuracy",)}, "a number is predicted"),
    ],
)
def test_choices_are_checked_before_anything_is_read(changes, message):
    with pytest.raises(UsageError, match=message):
        Choices(**{"data": "x.csv", "text": ("says",), "label": "mood", **changes})


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"mood": ["Calm", "calm"] * 100}, "'Calm' and 'calm' are different classes here"),
        ({"mood": ["so so", "so  so"] * 100}, "'so  so' and 'so so' are different classes here"),
        ({"mood": ["caf\u00e9", "cafe\u0301"] * 100}, r"'cafe\u0301' and 'caf\xe9' are different classes here"),
        ({"mood": ["calm", "calm\u200b"] * 100}, r"'calm' and 'calm\u200b' are different classes here"),
        ({"mood": ["calm", "N/A"] * 100}, "'N/A' is a class like every other; where it stands for a missing label"),
        ({"who": [f"{i // 2 % 40}{'.0' * (i % 2)}" for i in range(200)]}, "that are one number in two spellings"),
        (
            {"who": ["nan"] * 100 + [f"w{i % 40}" for i in range(100)]},
            "'nan' in 'who' is a group like every other, of 100",
        ),
    ],
)
def test_what_looks_like_a_mistake_is_a_warning(tmp_path, changes, warning):
    content = frame().assign(**changes)
    remarks = define(choose(tmp_path / "a.csv", content, group="who")).remarks
    assert [line for line in remarks if warning in line and line.startswith("WARNING: ")], remarks
    plain = define(choose(tmp_path / "a.csv", frame(), group="who")).remarks
    assert not any("spelling" in line or "like every other" in line for line in plain)


def test_blanks_around_a_label_are_no_other_class_and_words_among_numbers_are_dropped(tmp_path):
    content = frame().assign(mood=["calm", " calm", "angry\u00a0", "angry"] * 50)
    assert define(choose(tmp_path / "a.csv", content)).definition.labels == ("angry", "calm")
    numbers = frame().assign(mood=[*np.linspace(0, 5, 198).round(3), "NA", "inf"])
    task = define(choose(tmp_path / "b.csv", numbers, regression=True, bad_rows="drop"))
    assert sum(dict(task.definition.rows).values()) == 198
    assert any("left out: 2 with no finite number in 'mood'" in remark for remark in task.remarks)


def test_a_folder_is_looked_at_no_deeper_than_it_is_read(tmp_path, monkeypatch):
    frame().to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "gone.csv").symlink_to("nowhere")
    monkeypatch.setattr(Path, "rglob", lambda *_: pytest.fail("a folder may hold a whole disk"))
    choices = Choices(data=str(tmp_path), text=("says",), label="mood")
    assert define(choices).definition.cut_dev


def test_a_name_of_the_suite_is_not_overwritten(tmp_path):
    task = define(choose(tmp_path / "a.csv", frame(), name="rte"))
    with pytest.raises(UsageError, match="the suite has a task of that name"):
        enter([task.definition])


def test_a_task_file_describes_one_task_or_several_beside_it(tmp_path):
    frame().to_csv(tmp_path / "a.csv", index=False)
    path = tmp_path / "task.toml"
    path.write_text('data = "a.csv"\ntext = "says"\nlabel = "mood"\nmetric = ["f1:sad"]\n')
    assert define(read_task_file(path, hub=False)[0]).name == "own-a"
    table = '[[task]]\ndata = "a.csv"\ntext = ["says"]\nlabel = "mood"\nname = "{}"\n'
    path.write_text(table.format("one") + table.format("two") + "split_seed = 4\n")
    assert [choices.task_name for choices in read_task_file(path, hub=False)] == ["one", "two"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('data = "a.csv"\ntext = "says"\n', "a task needs label"),
        ('data = "a.csv"\ntexts = "says"\n', "no key 'texts' of a task; did you mean 'text'"),
        ('data = "a.csv"\ntext = "says"\nlabel = 3\n', "label = 3 is of the wrong kind"),
        ('label = "x"\n[[task]]\n', "label stands outside"),
        ("data = ", "cannot be read"),
    ],
)
def test_a_wrong_task_file_is_refused(tmp_path, text, message):
    path = tmp_path / "task.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_task_file(path, hub=False)
