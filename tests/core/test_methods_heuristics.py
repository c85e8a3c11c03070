"""What both papers argue against: what stays fixed, what learns, and when."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import AlbertConfig, AlbertForSequenceClassification

from smart_repro import optim
from smart_repro.methods import build
from smart_repro.models import head_parameters, layer_groups

Tiny = Callable[..., nn.Module]
Batch = Callable[..., dict[str, Tensor]]
Trained = Callable[..., nn.Module]


def moved(before: nn.Module, after: nn.Module) -> set[str]:
    """Names of the parameters that differ."""
    old = dict(before.named_parameters())
    return {name for name, value in after.named_parameters() if not torch.equal(old[name], value)}


def test_feature_extraction_trains_the_head_on_fixed_features(tiny: Tiny, trained: Trained) -> None:
    model = trained(build("feature-extraction"), outputs=3)
    assert moved(tiny(3), model) == {"classifier.weight", "classifier.bias"}


def test_its_encoder_drops_nothing_unless_asked(tiny: Tiny, batch: Batch) -> None:
    seen: dict[bool, list[bool]] = {}
    for wanted in (False, True):
        model, method = tiny(), build("feature-extraction", encoder_dropout=wanted)
        method.setup(model, 10)
        modes: list[bool] = []
        model.bert.encoder.register_forward_hook(lambda module, *_, modes=modes: modes.append(module.training))
        model.classifier.register_forward_hook(lambda module, *_, modes=modes: modes.append(module.training))
        method.loss(model, batch())
        assert model.bert.training  # as it was
        seen[wanted] = modes
    assert seen == {False: [False, True], True: [True, True]}


@pytest.mark.parametrize(("frozen", "layers"), [(0.0, set()), (0.5, {0}), (1.0, {0, 1})])
def test_freezing_the_lower_layers(frozen: float, layers: set[int], tiny: Tiny, trained: Trained) -> None:
    names = moved(tiny(), trained(build("freeze-lower", frozen=frozen)))
    assert not any("embeddings" in name for name in names)
    for layer in (0, 1):
        assert any(f"layer.{layer}." in name for name in names) == (layer not in layers)
    assert "classifier.weight" in names
    assert "bert.pooler.dense.weight" in names


def test_layers_that_share_weights_cannot_be_frozen_alone() -> None:
    config = AlbertConfig(
        vocab_size=60,
        embedding_size=8,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
    )
    with pytest.raises(ValueError, match="share their weights"):
        build("freeze-lower").setup(AlbertForSequenceClassification(config), 10)


def test_layers_open_one_after_the_other_from_the_top(tiny: Tiny, batch: Batch) -> None:
    """4 groups (head and pooler, 2 layers, embeddings), all open after half of 12 updates: at 0, 2, 4 and 6."""
    model, method = tiny(dropout=0.0), build("gradual-unfreezing", opening=0.5)
    method.setup(model, 12)
    flags = [p.requires_grad for p in model.parameters()]
    groups = layer_groups(model)[::-1]
    opened = []
    for step in range(12):
        model.zero_grad()
        method.begin(0, 0, step)
        method.backward(model, batch(), torch.Tensor.backward)
        learning = [all(p.grad is not None for p in group) for group in groups]
        closed = [all(p.grad is None for p in group) for group in groups]
        assert [not a for a in learning] == closed  # nothing half open
        opened.append(sum(learning))
        assert learning == sorted(learning, reverse=True)
        method.after_step(model, step + 1)
    assert opened == [1, 1, 2, 2, 3, 3, 4, 4, 4, 4, 4, 4]
    assert [p.requires_grad for p in model.parameters()] == flags


def test_closed_layers_do_not_move_not_even_by_weight_decay(tiny: Tiny, trained: Trained) -> None:
    model = trained(build("gradual-unfreezing", opening=1.0), epochs=1, examples=8, weight_decay=0.5)
    assert {name.split(".")[0] + "." + name.split(".")[1] for name in moved(tiny(), model)} == {
        "classifier.weight",
        "classifier.bias",
        "bert.pooler",
    }


def test_each_layer_learns_slower_than_the_one_above(tiny: Tiny) -> None:
    """``lr / 2.6^depth``, weight decay on matrices only, every parameter once."""
    model, method = tiny(), build("gradual-unfreezing")
    method.setup(model, 10)
    groups = method.param_groups(model, 1.0, 0.01)
    assert [group["lr"] for group in groups[::2]] == pytest.approx([1, 1 / 2.6, 1 / 2.6**2, 1 / 2.6**3])
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(id(p) for p in model.parameters())
    assert all((p.dim() > 1) == (g["weight_decay"] > 0) for g in groups for p in g["params"])
    head = {id(p) for p in head_parameters(model)}
    optimizer = optim.build(groups, model, name="adamw", lr=1.0, head_lr=7.0)
    rates = {id(p): g["lr"] for g in optimizer.param_groups for p in g["params"]}
    assert all((rate == 7.0) == (parameter in head) for parameter, rate in rates.items())


def test_opening_everything_at_once_is_plain_fine_tuning(tiny: Tiny, trained: Trained) -> None:
    """In float64, where the order in which the clipped norm is added up does not matter; tolerance 1e-9."""
    a = trained(build("gradual-unfreezing", opening=0.0, decay=1.0), model=tiny().double())
    b = trained(build("vanilla"), model=tiny().double())
    for x, y in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(x, y, rtol=0, atol=1e-9)


def test_lora_starts_as_the_model_it_was_given_and_trains_the_additions_and_the_head(
    tiny: Tiny, batch: Batch, trained: Trained
) -> None:
    pytest.importorskip("peft")
    plain, model, inputs = tiny(dropout=0.0), tiny(dropout=0.0), batch()
    before = plain(inputs["input_ids"], inputs["attention_mask"]).logits
    build("lora").setup(model, 10)
    assert torch.equal(model(inputs["input_ids"], inputs["attention_mask"]).logits, before)
    open_now = {name for name, p in model.named_parameters() if p.requires_grad}
    assert {name for name in open_now if "lora_" not in name} == {"classifier.weight", "classifier.bias"}
    assert sum("lora_A" in name for name in open_now) == 4  # query and value of two layers
    result = trained(build("lora", rank=4), dropout=0.0)
    kept = {name.replace(".base_layer", ""): p for name, p in result.named_parameters() if "lora_" not in name}
    changed = {name for name, p in tiny(dropout=0.0).named_parameters() if not torch.equal(p, kept[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert any(p.abs().max() > 0 for name, p in result.named_parameters() if "lora_B" in name)


def test_loras_additions_depend_on_the_seed_alone(tiny: Tiny) -> None:
    pytest.importorskip("peft")
    drawn = []
    for seed, noise in ((1, 0), (2, 0), (1, 5)):
        torch.manual_seed(seed)
        model, method = tiny(seed=0), build("lora")
        method.seed(dropout=0, noise=noise)
        torch.manual_seed(seed)
        method.setup(model, 10)
        drawn.append(next(p.clone() for name, p in model.named_parameters() if "lora_A" in name))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


def test_lora_without_peft_says_what_to_install(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match=r"needs peft: pip install 'smart-repro\[lora\]'"):
        build("lora").setup(tiny(), 10)


def test_lora_on_modules_the_model_has_not(tiny: Tiny) -> None:
    pytest.importorskip("peft")
    with pytest.raises(ValueError, match="no matrix it can add to among the modules named Wqkv"):
        build("lora", modules="Wqkv").setup(tiny(), 10)
