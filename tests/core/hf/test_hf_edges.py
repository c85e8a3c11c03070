"""Input that no method can work with gets a ValueError that says what to do: in the Trainer, and without it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForTokenClassification, TrainingArguments

from smart_repro.divergence import symmetric_kl
from smart_repro.hf import MethodTrainer
from smart_repro.methods import Smart, build

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]


class Bag(nn.Module):
    """A classifier of one's own: a linear layer on the mean word vector."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(60, 8)
        self.head = nn.Linear(8, 2)
        self.config = SimpleNamespace(num_labels=2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        mask = attention_mask.unsqueeze(-1)
        return SimpleNamespace(logits=self.head((self.words(input_ids) * mask).sum(1) / mask.sum(1)))


class Located(Bag):
    def get_input_embeddings(self) -> nn.Module:
        return self.words


def loss(method: Any, model: nn.Module, batch: dict[str, Tensor]) -> Any:
    method.setup(model, 10)
    return method.loss(model, batch)


def trained(folder: Path, model: nn.Module, batch: dict[str, Tensor], method: Any = "smart", **options: Any) -> None:
    """One update of a MethodTrainer on one batch."""
    args = TrainingArguments(
        str(folder),
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        remove_unused_columns=False,
        **{"max_steps": 1, **options},
    )
    data = [{name: value[row] for name, value in batch.items()} for row in range(len(batch["input_ids"]))]

    def stack(rows: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    MethodTrainer(model, args, train_dataset=data, data_collator=stack, method=method).train()


def test_a_model_that_does_not_say_where_its_embeddings_are(batch: Batch, tmp_path: Path) -> None:
    said = r"Bag does not say where its word embeddings are: define get_input_embeddings\(\)"
    for method in (Smart(site="word"), build("freelb"), build("pgd"), build("r3f")):
        with pytest.raises(ValueError, match=said):
            loss(method, Bag(), batch())
    with pytest.raises(ValueError, match=said):
        trained(tmp_path, Bag(), batch(), Smart(site="word"))
    with pytest.raises(ValueError, match="Located has no embedding block to perturb: use site='word'"):
        trained(tmp_path, Located(), batch())
    assert loss(Smart(site="word"), Located(), batch()).parts["smoothness"] > 0


def test_a_model_that_does_not_say_how_many_outputs_it_has(batch: Batch) -> None:
    model = Located()
    del model.config
    with pytest.raises(ValueError, match="give it an attribute config with num_labels"):
        loss(build("vanilla"), model, batch())


@pytest.mark.parametrize(("column", "advice"), [("attention_mask", "DataCollatorWithPadding"), ("labels", "renamed")])
def test_a_batch_without_a_column(column: str, advice: str, tiny: Tiny, batch: Batch, tmp_path: Path) -> None:
    without = {name: value for name, value in batch().items() if name != column}
    with pytest.raises(ValueError, match=f"the batch has no {column}.*{advice}"):
        loss(build("smart"), tiny(), without)
    with pytest.raises(ValueError, match=f"the batch has no {column}.*{advice}"):
        trained(tmp_path, tiny(), without)


def test_kl_divergence_of_a_regression_head(tiny: Tiny, batch: Batch, tmp_path: Path) -> None:
    """By hand it is refused; the methods take the squared error there by themselves."""
    with pytest.raises(ValueError, match=r"softmax of one logit is always 1\. For regression use squared_error"):
        symmetric_kl(torch.zeros(4, 1), torch.zeros(4, 1))
    trained(tmp_path, tiny(outputs=1), batch(outputs=1))
    with pytest.raises(ValueError, match=r"float labels need a model with num_labels=1 \(regression\), this one has 2"):
        trained(tmp_path, tiny(outputs=2), batch(outputs=1))


def test_multi_label_targets(tiny: Tiny, batch: Batch, tmp_path: Path) -> None:
    several = {**batch(4), "labels": torch.ones(4, 3)}
    with pytest.raises(ValueError, match=r"one label per text is needed, got labels of shape \(4, 3\)"):
        trained(tmp_path, tiny(outputs=3), several)


def test_logits_of_every_token(batch: Batch) -> None:
    config = BertConfig(
        vocab_size=60, hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8, num_labels=2
    )
    for name in ("vanilla", "smart", "sdv", "freelb"):
        with pytest.raises(ValueError, match=r"one row of logits per text is needed, got.* shape \(4, \d+, 2\)"):
            loss(build(name), BertForTokenClassification(config), batch(4))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_weights_in_half_precision_let_the_radius_vanish(
    dtype: torch.dtype, tiny: Tiny, batch: Batch, tmp_path: Path
) -> None:
    said = r"weights are torch\.b?float16, in which an offset of 1e-5 vanishes.*model\.float\(\)"
    for name in ("smart", "smoothness", "r-drop", "freelb"):
        with pytest.raises(ValueError, match=said):
            loss(build(name), tiny().to(dtype), batch())
    with pytest.raises(ValueError, match=said):
        trained(tmp_path, tiny().to(dtype), batch())
    assert torch.isfinite(loss(build("vanilla"), tiny().to(dtype), batch()).total)


@pytest.mark.parametrize("name", ["sda", "sdv", "smart+sda"])
def test_more_past_students_than_updates(name: str, tiny: Tiny, batch: Batch, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="K=5 past students are more than the 4 updates of this run produce"):
        trained(tmp_path, tiny(), batch(), build(name, K=5), max_steps=4)
    trained(tmp_path, tiny(), batch(), build(name, K=4), max_steps=4)
