"""Every architecture of AutoModelForSequenceClassification that can be built small: it passes, or is refused truly."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification, LongformerConfig, LongformerForSequenceClassification
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES as KINDS

from smart_repro.methods import Loss, Method, build
from smart_repro.methods.base import Passes
from smart_repro.models import class_dimensions, embedding_site, encoder, inside_adapters, layer_groups, position_count
from smart_repro.seeding import Streams

WIDTH = ("hidden_size", "d_model", "dim", "n_embd", "emb_dim", "word_embed_proj_dim")
LAYERS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "n_layers",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
)
HEADS = (
    "num_attention_heads",
    "num_heads",
    "n_head",
    "n_heads",
    "encoder_attention_heads",
    "decoder_attention_heads",
    "num_key_value_heads",
)
INNER = (
    "intermediate_size",
    "d_ff",
    "d_inner",
    "hidden_dim",
    "ffn_dim",
    "encoder_ffn_dim",
    "decoder_ffn_dim",
    "n_inner",
)
SMALL: dict[str, Any] = {
    **dict.fromkeys(WIDTH, 32),
    **dict.fromkeys(LAYERS, 2),
    **dict.fromkeys(HEADS, 2),
    **dict.fromkeys(INNER, 48),
    "vocab_size": 60,
    "head_dim": 16,
    "d_kv": 16,
    "embedding_size": 16,
    "type_vocab_size": 2,
    "num_labels": 2,
    "max_position_embeddings": 64,
    "n_positions": 64,
    "attention_window": 8,
    "block_size": 8,
    "num_experts": 2,
    "num_local_experts": 2,
    "num_experts_per_tok": 1,
    "n_routed_experts": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 16,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "cls_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
    "decoder_start_token_id": 0,
    "initializer_range": 0.2,
    "init_std": 0.2,
}
SPECIAL: dict[str, dict[str, Any]] = {
    "funnel": {"block_sizes": [1, 1]},
    "squeezebert": {"embedding_size": 32},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"rotary_dim": 8},
    "mobilebert": {"initializer_range": 0.02},  # it has no normalisation: wider weights saturate it
    "t5": {"decoder_start_token_id": 0},
    "xmod": {"default_language": "en_XX"},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 16},
    "lilt": {"hidden_size": 48},
    "roc_bert": {
        "pronunciation_vocab_size": 20,
        "shape_vocab_size": 20,
        "pronunciation_embed_dim": 16,
        "shape_embed_dim": 16,
    },
}
UNSET = {  # settings that follow from others there
    "funnel": ("num_hidden_layers", "hidden_size", "num_attention_heads"),
    "xlnet": ("max_position_embeddings", "num_hidden_layers", "hidden_size"),
    "falcon": ("head_dim",),
}
NOT_SMALL = {  # with these settings the model cannot be built, or not be called with a text alone
    "images beside the text": {
        "gemma3",
        "layoutlmv2",
        "layoutlmv3",
        "modernvbert",
        "qwen3_5",
        "t5gemma",
        "t5gemma2",
        "ultravbert",
        "perceiver",
    },
    "sizes that constrain each other": {
        "axk1",
        "cohere_compass_text",
        "deepseek_v3",
        "jamba",
        "mistral4",
        "reformer",
        "zamba",
        "zamba2",
        "qwen3_next",
        "qwen3_5_text",
    },
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "vanilla": ("vanilla", {}),
    "smart": ("smart", {"epsilon": 1e-2, "sigma": 1e-2, "eta": 0.1}),
    "smart at words": ("smart", {"site": "word", "epsilon": 1e-2, "sigma": 1e-2, "eta": 0.1}),
    "freelb": ("freelb", {}),
    "doubled": ("smart-released", {"embedding": "doubled"}),
    "sda": ("sda", {}),
    "self-ensemble": ("self-ensemble", {}),
    "feature-extraction": ("feature-extraction", {}),
    "freeze-lower": ("freeze-lower", {}),
    "gradual-unfreezing": ("gradual-unfreezing", {}),
    "lora": ("lora", {}),
}
OFTEN = {"bert", "t5", "bart", "gpt2", "longformer", "ibert", "markuplm", "modernbert-decoder", "canine"}
SHORT = {"bert", "roberta", "bart", "gpt2", "opt", "nystromformer", "ibert", "deberta-v2", "ctrl", "tapas", "canine"}
BUILT = [kind for kind in KINDS if not any(kind in kinds for kinds in NOT_SMALL.values())]


@lru_cache(maxsize=4)
def small(kind: str) -> nn.Module:
    base = CONFIG_MAPPING[kind]()
    chosen = {name: value for name, value in SMALL.items() if hasattr(base, name) and name not in UNSET.get(kind, ())}
    config = CONFIG_MAPPING[kind](**{**chosen, **SPECIAL.get(kind, {})})
    config.num_labels = 2
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config).float()


def texts() -> dict[str, Tensor]:
    """Three texts of 9, 6 and 8 tokens, each ended by token 2."""
    ids = torch.randint(5, 60, (3, 9), generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([9, 6, 8])
    mask = (torch.arange(9) < lengths[:, None]).long()
    ids[torch.arange(3), lengths - 1] = 2
    labels = torch.tensor([0, 1, 0])
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels, "example_id": torch.arange(3)}


def has_no_block(model: Any) -> bool:
    return not isinstance(getattr(encoder(model), "embeddings", None), nn.Module)


def has_no_word_embeddings(model: Any) -> bool:
    try:
        return not isinstance(model.get_input_embeddings(), nn.Module)
    except NotImplementedError:
        return True


def is_unknown_to_lora(model: Any) -> bool:
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    return model.config.model_type not in KNOWN


def layers_share_weights(model: Any) -> bool:
    return len(layer_groups(model)) - 2 != model.config.num_hidden_layers


REFUSALS: dict[str, Callable[[Any], bool]] = {  # sentence -> whether it is true of a model
    "has no embedding block to perturb: use site='word'": has_no_block,
    "does not say where its word embeddings are": has_no_word_embeddings,
    "lora does not know the query and value matrices of": is_unknown_to_lora,
    "has two stacks of layers": lambda model: model.config.is_encoder_decoder,
    "the layers of this model share their weights": layers_share_weights,
    "finds the end of a padded text by its tokens": lambda model: model.config.model_type == "modernbert-decoder",
    "its word embeddings have": lambda model: model.get_input_embeddings().weight.shape[-1] != model.config.hidden_size,
    "does not take embeddings in place of tokens": lambda model: model.config.model_type == "longformer",
}


def attempt(method: Method, model: nn.Module) -> tuple[Loss | None, str]:
    """One forward and backward pass, or the sentence that refuses it."""
    try:
        method.setup(model, 4)
        method.param_groups(model, 1e-3, 0.01)
        method.begin(0, 0, 0)
        return method.backward(model, texts(), torch.Tensor.backward), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize(
    "kind", [kind if kind in OFTEN else pytest.param(kind, marks=pytest.mark.slow) for kind in BUILT]
)
def test_every_method_passes_or_is_refused_in_a_true_sentence(kind: str) -> None:
    pytest.importorskip("peft")
    passed = []
    for case, (name, options) in CASES.items():
        model = copy.deepcopy(small(kind)).train()
        loss, refusal = attempt(build(name, **options), model)
        if loss is None:
            true = [is_true for said, is_true in REFUSALS.items() if said in refusal]
            assert len(true) == 1, (case, refusal)
            assert true[0](model), (case, refusal)
            continue
        passed.append(case)
        assert torch.isfinite(loss.total), case
        for part in ("smoothness", "adversarial"):
            assert loss.parts.get(part, 1.0) > 0, case
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters()), case
    assert {"vanilla", "sda", "self-ensemble", "feature-extraction"} <= set(passed)
    assert kind == "canine" or {"smart at words", "freelb"} <= set(passed)


def test_no_architecture_is_forgotten() -> None:
    assert set(BUILT) | set().union(*NOT_SMALL.values()) == set(KINDS)


def reads(model: nn.Module, length: int) -> bool:
    ids = torch.full((1, length), 7)
    ids[:, -1] = 2
    try:
        with torch.no_grad():
            model(input_ids=ids, attention_mask=torch.ones_like(ids))
    except (IndexError, RuntimeError):
        return False
    return True


@pytest.mark.parametrize(
    "kind", [kind if kind in SHORT else pytest.param(kind, marks=pytest.mark.slow) for kind in BUILT]
)
def test_positions_are_counted_and_class_rows_found(kind: str) -> None:
    """A text of as many tokens passes, one of one more does not; the output grows with the rows of a class."""
    model: Any = copy.deepcopy(small(kind)).eval()
    positions = position_count(model)
    if positions is None:
        assert reads(model, 200)
    else:
        assert [reads(model, length) for length in (positions, positions + 1)] == [True, False]
    axes = class_dimensions(model.config)
    assert axes
    before = model(**{name: texts()[name] for name in ("input_ids", "attention_mask")}).logits
    with torch.no_grad():
        for name, axis in axes.items():
            parameter = model.get_parameter(name)
            parameter.copy_(parameter.flip(axis))
    after = model(**{name: texts()[name] for name in ("input_ids", "attention_mask")}).logits
    torch.testing.assert_close(after, before.flip(1))


@pytest.mark.parametrize("kind", ["t5", "bart"])
def test_a_perturbation_enters_the_encoder_and_nothing_else(kind: str) -> None:
    """The encoder's output is the one of its shifted embeddings; what enters the decoder is as without."""
    model: Any = copy.deepcopy(small(kind)).eval()
    inner = encoder(model)
    decoder = inner.decoder
    first = decoder.block[0] if kind == "t5" else decoder.layers[0]
    entered: list[Tensor] = []
    left: list[Tensor] = []
    first.register_forward_pre_hook(
        lambda _module, args, kwargs: entered.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    inner.encoder.register_forward_hook(lambda _module, _args, output: left.append(output[0]))
    passes = Passes(model, texts(), Streams(), "fp32")
    clean, embeddings = passes.embedded("clean", "word", dropout=False)
    delta = torch.randn(embeddings.shape, generator=torch.Generator().manual_seed(1))
    moved = passes.perturbed("clean", delta, "word", dropout=False)
    assert torch.equal(entered[0], entered[1])
    expected = inner.encoder(inputs_embeds=embeddings + delta, attention_mask=texts()["attention_mask"])[0]
    torch.testing.assert_close(left[1], expected, rtol=0, atol=1e-6)
    assert not torch.allclose(clean, moved, atol=1e-4)


@pytest.mark.parametrize("name", ["smart", "freelb", "pgd", "r3f"])
@pytest.mark.parametrize("length", [13, 15])
def test_padding_inside_the_model_is_padding_outside(name: str, length: int) -> None:
    """Case 07: Longformer pads to its window of 8; 16 tokens of which the last are padding are the same batch."""
    torch.manual_seed(0)
    sizes = {name: value for name, value in SMALL.items() if name in (*WIDTH[:1], *LAYERS[:1], *HEADS[:1], *INNER[:1])}
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config = LongformerConfig(
        vocab_size=60,
        attention_window=8,
        max_position_embeddings=64,
        pad_token_id=1,
        initializer_range=0.2,
        **sizes,
        **off,
    )
    model = LongformerForSequenceClassification(config).double()
    ids = torch.randint(5, 60, (2, length), generator=torch.Generator().manual_seed(0))
    inside = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.tensor([0, 1])}
    pad = (0, 16 - length)
    outside = {
        "input_ids": nn.functional.pad(ids, pad, value=1),
        "attention_mask": nn.functional.pad(inside["attention_mask"], pad),
        "labels": inside["labels"],
    }
    gradients = []
    for batch in (inside, outside):
        method, copied = build(name), copy.deepcopy(model)
        method.setup(copied, 4)
        method.backward(copied, batch, torch.Tensor.backward)
        gradients.append(torch.cat([p.grad.flatten() for p in copied.parameters() if p.grad is not None]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-7, atol=1e-9)


def test_layers_are_told_from_other_lists_of_modules() -> None:
    """MarkupLM's largest list of modules are its embeddings of the tree."""
    model: Any = small("markuplm")
    groups = layer_groups(model)
    assert len(groups) == model.config.num_hidden_layers + 2
    layer = inside_adapters(model).base_model.encoder.layer[0]
    assert {id(parameter) for parameter in groups[1]} == {id(parameter) for parameter in layer.parameters()}


def test_an_embedding_that_puts_out_more_than_vectors() -> None:
    """I-BERT's puts out a scale too."""
    model: Any = copy.deepcopy(small("ibert"))
    passes = Passes(model, texts(), Streams(), "fp32")
    logits, embeddings = passes.embedded("clean", "word", dropout=False)
    assert embeddings.shape == (3, 9, 32)
    assert torch.equal(passes.perturbed("clean", torch.zeros_like(embeddings), "word", dropout=False), logits)
    assert embedding_site(model, "word") is model.ibert.embeddings.word_embeddings
