"""Tiny random encoders of many architectures, loaded as users load them: every method works or says why not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from smart_repro.hnn.options import HNN_HEADS
from smart_repro.methods import build
from smart_repro.methods.base import Passes
from smart_repro.models import HEADS, embedding_site, head_parameters, layer_groups, load
from smart_repro.seeding import Streams

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 48}
COMMON = {"vocab_size": 60, "pad_token_id": 0, "max_position_embeddings": 40, "initializer_range": 0.2, **SIZES}
RELATIVE = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 8}
SPECIAL = {"cls_token_id": 1, "sep_token_id": 2, "bos_token_id": 1, "eos_token_id": 2}
DISTIL = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "vocab_size": 60, "initializer_range": 0.2}
XLNET = {"d_model": 32, "n_layer": 2, "n_head": 2, "d_inner": 48, "vocab_size": 60, "initializer_range": 0.2}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 2, "vocab_size": 60, "eos_token_id": 2}
GPT2 = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 40, "vocab_size": 60, "initializer_range": 0.2}

ENCODERS: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("BertConfig", COMMON),
    "roberta": ("RobertaConfig", COMMON),
    "distilbert": ("DistilBertConfig", {**DISTIL, "pad_token_id": 0}),
    "albert": ("AlbertConfig", {**COMMON, "embedding_size": 16, "hidden_dropout_prob": 0.1}),
    "electra": ("ElectraConfig", {**COMMON, "embedding_size": 16}),
    "deberta-v2": ("DebertaV2Config", {**COMMON, **RELATIVE}),
    "modernbert": ("ModernBertConfig", {**COMMON, **SPECIAL, "mlp_dropout": 0.1, "embedding_dropout": 0.1}),
    "xlnet": ("XLNetConfig", {**XLNET, "pad_token_id": 0}),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "t5": ("T5Config", {**T5, "pad_token_id": 0, "decoder_start_token_id": 0}),
    "gpt2": ("GPT2Config", {**GPT2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}),
}
SITES = [(kind, site) for kind in ENCODERS for site in ("block", "word") if (kind, site) != ("xlnet", "block")]


@pytest.fixture
def load_tiny(tmp_path: Path) -> Callable[..., nn.Module]:
    """``load_tiny("bert", num_labels=2, head="mean")``: a random model, through the loader users call."""

    def loaded(kind: str, **options: Any) -> nn.Module:
        config, settings = {**ENCODERS, **OTHERS}[kind]
        getattr(transformers, config)(**settings).save_pretrained(tmp_path / kind)
        options = {"num_labels": 2, "random_weights": True, **options}
        return load(tmp_path / kind, **options).train()

    return loaded


@pytest.fixture
def texts() -> dict[str, Tensor]:
    """Four texts of 9, 5, 7 and 9 tokens, each ended by token 2."""
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (4, 9), generator=generator)
    lengths = torch.tensor([9, 5, 7, 9])
    mask = (torch.arange(9) < lengths[:, None]).long()
    ids[torch.arange(4), lengths - 1] = 2
    labels = torch.tensor([0, 1, 0, 1])
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels, "example_id": torch.arange(4)}


def first_loss(name: str, model: nn.Module, batch: dict[str, Tensor], **options: Any) -> Any:
    method = build(name, **options)
    method.setup(model, 10)
    method.begin(0, 0, 0)
    return method.loss(model, batch)


@pytest.mark.parametrize(("kind", "site"), SITES)
def test_r_s_is_zero_without_and_positive_with_a_perturbation(
    kind: str, site: str, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor], shifts: list[Tensor]
) -> None:
    """Shared masks, dropout on: exactly 0 without; with one, the ball holds and the ascent beats the noise."""
    model = load_tiny(kind)
    options = {"site": site, "epsilon": 1e-3, "sigma": 1e-3, "eta": 0.1}
    values = {
        direction: first_loss("smoothness", model, texts, direction=direction, **options).parts["smoothness"].item()
        for direction in ("none", "random", "ascent")
    }
    assert values["none"] == 0
    assert values["ascent"] > values["random"] > 0
    assert shifts[-1].abs().max() <= 1e-3
    assert shifts[-1].shape[:2] == (4, 9)
    assert shifts[-1][texts["attention_mask"] == 0].abs().max() == 0


@pytest.mark.parametrize(("kind", "site"), SITES)
def test_the_exact_ascent_reaches_at_least_algorithm_1(
    kind: str, site: str, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    """In float64 at a radius where the model is linear, to 0.1 %."""
    model = load_tiny(kind).double()
    values = [
        first_loss("smoothness", model, texts, site=site, epsilon=1e-6, sigma=1e-6, eta=1e-4, ascent=ascent)
        for ascent in ("exact", "algorithm-1")
    ]
    exact, climbed = (value.parts["smoothness"].item() for value in values)
    assert exact >= 0.999 * climbed > 0


@pytest.mark.parametrize("kind", ENCODERS)
def test_what_stands_on_padding_changes_nothing(
    kind: str, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    """A perturbation of padding alone leaves the logits as they are, to 1e-5: masking it costs no strength."""
    model = load_tiny(kind, dropout=0.0).eval()
    if kind == "xlnet":  # reads the last token: its tokenizer pads on the left
        texts = {name: value.flip(1) if value.dim() > 1 else value for name, value in texts.items()}
    passes = Passes(model, texts, Streams(), "fp32")
    clean, embeddings = passes.embedded("clean", "word")
    torch.manual_seed(0)
    noise, real = torch.randn_like(embeddings), texts["attention_mask"].unsqueeze(-1)
    torch.testing.assert_close(passes.perturbed("clean", noise * (1 - real), "word"), clean, rtol=0, atol=1e-5)
    assert not torch.allclose(passes.perturbed("clean", noise * real, "word"), clean, atol=1e-3)


@pytest.mark.parametrize("kind", ENCODERS)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("smart", {"site": "word", "epsilon": 1e-3}),
        ("smart-released", {"site": "word"}),
        ("smart-released", {"embedding": "doubled"}),
        ("pgd", {"K": 1}),
        ("freelb", {"K": 2}),
        ("r3f", {}),
        ("sda", {"K": "all", "teacher_lag": 0}),
        ("sdv", {}),
        ("self-ensemble", {}),
        ("feature-extraction", {}),
        ("gradual-unfreezing", {}),
        ("freeze-lower", {}),
        ("lora", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_methods_train_on_every_encoder_or_say_why_not(
    kind: str, name: str, options: dict[str, Any], load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    refused = {
        ("albert", "freeze-lower"): "share their weights",
        ("xlnet", "lora"): "does not know the query and value matrices of xlnet",
    }
    if options.get("embedding") == "doubled":
        refused["xlnet", name] = "no embedding block to perturb: use site='word'"
    model, method = load_tiny(kind), build(name, **options)
    if (kind, name) in refused:
        with pytest.raises(ValueError, match=refused[kind, name]):
            first_loss(name, model, texts, **options)
        return
    if name == "lora":
        pytest.importorskip("peft")
    method.setup(model, 2)
    before = [p.detach().clone() for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([g for g in method.param_groups(model, 1e-3, 0.01) if g["params"]])
    for step in range(2):
        method.begin(0, 0, step)
        loss = method.backward(model, texts, torch.Tensor.backward)
        assert torch.isfinite(loss.total)
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(model, step + 1)
    after = [p for p in model.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(torch.isfinite(p).all() for p in after)


@pytest.mark.parametrize("kind", ENCODERS)
def test_layer_groups_run_from_the_embeddings_to_the_head(kind: str, load_tiny: Callable[..., nn.Module]) -> None:
    model = load_tiny(kind)
    groups = layer_groups(model)
    assert len(groups) == (3 if kind == "albert" else 4)
    grouped = [id(parameter) for group in groups for parameter in group]
    assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
    word = embedding_site(model, "word")
    assert any(parameter is word.weight for parameter in groups[0])
    assert {id(p) for p in head_parameters(model)} <= {id(p) for p in groups[-1]}
    assert head_parameters(model)


def test_xlnet_says_to_perturb_words(load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="xlnet has no embedding block to perturb: use site='word'"):
        first_loss("smart", load_tiny("xlnet"), texts)


@pytest.mark.parametrize("name", ["vanilla", "bregman", "sda", "r-drop", "self-ensemble"])
@pytest.mark.parametrize("kind", OTHERS)
def test_other_architectures_train_without_a_perturbation(
    kind: str, name: str, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    loss = first_loss(name, load_tiny(kind), texts)
    loss.total.backward()
    assert torch.isfinite(loss.total)


def test_gpt2_takes_a_perturbation_of_words_only(load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]) -> None:
    model = load_tiny("gpt2")
    assert first_loss("smart", model, texts, site="word", epsilon=1e-3).parts["smoothness"] > 0
    with pytest.raises(ValueError, match="gpt2 has no embedding block to perturb: use site='word'"):
        first_loss("smart", model, texts)


@pytest.mark.parametrize("name", ["smart", "smart-released", "pgd", "r3f"])
def test_t5_is_perturbed_at_its_encoders_words(
    name: str, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    """It has no embedding block. That nothing else is perturbed: test_architectures.py."""
    if name.startswith("smart"):
        with pytest.raises(ValueError, match="t5 has no embedding block to perturb: use site='word'"):
            first_loss(name, load_tiny("t5"), texts)
    options = {"site": "word"} if name.startswith("smart") else {}
    assert torch.isfinite(first_loss(name, load_tiny("t5"), texts, **options).total)


@pytest.mark.parametrize("name", ["gradual-unfreezing", "freeze-lower"])
def test_t5_has_no_single_stack_to_freeze(
    name: str, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    with pytest.raises(ValueError, match="t5 has two stacks of layers"):
        first_loss(name, load_tiny("t5"), texts)


# -- loading -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("head", [head for head in HEADS if head not in HNN_HEADS])
@pytest.mark.parametrize("outputs", [1, 3])
def test_every_head_trains_all_its_parameters(
    head: str, outputs: int, load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    model = load_tiny("bert", head=head, num_labels=outputs)
    labels = texts["labels"].float() if outputs == 1 else texts["labels"]
    loss = first_loss("smart", model, {**texts, "labels": labels}, epsilon=1e-3)
    loss.total.backward()
    assert all(p.grad is not None for p in model.parameters())  # data parallel training relies on it
    assert model.config.num_labels == outputs


def test_the_mean_head_reads_real_tokens_only(load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]) -> None:
    """By hand: the masked mean of the last states, through the linear layer."""
    model = load_tiny("bert", head="mean").eval()
    inputs = {name: texts[name] for name in ("input_ids", "attention_mask")}
    states = model.encoder(**inputs).last_hidden_state
    means = torch.stack([row[:length].mean(0) for row, length in zip(states, [9, 5, 7, 9], strict=True)])
    torch.testing.assert_close(model(**inputs).logits, model.classifier(means))
    first = load_tiny("bert", head="cls").eval()
    torch.testing.assert_close(
        first(**inputs).logits, first.classifier(first.encoder(**inputs).last_hidden_state[:, 0])
    )


def test_a_saved_model_comes_back_and_only_from_safetensors(
    load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor], tmp_path: Path
) -> None:
    inputs = {name: texts[name] for name in ("input_ids", "attention_mask")}
    model = load_tiny("bert").eval()
    model.save_pretrained(tmp_path / "saved")
    again = load(tmp_path / "saved", num_labels=2, seed=5).eval()
    torch.testing.assert_close(again(**inputs).logits, model(**inputs).logits)
    torch.save(model.state_dict(), tmp_path / "saved" / "pytorch_model.bin")
    (tmp_path / "saved" / "model.safetensors").unlink()
    with pytest.raises(OSError, match="safetensors"):
        load(tmp_path / "saved", num_labels=2)


def test_two_methods_at_one_seed_share_their_head(load_tiny: Callable[..., nn.Module], tmp_path: Path) -> None:
    load_tiny("bert").save_pretrained(tmp_path / "three")
    for head in ("pooler", "mean"):
        torch.manual_seed(1)
        first = load(tmp_path / "three", num_labels=3, head=head, seed=7)
        torch.manual_seed(2)
        same, other = (load(tmp_path / "three", num_labels=3, head=head, seed=seed) for seed in (7, 8))
        assert torch.equal(first.classifier.weight, same.classifier.weight)
        assert not torch.equal(first.classifier.weight, other.classifier.weight)


def test_dropout_depth_and_head_are_settings(load_tiny: Callable[..., nn.Module]) -> None:
    rates = lambda model: {m.p for m in model.modules() if isinstance(m, nn.Dropout)}  # noqa: E731
    assert rates(load_tiny("bert", dropout=0.0, head_dropout=0.3)) == {0.0, 0.3}
    assert rates(load_tiny("bert", dropout=0.2, head_dropout=0.2)) == {0.2}
    assert rates(load_tiny("distilbert", dropout=0.0, head_dropout=0.3)) == {0.0, 0.3}
    assert load_tiny("bert", head="cls", head_dropout=0.4).dropout.p == 0.4
    assert len(load_tiny("bert", layers=1).bert.encoder.layer) == 1
    assert len(load_tiny("modernbert", layers=1).model.layers) == 1
    with pytest.raises(ValueError, match="layers must be between 1 and 2 for this model, got 3"):
        load_tiny("bert", layers=3)
    with pytest.raises(ValueError, match="head must be one of pooler, new, cls, mean, hnn, hnn-released, got 'max'"):
        load_tiny("bert", head="max")
    with pytest.raises(ValueError, match="xlnet does not gather the text in its first token: use head='mean'"):
        load_tiny("xlnet", head="cls")
    with pytest.raises(ValueError, match="t5 has a decoder too: use head='pooler'"):
        load_tiny("t5", head="mean")


def test_dropout_zero_means_no_randomness_on_any_encoder(
    load_tiny: Callable[..., nn.Module], texts: dict[str, Tensor]
) -> None:
    """Whatever an architecture calls its rates: with dropout=0 and head_dropout=0 training mode is deterministic."""
    inputs = {name: texts[name] for name in ("input_ids", "attention_mask")}
    for kind in ENCODERS:
        model = load_tiny(kind, dropout=0.0, head_dropout=0.0)
        assert torch.equal(model(**inputs).logits, model(**inputs).logits), kind
        noisy = load_tiny(kind, dropout=0.3)
        assert not torch.equal(noisy(**inputs).logits, noisy(**inputs).logits), kind
