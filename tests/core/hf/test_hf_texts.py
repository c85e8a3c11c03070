"""Texts that a model cannot read, unknown words, and classes by other names: said by the MethodTrainer, not by CUDA."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from datasets import ClassLabel, Dataset, Features, List, Value
from torch import Tensor, nn
from transformers import AutoTokenizer, DataCollatorWithPadding, TrainingArguments

import benchmarks
from smart_repro.hf import MethodTrainer
from smart_repro.hf.texts import warn_of_classes

Tiny = Callable[..., nn.Module]


def stack(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
    return {name: torch.tensor([row[name] for row in rows]) for name in rows[0]}


def rows(token: int = 7, length: int = 6) -> list[dict[str, Any]]:
    ids = [2, *[token] * (length - 2), 3]
    return [{"input_ids": ids, "attention_mask": [1] * length, "labels": i % 2} for i in range(8)]


def trainer(folder: Path, model: nn.Module, data: Any, tokenizer: Any = None) -> MethodTrainer:
    args = TrainingArguments(str(folder), max_steps=1, use_cpu=True, report_to="none", disable_tqdm=True)
    made = MethodTrainer(model, args, train_dataset=data, eval_dataset=data, data_collator=stack, method="vanilla")
    made.processing_class = tokenizer
    return made


@pytest.mark.parametrize("verb", ["train", "evaluate"])
@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (rows(token=60), "tokens from 2 to 60, but the model has 60 word embeddings.*resize_token_embeddings"),
        (rows(token=-1), "tokens from -1 to 3"),
        ([{**row, "token_type_ids": [0, 1, 1, 1, 2, 2]} for row in rows()], "go up to 2, but the model knows 2 kinds"),
        (rows(length=33), "33 tokens, but the model has positions for 32.*max_length=32"),
    ],
)
def test_what_the_model_cannot_read(verb: str, data: Any, advice: str, tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=advice):
        getattr(trainer(tmp_path, tiny(), data), verb)()


def test_words_added_after_a_first_run_are_read(tiny: Tiny, tmp_path: Path) -> None:
    model: Any = tiny()
    trainer(tmp_path, model, rows()).train()
    model.resize_token_embeddings(61)
    trainer(tmp_path, model, rows(token=60, length=32)).train()


@pytest.mark.parametrize(("unknown", "warned"), [(7, True), (8, False)])
def test_unknown_words_are_warned_of(unknown: int, warned: bool, tiny: Tiny, tmp_path: Path) -> None:
    made = trainer(
        tmp_path, tiny(), rows(), SimpleNamespace(unk_token_id=unknown, save_pretrained=lambda _folder: None)
    )
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        made.train()
    assert any("does not know 67 % of the word pieces" in str(one.message) for one in seen) == warned


@pytest.mark.parametrize(
    ("in_model", "in_data", "warned"),
    [
        (("entailment", "neutral", "contradiction"), ("entailment", "neutral", "contradiction"), False),
        (("ENTAILMENT", "NEUTRAL", "CONTRADICTION"), ("entailment", "neutral", "contradiction"), False),
        (("contradiction", "entailment", "neutral"), ("entailment", "neutral", "contradiction"), True),
        (("world", "sports", "business"), ("entailment", "neutral", "contradiction"), True),
        (None, ("entailment", "neutral", "contradiction"), False),
        (("contradiction", "entailment", "neutral"), None, False),
    ],
)
def test_classes_by_other_names(in_model: Any, in_data: Any, warned: bool, tiny: Tiny) -> None:
    model: Any = tiny(3)
    if in_model:
        model.config.id2label = dict(enumerate(in_model))
    label = ClassLabel(names=list(in_data)) if in_data else Value("int64")
    features = Features({"input_ids": List(Value("int64")), "labels": label})
    data = Dataset.from_list([{"input_ids": [1], "labels": 0}], features=features)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        warn_of_classes(model, data)
    assert any("the data set's classes are entailment, neutral" in str(one.message) for one in seen) == warned


@pytest.mark.parametrize("labels", [["no", "yes"] * 4, [0, 1, None, 1] * 2])
def test_labels_that_are_no_numbers_are_named(labels: list[Any], tiny: Tiny, tmp_path: Path) -> None:
    """As the tokenizer's own collator fails on them: it asks for truncation and padding."""
    tokenizer = AutoTokenizer.from_pretrained(Path(benchmarks.__file__).parent / "tiny")
    data = Dataset.from_list([{**row, "labels": label} for row, label in zip(rows(), labels, strict=True)])
    made = trainer(tmp_path, tiny(), data, tokenizer)
    made.data_collator = DataCollatorWithPadding(tokenizer)
    with pytest.raises(ValueError, match="the column labels holds something else than numbers"):
        made.train()


@pytest.mark.parametrize("column", ["labels", "label"])
@pytest.mark.parametrize("make", [list, Dataset.from_list])
@pytest.mark.parametrize("values", [["no", "yes"] * 4, [0, 1, None, 1] * 2])
def test_the_default_collator_hides_no_label(
    values: list[Any], make: Any, column: str, tiny: Tiny, tmp_path: Path
) -> None:
    """Left alone it drops class names, or says that it cannot infer a type; in training and in evaluation."""
    data = make([{**row, column: value} for row, value in zip(unlabelled(), values, strict=True)])
    advice = f"the column {column} holds something else than numbers, .* in row . of the {{}} set: give classes"
    with pytest.raises(ValueError, match=advice.format("training")):
        collated(tmp_path, tiny(), data).train()
    for verb in ("evaluate", "predict"):
        made = collated(tmp_path, tiny(), rows())
        with pytest.raises(ValueError, match=advice.format("evaluation")):
            getattr(made, verb)(data)


@pytest.mark.parametrize("sets", [lambda data: data, lambda data: {"good": rows(), "bad": data}])
@pytest.mark.parametrize("value", [-1, 2, "yes", None])
def test_wrong_labels_of_the_evaluation_set_are_named_before_training(
    value: Any, sets: Any, tiny: Tiny, tmp_path: Path
) -> None:
    data = [*rows(), {**rows()[0], "labels": value}]
    made = collated(tmp_path, tiny(), rows(), eval_dataset=sets(data), eval_strategy="epoch")
    with pytest.raises(ValueError, match=r"evaluation set.* whole numbers from 0"):
        made.train()
    assert made.state.global_step == 0


def test_a_collator_of_ones_own_may_compute_the_labels(tiny: Tiny, tmp_path: Path) -> None:
    """What the columns hold is then its business; what it puts out is checked batch by batch."""
    data = [{**row, "labels": ("no", "yes")[row["labels"]]} for row in rows()]
    made = collated(tmp_path, tiny(), data, eval_dataset=data, eval_strategy="epoch")
    made.data_collator = lambda listed: stack([{**row, "labels": ["no", "yes"].index(row["labels"])} for row in listed])
    made.train()
    assert made.evaluate()["eval_loss"] > 0
    made.data_collator = lambda listed: stack([{**row, "labels": -1} for row in listed])
    with pytest.raises(ValueError, match="labels run from -1 to -1, but the model has 2 outputs"):
        made.evaluate()


def test_labels_of_a_stream_are_named_when_they_are_read(tiny: Tiny, tmp_path: Path) -> None:
    data = Dataset.from_list([{**row, "label": "yes"} for row in unlabelled()]).to_iterable_dataset()
    with pytest.raises(ValueError, match="probably that of the labels, holds something else than numbers"):
        collated(tmp_path, tiny(), data).train()


@pytest.mark.parametrize("make", [list, Dataset.from_list])
def test_a_test_set_without_labels_is_predicted(make: Any, tiny: Tiny, tmp_path: Path) -> None:
    made = collated(tmp_path, tiny(), rows())
    for data in (unlabelled(), [{**row, "labels": None} for row in unlabelled()]):
        assert made.predict(make(data)).predictions.shape == (8, 2)


def unlabelled() -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "labels"} for row in rows()]


def collated(folder: Path, model: nn.Module, data: Any, **options: Any) -> MethodTrainer:
    """Return a trainer with the Trainer's default collator."""
    given = {"eval_dataset": options.pop("eval_dataset", None)}
    args = TrainingArguments(str(folder), max_steps=1, use_cpu=True, report_to="none", disable_tqdm=True, **options)
    return MethodTrainer(model, args, train_dataset=data, method="vanilla", **given)


@pytest.mark.parametrize(
    ("count", "advice"), [(0, "the training set is empty"), (4, "4 rows, fewer than one batch of 8")]
)
def test_a_training_set_without_a_batch_is_refused(count: int, advice: str, tiny: Tiny, tmp_path: Path) -> None:
    args = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", dataloader_drop_last=True)
    data = Dataset.from_list(rows()).select(range(count))
    with pytest.raises(ValueError, match=advice):
        MethodTrainer(tiny(), args, train_dataset=data, data_collator=stack, method="vanilla").train()


def test_a_model_without_a_trainable_parameter_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny().requires_grad_(False)
    with pytest.raises(ValueError, match="no parameter of the model is left to train"):
        trainer(tmp_path, model, rows()).train()
