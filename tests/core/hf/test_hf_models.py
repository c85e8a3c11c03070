"""Models as users have them: outputs of any form, adapters, heads of an earlier task, columns named like ours."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import (
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)

import benchmarks
from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer
from smart_repro.methods import Method, Smart, build
from smart_repro.models import embedding_site, head_parameters, inside_adapters, layer_groups, load, logits

# the texts of these tests are numbers drawn at random, many of them the unknown token's
pytestmark = pytest.mark.filterwarnings("ignore:the tokenizer does not know")

Tiny = Callable[..., nn.Module]
Toy = Callable[..., Encoded]
Batch = Callable[..., dict[str, Tensor]]
TINY = Path(benchmarks.__file__).parent / "tiny"


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "learning_rate": 1e-2,
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        "seed": 0,
    }
    return TrainingArguments(output_dir=str(folder), **{**settings, **options})


@pytest.fixture
def tokenizer() -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast.from_pretrained(TINY)


def rows(tokenizer: Any, **columns: Callable[[int], Any]) -> list[dict[str, Any]]:
    texts = [f"the {'red' if place % 2 else 'blue'} box {place % 5} is here" for place in range(16)]
    return [
        {**tokenizer(text), "labels": place % 2, **{name: make(place) for name, make in columns.items()}}
        for place, text in enumerate(texts)
    ]


def bert(**options: Any) -> Any:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_pretrained(TINY, **{"num_labels": 2, **options})


def trained(folder: Path, model: nn.Module, data: Any, tokenizer: Any, method: Any = "vanilla", **options: Any) -> Any:
    more = {"data_collator": DataCollatorWithPadding(tokenizer)} if options.pop("bare", False) else {}
    trainer = MethodTrainer(
        model,
        arguments(folder, **options),
        train_dataset=data,
        eval_dataset=data,
        method=method,
        processing_class=None if more else tokenizer,
        **more,
    )
    trainer.train()
    return trainer


def losses(trainer: Trainer) -> list[float]:
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


# -- outputs -----------------------------------------------------------------------------------------------------------
class Shaped(nn.Module):
    """A classifier of one's own whose forward returns a dictionary or a tuple."""

    def __init__(self, inner: nn.Module, form: str) -> None:
        super().__init__()
        self.inner, self.form, self.config = inner, form, inner.config

    @property
    def base_model(self) -> Any:
        return self.inner.base_model

    def get_input_embeddings(self) -> Any:
        return self.inner.get_input_embeddings()  # type: ignore[operator]

    def forward(
        self, input_ids: Any = None, attention_mask: Any = None, token_type_ids: Any = None, labels: Any = None
    ) -> Any:
        scores = self.inner(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits
        loss = None if labels is None else F.cross_entropy(scores, labels)
        if self.form == "object":
            return SimpleNamespace(logits=scores)
        if self.form == "dict":
            return {"loss": loss, "logits": scores} if loss is not None else {"logits": scores}
        return (scores,) if loss is None else (loss, scores)


@pytest.mark.parametrize("method", ["smart", "sda"])
def test_outputs_of_any_form_train_alike(method: str, tokenizer: Any, tmp_path: Path) -> None:
    """Case 12: a dictionary, a tuple, and ``return_dict=False``, against the model itself."""
    results = []
    forms = (bert(), Shaped(bert(), "dict"), Shaped(bert(), "tuple"), bert(return_dict=False))
    for model in forms:
        trainer = trained(tmp_path, model, rows(tokenizer), tokenizer, method)
        prediction = trainer.predict(rows(tokenizer))
        results.append((losses(trainer), prediction.predictions, trainer.evaluate()["eval_loss"]))
    for line, predictions, loss in results[1:]:
        assert line == results[0][0]
        np.testing.assert_array_equal(predictions, results[0][1])
        assert loss == results[0][2]


def test_a_prediction_has_what_the_model_puts_out(tokenizer: Any, tmp_path: Path) -> None:
    """As in the stock Trainer: hidden states too, unless ``ignore_keys`` leaves them out."""
    trainer = trained(tmp_path, bert(output_hidden_states=True), rows(tokenizer)[:8], tokenizer)
    scores, hidden = trainer.predict(rows(tokenizer)[:8]).predictions
    assert scores.shape == (8, 2)
    assert len(hidden) == trainer.model.config.num_hidden_layers + 1
    assert trainer.predict(rows(tokenizer)[:8], ignore_keys=["hidden_states"]).predictions.shape == (8, 2)


def own_loss(base: type, loss: Callable[..., Tensor]) -> Any:
    """Return the class with a loss of its own, whose forward also draws a random number."""

    class Own(base):  # type: ignore[misc, valid-type]
        def forward(self, *args: Any, labels: Any = None, **kwargs: Any) -> Any:
            output = super().forward(*args, labels=labels, **kwargs)
            if labels is not None:
                torch.rand(1)
                output["loss"] = loss(output.logits, labels)
            return output

    return Own


@pytest.mark.parametrize(
    ("loss", "given", "warned"),
    [
        (lambda logits, labels: F.cross_entropy(logits, labels, weight=torch.tensor([1.0, 20.0])), {}, True),
        (lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.1), {}, True),
        (lambda logits, labels: F.cross_entropy(logits, labels), {}, False),
        (
            lambda logits, labels: F.cross_entropy(logits, labels, weight=torch.tensor([1.0, 20.0])),
            {"compute_loss_func": lambda outputs, labels, num_items_in_batch: F.cross_entropy(outputs.logits, labels)},
            False,
        ),
    ],
)
@pytest.mark.parametrize("method", ["vanilla", "smart", build("vanilla", label_smoothing=0.1)])
def test_a_loss_of_the_model_that_is_not_trained_is_warned_of(
    method: Any, loss: Any, given: dict[str, Any], warned: bool, tokenizer: Any, tmp_path: Path
) -> None:
    """Once, before the first update; the training itself is that of the model without such a loss, bit for bit."""
    if given and not isinstance(method, str):
        pytest.skip("label smoothing beside a loss of one's own is refused")
    data = rows(tokenizer)
    runs = []
    for model in (bert(), bert()):
        kind = type(model)
        if runs:
            model.__class__ = own_loss(kind, loss)
        trainer = MethodTrainer(
            model, arguments(tmp_path), train_dataset=data, method=method, processing_class=tokenizer, **given
        )
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            trainer.train()
        runs.append((losses(trainer), torch.rand(1), model))
        notes = [one for one in seen if "computes a loss of its own from labels" in str(one.message)]
        assert len(notes) == (warned and model.__class__ is not kind)
        assert model.config.problem_type is None
    (plain, draw, first), (line, again, second) = runs
    assert (line, again) == (plain, draw)
    for a, b in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("form", ["dict", "tuple", "object"])
def test_predictions_keep_the_rows_without_a_label(form: str, tokenizer: Any, tmp_path: Path) -> None:
    """Each row's prediction stands beside its label, whatever form the model's output has."""
    data = rows(tokenizer)
    expected = trained(tmp_path, Shaped(bert(), form), data, tokenizer, max_steps=1).predict(data)
    some = [{**row, "labels": -100 if place in (0, 9) else row["labels"]} for place, row in enumerate(data)]
    outcome = trained(tmp_path, Shaped(bert(), form), data, tokenizer, max_steps=1).predict(some)
    np.testing.assert_array_equal(outcome.predictions, expected.predictions)
    assert outcome.label_ids.tolist() == [row["labels"] for row in some]


@pytest.mark.parametrize("output", [{"scores": torch.zeros(2)}, (), SimpleNamespace(), 3.0])
def test_an_output_without_logits(output: Any) -> None:
    with pytest.raises(ValueError, match="the model's output has no logits, it is of type"):
        logits(output)


# -- columns -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [list, Dataset.from_list])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("example_id", lambda place: f"q-{place}"),
        ("task", lambda place: "rte"),
        ("task", lambda place: place % 3),
        ("example_id", float),
        ("example_id", lambda place: None),
    ],
)
def test_a_column_that_only_looks_like_ours_is_dropped(
    column: str, value: Any, make: Any, tokenizer: Any, tmp_path: Path
) -> None:
    """Case 11."""
    plain = trained(tmp_path, bert(), make(rows(tokenizer)), tokenizer, "smoothness")
    extra = trained(tmp_path, bert(), make(rows(tokenizer, **{column: value})), tokenizer, "smoothness")
    assert losses(plain) == losses(extra)
    assert extra.evaluate()["eval_loss"] == plain.evaluate()["eval_loss"]


@pytest.mark.parametrize("make", [list, Dataset.from_list])
def test_a_column_of_row_numbers_is_what_noise_is_drawn_from(make: Any, tokenizer: Any, tmp_path: Path) -> None:
    seen: list[list[int]] = []

    class Watching(Smart):
        def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Any:
            seen.append(batch["example_id"].tolist())
            return super().loss(model, batch)

    for columns in ({}, {"example_id": lambda place: 2**40 - place}):
        trained(
            tmp_path,
            bert(),
            make(rows(tokenizer, **columns)),
            tokenizer,
            Watching(),
            max_steps=1,
            train_sampling_strategy="sequential",
        )
    assert seen == [list(range(8)), [2**40 - place for place in range(8)]]


# -- heads of an earlier task ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("problem", "outputs", "said"),
    [
        ("regression", 3, "is 'regression', but the model has 3 outputs, which means single_label_classification"),
        ("single_label_classification", 1, "has 1 output, which means regression"),
        ("multi_label_classification", 2, "multi-label tasks and regression on several targets are not covered"),
    ],
)
def test_a_problem_type_that_does_not_fit_the_outputs(
    problem: str, outputs: int, said: str, tiny: Tiny, batch: Batch
) -> None:
    model = tiny(outputs)
    model.config.problem_type = problem  # type: ignore[union-attr]
    method = build("vanilla")
    method.setup(model, 10)
    with pytest.raises(ValueError, match=said):
        method.loss(model, batch(outputs=1 if outputs == 1 else 2))


def test_the_suite_forgets_an_earlier_tasks_problem_type(tiny: Tiny, tmp_path: Path) -> None:
    model = tiny(1)
    model.config.problem_type = "regression"  # type: ignore[union-attr]
    model.save_pretrained(tmp_path)  # type: ignore[operator]
    assert load(tmp_path, num_labels=3).config.problem_type is None  # type: ignore[union-attr]


# -- adapters of peft --------------------------------------------------------------------------------------------------
@pytest.fixture
def adapted() -> Callable[[], Any]:
    peft = pytest.importorskip("peft")

    def make() -> Any:
        config = peft.LoraConfig(task_type="SEQ_CLS", r=4, lora_alpha=8, target_modules=["query", "value"])
        model = bert()
        torch.manual_seed(0)
        return peft.get_peft_model(model, config)

    return make


@pytest.mark.parametrize("method", ["vanilla", "smart", "sda", "self-ensemble"])
def test_a_model_with_adapters_is_saved_and_resumed(
    method: str, adapted: Callable[[], Any], tokenizer: Any, tmp_path: Path
) -> None:
    """Case 02: saved as peft saves it, the same logits after loading, and exact resuming."""
    from peft import PeftModel

    options: dict[str, Any] = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2}
    trainer = trained(tmp_path / "run", adapted(), rows(tokenizer), tokenizer, method, **options)
    expected = trainer.predict(rows(tokenizer)).predictions
    trainer.save_model(str(tmp_path / "saved"))
    assert (tmp_path / "saved" / "adapter_model.safetensors").exists()
    assert not (tmp_path / "saved" / "model.safetensors").exists()
    loaded = PeftModel.from_pretrained(bert(), tmp_path / "saved").eval()
    again = Trainer(loaded, arguments(tmp_path), processing_class=tokenizer)
    np.testing.assert_allclose(again.predict(rows(tokenizer)).predictions, expected, atol=1e-5)
    resumed = MethodTrainer(
        adapted(),
        arguments(tmp_path / "run", **options),
        train_dataset=rows(tokenizer),
        processing_class=tokenizer,
        method=method,
    )
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    np.testing.assert_array_equal(resumed.predict(rows(tokenizer)).predictions, expected)


def test_the_encoder_is_seen_through_adapters(adapted: Callable[[], Any]) -> None:
    model = adapted()
    inside = inside_adapters(model)
    assert isinstance(inside, BertForSequenceClassification)
    assert embedding_site(model, "block") is inside.bert.embeddings
    assert embedding_site(model, "word") is inside.bert.embeddings.word_embeddings
    outside = {
        name for name, parameter in model.named_parameters() if any(parameter is p for p in head_parameters(model))
    }
    assert outside
    assert all("classifier" in name for name in outside)
    assert len(layer_groups(model)) == inside.config.num_hidden_layers + 2


def test_lora_leaves_adapters_alone(adapted: Callable[[], Any], tokenizer: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="the model has adapters of peft already, and method 'lora' adds its own"):
        trained(tmp_path, adapted(), rows(tokenizer), tokenizer, "lora")


def test_lora_with_other_options_needs_the_model_anew(tiny: Tiny) -> None:
    pytest.importorskip("peft")
    model = tiny()
    build("lora", rank=4).setup(model, 10)
    build("lora", rank=4).setup(model, 10)
    with pytest.raises(ValueError, match="load it anew"):
        build("lora", rank=8).setup(model, 10)


def test_a_learned_prompt_is_perturbed_at_the_words(tokenizer: Any, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=3)
    with pytest.raises(ValueError, match="learned prompt enters the embedding block with the text: use site='word'"):
        trained(tmp_path, peft.get_peft_model(bert(), config), rows(tokenizer), tokenizer, "smart")
    prompted = peft.get_peft_model(bert(), config)
    trainer = trained(tmp_path, prompted, rows(tokenizer), tokenizer, Smart(site="word"))
    assert all(line["smoothness"] > 0 for line in trainer.state.log_history if "loss" in line)


# -- noise of other kinds ----------------------------------------------------------------------------------------------


def test_neftunes_noise_is_shared_by_the_two_sides_of_r_s(tokenizer: Any, tmp_path: Path) -> None:
    """It changes the task loss, and R_s stays the effect of the perturbation, not of NEFTune's own noise."""
    plain, noisy = (
        trained(tmp_path, bert(), rows(tokenizer), tokenizer, "smoothness", max_steps=1, neftune_noise_alpha=alpha)
        for alpha in (None, 5.0)
    )
    first, second = plain.state.log_history[0], noisy.state.log_history[0]
    assert first["task"] != second["task"]
    assert second["smoothness"] < 100 * first["smoothness"]
    assert isinstance(noisy.method, Method)
