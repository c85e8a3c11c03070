"""Load Hugging Face text classifiers, and answer the questions that methods ask about them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification

from smart_repro.heads import POOLINGS, MultiTask, PooledClassifier
from smart_repro.hnn.lm_head import empty_encoder_with_head, load_encoder_with_head
from smart_repro.hnn.model import Hnn
from smart_repro.hnn.options import HNN_HEADS, PRESETS
from smart_repro.seeding import seeded

HEADS = ("pooler", "new", *POOLINGS, *HNN_HEADS)
SITES = ("block", "word")
_DROPOUT_FIELDS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "summary_last_dropout",
)
_HEAD_DROPOUT_FIELDS = (
    "classifier_dropout",
    "classifier_dropout_prob",
    "seq_classif_dropout",
    "cls_dropout",
    "summary_last_dropout",
)
_POSITIONS = frozenset(  # names of the modules with a vector per position
    {
        "position_embeddings",
        "absolute_position_embeddings",
        "char_position_embeddings",
        "positions_embed",
        "embed_positions",
        "pos_embed",
        "wpe",
    }
)
_SINUSOIDS = frozenset({"ctrl", "gptj"})  # a table of fixed size in place of an embedding
_ANY_LENGTH = frozenset({"tapas"})  # positions are counted anew in each cell, and stop at the last
_NOT_READ = frozenset({"labels", "task", "example_id"})  # entries of a batch that are no inputs of the model
_READ_IF_SET = {"deberta": "cls_dropout", "deberta-v2": "cls_dropout"}  # head dropout the config does not declare
_NO_FIRST_TOKEN = frozenset({"xlnet", "gpt2"})  # the summary of the text is in the last token, not the first
_ENDED_BY_TOKENS = frozenset(
    {"modernbert-decoder"}
)  # finds the end of a text by token ids, as do decoders that have no embedding block
_TIME_FIRST = frozenset({"xlnet"})  # transposes its input: embeddings are (length, batch, width)


def load(
    name: str | Path,
    *,
    num_labels: int,
    head: str = "pooler",
    layers: int | None = None,
    dropout: float | None = None,
    head_dropout: float | None = None,
    random_weights: bool = False,
    seed: int = 0,
    revision: str | None = None,
    class_order: Sequence[int] | None = None,
) -> nn.Module:
    """Load a classifier on a pre-trained encoder.

    Its head is new, unless the weights hold a head of the same shape. A head of another shape (of another task) is
    replaced.

    Args:
        name: hub id or local folder; weights are read from safetensors only.
        num_labels: number of outputs; 1 for regression.
        head: ``"pooler"``: the architecture's own head; ``"new"``: the same without the weights of a saved one;
            ``"cls"`` or ``"mean"``: :class:`PooledClassifier`; ``"hnn"`` or ``"hnn-released"``:
            :class:`~smart_repro.hnn.model.Hnn` with the options of that name.
        layers: number of encoder layers to keep, from the lowest; None: all.
        dropout: encoder dropout (hidden and attention); None: the model's own.
        head_dropout: dropout before the head; None: the model's own.
        random_weights: True for the architecture with random weights instead of pre-trained ones.
        seed: seed of the new weights; methods at the same seed start from the same head.
        revision: revision of the hub repository.
        class_order: number of the saved head's class that each output takes over; None: the same order.

    Raises:
        ValueError: the head is unknown, the weights lack part of the encoder, or the architecture lacks a setting.
    """
    if head not in HEADS:
        raise ValueError(f"head must be one of {', '.join(HEADS)}, got {head!r}")
    config = AutoConfig.from_pretrained(name, revision=revision, num_labels=num_labels, trust_remote_code=False)
    config.problem_type = None  # may be an earlier task's; the number of outputs decides the type
    _check_head(config, head)
    _cut_layers(config, layers)
    _set_dropout(config, _DROPOUT_FIELDS, dropout, "encoder dropout")
    if head in HNN_HEADS:
        _check_hnn(num_labels, head, head_dropout)
        with seeded(seed, torch.device("cpu")):
            if random_weights:
                return Hnn(*empty_encoder_with_head(config), PRESETS[head]).float()
            return Hnn(*load_encoder_with_head(name, config, revision), PRESETS[head]).float()
    if head not in POOLINGS:
        _set_dropout(config, _HEAD_DROPOUT_FIELDS, head_dropout, "head dropout")
    factory: Any = AutoModel if head in POOLINGS else AutoModelForSequenceClassification
    with seeded(seed, torch.device("cpu")):
        model = factory.from_config(config) if random_weights else _pretrained(factory, config, name, revision)
        if head == "new" and not random_weights:
            _copy_head(factory.from_config(config), model)
        if head in POOLINGS:
            model = PooledClassifier(model, num_labels, head, _head_dropout(config, head_dropout))
    if class_order is not None and head == "pooler" and not random_weights:
        _reorder_classes(model, class_order)
    converted: nn.Module = model.float()
    return converted


def _pretrained(factory: Any, config: Any, name: str | Path, revision: str | None) -> Any:
    model, report = factory.from_pretrained(
        name,
        config=config,
        revision=revision,
        use_safetensors=True,
        ignore_mismatched_sizes=True,  # a head of another task's
        trust_remote_code=False,
        output_loading_info=True,
    )
    _check_loaded(model, report, name)
    return model


def _check_loaded(model: Any, report: Mapping[str, Any], name: str | Path) -> None:
    """Refuse an encoder that would start at random, in part, without a word: only a head and a pooler may be new."""
    inside = {id(parameter) for parameter in encoder(model).parameters()}
    of_encoder = {key for key, parameter in model.named_parameters() if id(parameter) in inside and "pooler" not in key}
    mismatched = {entry if isinstance(entry, str) else entry[0] for entry in report["mismatched_keys"]}
    lacking = sorted((set(report["missing_keys"]) | mismatched) & of_encoder)
    if lacking:
        raise ValueError(
            f"the weights of {name} lack {len(lacking)} of the encoder's {len(of_encoder)} parameters, or have them in "
            f"another shape (first {lacking[0]}): they belong to another config.json, or were saved only in part"
        )


def load_multitask(
    name: str | Path,
    outputs: Mapping[str, int],
    *,
    head_dropout: float | None = None,
    head_dropouts: Mapping[str, float] | None = None,
    class_orders: Mapping[str, Sequence[int]] | None = None,
    **options: Any,
) -> MultiTask:
    """Load one pre-trained encoder with a head per task; each head equals the task's single-task head at this seed.

    Args:
        name: hub id or local folder.
        outputs: task -> number of outputs of its head; 1 for regression. The order numbers the tasks.
        head_dropout: dropout before the heads; None: the model's own.
        head_dropouts: task -> dropout before its head, for tasks with another rate.
        class_orders: task -> see ``class_order`` of :func:`load`, for tasks with another order.
        **options: further arguments of :func:`load`.
    """
    rates, orders = head_dropouts or {}, class_orders or {}
    return MultiTask(
        {
            task: load(
                name,
                num_labels=count,
                head_dropout=rates.get(task, head_dropout),
                class_order=orders.get(task),
                **options,
            )
            for task, count in outputs.items()
        }
    )


def class_dimensions(config: Any) -> dict[str, int]:
    """Return the parameters of a classifier of this configuration that have a row or column per class, with its axis.

    They are those whose shape changes with the number of classes; no weights are made for it.
    """
    shapes = []
    for outputs in (config.num_labels, config.num_labels + 1):
        changed = copy.deepcopy(config)
        changed.num_labels = outputs
        with torch.device("meta"):
            model = AutoModelForSequenceClassification.from_config(changed, trust_remote_code=False)
        shapes.append({name: parameter.shape for name, parameter in model.named_parameters()})
    shapes_of_n, shapes_of_n_plus_1 = shapes
    return {
        name: axis
        for name, shape in shapes_of_n.items()
        for axis, sizes in enumerate(zip(shape, shapes_of_n_plus_1[name], strict=True))
        if sizes[0] != sizes[1]
    }


def position_count(model: nn.Module) -> int | None:
    """Return the tokens that the model has position embeddings for; None if it takes texts of any length.

    Rows that stand for padding, or that the architecture skips, are not counted.
    """
    bare = inside_adapters(model)
    kind = _kind(bare)
    if kind in _ANY_LENGTH:
        return None
    if kind in _SINUSOIDS:
        return int(bare.config.n_positions)
    counts = [
        count
        for parent in bare.modules()
        for name, module in parent.named_children()
        if name in _POSITIONS and (count := _rows_to_use(module, parent)) is not None
    ]
    return min(counts, default=None)


def _rows_to_use(table: nn.Module, parent: nn.Module) -> int | None:
    """Return how many rows of a table of positions a text can use; None if the module is no such table."""
    weight: Any = getattr(table, "weight", None)
    if not isinstance(weight, Tensor) or weight.dim() != 2:
        return None
    padding: Any = getattr(table, "padding_idx", None)
    offset: Any = getattr(table, "offset", 0)
    numbers: Any = getattr(parent, "position_ids", None)  # what some architectures cut to the length of the text
    rows: int = len(weight) - max(0 if padding is None else padding + 1, offset)
    return min(rows, numbers.shape[-1]) if isinstance(numbers, Tensor) else rows


def unknown_id(tokenizer: Any) -> int | None:
    """Return the token that stands for unknown words; None if the tokenizer has none, or one with another meaning too.

    GPT-2's is the end of a text as well, and no word is unknown to its bytes.
    """
    token: int | None = getattr(tokenizer, "unk_token_id", None)
    marks = [getattr(tokenizer, f"{name}_token_id", None) for name in ("pad", "bos", "eos", "cls", "sep")]
    return None if token in marks else token


def _copy_head(source: nn.Module, model: nn.Module) -> None:
    """Give a classifier the head of another one of the same shape."""
    heads = {id(parameter) for parameter in head_parameters(model)}
    fresh = dict(source.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if id(parameter) in heads:
                parameter.copy_(fresh[name])


def _reorder_classes(model: nn.Module, order: Sequence[int]) -> None:
    """Let output ``i`` be what output ``order[i]`` was."""
    index = torch.tensor(list(order))
    with torch.no_grad():
        for name, axis in class_dimensions(model.config).items():
            parameter = model.get_parameter(name)
            parameter.copy_(parameter.index_select(axis, index))


def for_task(model: nn.Module, task: str) -> nn.Module:
    """Return the classifier of a task: its own in a multi-task model, else the model itself."""
    return model.tasks[task] if isinstance(model, MultiTask) else model


def inputs(model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the entries of a batch that the model reads; a multi-task model also reads the task's number."""
    dropped = _NOT_READ - {"task"} if isinstance(unwrapped(model), MultiTask) else _NOT_READ
    return {name: value for name, value in batch.items() if name not in dropped}


def target(model: nn.Module, batch: dict[str, Tensor]) -> str:
    """Return ``"classification"`` or ``"regression"``, from the number of outputs and the type of labels.

    Raises:
        ValueError: labels are multi-label or token-level, which none of the methods defines, or contradict the model.
    """
    bare = inside_adapters(model)
    config = getattr(bare, "config", None)
    outputs = bare.outputs[bare.name_of(batch)] if isinstance(bare, MultiTask) else getattr(config, "num_labels", None)
    if outputs is None:
        raise ValueError(
            "the model does not say how many outputs it has: give it an attribute config with num_labels "
            "(1 for regression), as every Hugging Face classifier has"
        )
    _check_problem_type(getattr(config, "problem_type", None), outputs)
    labels = batch["labels"]
    if labels.dim() > 1 and labels.numel() != len(labels):
        raise ValueError(
            f"one label per text is needed, got labels of shape {tuple(labels.shape)}: multi-label and "
            "token-level tasks are not covered by either paper"
        )
    if outputs == 1:
        return "regression"
    if labels.is_floating_point():
        raise ValueError(f"float labels need a model with num_labels=1 (regression), this one has {outputs}")
    return "classification"


def embedding_site(model: nn.Module, site: str) -> nn.Module:
    """Return the module whose output is perturbed.

    ``"block"`` is the whole embedding layer, ``"word"`` the word embeddings.

    Raises:
        ValueError: the architecture has no such module; the message names the alternative.
    """
    if site not in SITES:
        raise ValueError(f"site must be one of {', '.join(SITES)}, got {site!r}")
    bare = inside_adapters(model)
    kind = _kind(bare)
    if site == "word":
        return _word_embeddings(bare.get_encoder() if _has_decoder(bare) else bare)
    module = getattr(encoder(bare), "embeddings", None)
    if not isinstance(module, nn.Module):
        raise ValueError(f"{kind} has no embedding block to perturb: use site='word'")
    if _learns_prompts(model):
        raise ValueError("the model's learned prompt enters the embedding block with the text: use site='word'")
    return module


def _kind(model: Any) -> str:
    return getattr(getattr(model, "config", None), "model_type", None) or type(model).__name__


def _has_decoder(model: Any) -> bool:
    return bool(getattr(getattr(model, "config", None), "is_encoder_decoder", False))


def _learns_prompts(model: Any) -> bool:
    configs = getattr(unwrapped(model), "peft_config", None)
    return isinstance(configs, Mapping) and any(config.is_prompt_learning for config in configs.values())


def _check_problem_type(problem_type: str | None, outputs: int) -> None:
    expected = "regression" if outputs == 1 else "single_label_classification"
    if problem_type not in (None, expected):
        raise ValueError(
            f"config.problem_type is {problem_type!r}, but the model has {outputs} output{'s' if outputs > 1 else ''}, "
            f"which means {expected}: set model.config.problem_type = None, or load the model with the num_labels of "
            "your task (multi-label tasks and regression on several targets are not covered)"
        )


def _word_embeddings(model: Any) -> nn.Module:
    try:
        module = model.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        module = None
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{type(model).__name__} does not say where its word embeddings are: define get_input_embeddings() on it, "
            "returning the module that turns input_ids into vectors"
        )
    return module


def check_takes_embeddings(model: nn.Module, width: int) -> None:
    """Refuse a model in which the output of the embedding block cannot replace word embeddings.

    Args:
        model: the model.
        width: width of the embedding block's output.

    Raises:
        ValueError: the model also needs its token ids, or its word embeddings have another width.
    """
    kind = _kind(inside_adapters(model))
    if kind in _ENDED_BY_TOKENS:
        raise ValueError(f"{kind} finds the end of a padded text by its tokens: use embedding='single'")
    weight: Any = getattr(embedding_site(model, "word"), "weight", None)
    if weight is not None and weight.shape[-1] != width:
        raise ValueError(
            f"the embedding block of {kind} returns vectors of width {width}, its word embeddings have width "
            f"{weight.shape[-1]}: use embedding='single'"
        )


def time_first(model: nn.Module) -> bool:
    """Return True if this architecture's embeddings have the shape ``(length, batch, width)``."""
    return _kind(inside_adapters(model)) in _TIME_FIRST


def unwrapped(model: Any) -> Any:
    """Return the model inside data-parallel wrappers."""
    while isinstance(model, nn.parallel.DistributedDataParallel | nn.DataParallel):
        model = model.module
    return model


def inside_adapters(model: Any) -> Any:
    """Return the classifier itself, inside data-parallel wrappers and a peft wrapper.

    Its parameters include adapters that peft added to its layers, but not a learned prompt.
    """
    bare = unwrapped(model)
    return bare.get_base_model() if hasattr(bare, "peft_config") and hasattr(bare, "get_base_model") else bare


def encoder(model: nn.Module) -> Any:
    """Return the pre-trained part of a classifier; the model itself if it does not name its encoder."""
    bare = inside_adapters(model)
    return getattr(bare, "base_model", bare)


def logits(output: Any) -> Tensor:
    """Return the logits of a model that was called without labels, for any kind of output.

    Args:
        output: a ``ModelOutput``, a dictionary with ``logits``, or a tuple that begins with them.

    Raises:
        ValueError: the output is of another kind.
    """
    if isinstance(output, Mapping):
        value = output.get("logits")
    elif isinstance(output, tuple) and not hasattr(output, "logits"):
        value = output[0] if output else None
    else:
        value = getattr(output, "logits", None)
    if not isinstance(value, Tensor):
        raise ValueError(
            f"the model's output has no logits, it is of type {type(output).__name__}: return an object with an "
            "attribute logits, a dictionary with the key logits, or a tuple that begins with them"
        )
    return value


def head_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters outside the pre-trained encoder, which start at random."""
    inside = {id(parameter) for parameter in encoder(model).parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in inside]


def layer_groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """Return the parameters from the input upwards: embeddings, each encoder layer, and the rest (pooler, head).

    Parameters that all layers share (relative positions, for example) belong to the group in which they are defined:
    below or above the stack of layers.

    Raises:
        ValueError: the architecture does not have a single stack of layers.
    """
    base, kind = encoder(model), _kind(inside_adapters(model))
    if _has_decoder(base):
        raise ValueError(f"{kind} has two stacks of layers: use an encoder such as BERT or RoBERTa")
    stacks = [module for module in base.modules() if isinstance(module, nn.ModuleList) and len(module)]
    if not stacks:
        raise ValueError(f"{kind} has no stack of layers, so lower and upper layers cannot be distinguished")
    depth = getattr(base.config, "num_hidden_layers", None)
    stacks = [module for module in stacks if len(module) == depth] or stacks  # MarkupLM has a larger list of no layers
    stack = max(stacks, key=lambda module: sum(parameter.numel() for parameter in module.parameters()))
    layers = [list(layer.parameters()) for layer in stack]
    inside = {id(parameter) for layer in layers for parameter in layer}
    below: list[nn.Parameter] = []
    above: list[nn.Parameter] = []
    is_above = False
    for parameter in base.parameters():
        if id(parameter) in inside:
            is_above = True
        else:
            (above if is_above else below).append(parameter)
    return [below, *layers, above + head_parameters(model)]


def _check_hnn(num_labels: int, head: str, head_dropout: float | None) -> None:
    if num_labels != 2:
        raise ValueError(f"head={head!r} chooses between two classes of candidates, this task has {num_labels} outputs")
    if head_dropout is not None:
        raise ValueError(f"head={head!r} has no dropout in front of its scores: leave head_dropout out")


def _check_head(config: Any, head: str) -> None:
    kind = config.model_type
    if head in POOLINGS and getattr(config, "is_encoder_decoder", False):
        raise ValueError(f"head={head!r} needs an encoder alone, {kind} has a decoder too: use head='pooler'")
    if head == "cls" and kind in _NO_FIRST_TOKEN:
        raise ValueError(f"{kind} does not gather the text in its first token: use head='mean' or 'pooler'")


def _cut_layers(config: Any, layers: int | None) -> None:
    if layers is None:
        return
    available = config.num_hidden_layers
    if not 1 <= layers <= available:
        raise ValueError(f"layers must be between 1 and {available} for this model, got {layers}")
    config.num_hidden_layers = layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:layers]


def _set_dropout(config: Any, fields: tuple[str, ...], rate: float | None, setting: str) -> None:
    if rate is None:
        return
    present = [field for field in fields if hasattr(config, field)]
    if fields is _HEAD_DROPOUT_FIELDS and config.model_type in _READ_IF_SET:
        present.append(_READ_IF_SET[config.model_type])
    if not present:
        raise ValueError(f"{config.model_type} has no setting for the {setting}; leave it out for this model")
    for field in present:
        setattr(config, field, rate)


def _head_dropout(config: Any, rate: float | None) -> float:
    if rate is not None:
        return rate
    declared = next(
        (getattr(config, field, None) for field in _HEAD_DROPOUT_FIELDS if getattr(config, field, None) is not None),
        None,
    )
    return declared if declared is not None else getattr(config, "hidden_dropout_prob", 0.1)


__all__ = [
    "class_dimensions",
    "embedding_site",
    "encoder",
    "head_parameters",
    "layer_groups",
    "load",
    "load_multitask",
    "logits",
    "position_count",
    "target",
]
