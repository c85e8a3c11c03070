"""Checks of a MethodTrainer's arguments, model and overrides; each message names the alternative."""

from __future__ import annotations

import copy
import weakref
from typing import Any
from weakref import WeakKeyDictionary

from transformers import Trainer
from transformers.training_args import OptimizerNames, TrainingArguments

from smart_repro.methods import METHODS, Method, build
from smart_repro.methods.vanilla import Vanilla

_OWN_METHOD = "write the change as a Method of your own (docs/extending.md)"
# Overrides that a method other than plain fine-tuning would never call, or that would take its place.
OVERRIDES = {
    "compute_loss": f"pass compute_loss_func, which replaces the task loss inside the method, or {_OWN_METHOD}",
    "training_step": f"use a TrainerCallback, or {_OWN_METHOD}",
    "create_optimizer_and_scheduler": "override create_optimizer and create_scheduler instead",
    "get_decay_parameter_names": "override create_optimizer instead",
    "compute_loss_context_manager": "ask for a precision by bf16=True or fp16=True; the method opens it pass by pass",
    "autocast_smart_context_manager": "ask for a precision by bf16=True or fp16=True; the method opens it pass by pass",
}
_HOLDERS: WeakKeyDictionary[Method, weakref.ref[Trainer]] = WeakKeyDictionary()  # method -> the trainer that has it
_LAYERWISE = {OptimizerNames.LOMO, OptimizerNames.ADALOMO}


def resolved(method: Any, trainer: Trainer) -> Method:
    """Return the configured method for a registered name or a class; a configured method as it is.

    An object that another trainer has is copied, because a method keeps the state of one training, such as its teacher.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(method, str):
        return build(method)
    if isinstance(method, type) and issubclass(method, Method):
        return method()
    if isinstance(method, Method):
        holder = _HOLDERS.get(method, lambda: None)()
        own = method if holder in (None, trainer) else copy.deepcopy(method)
        _HOLDERS[own] = weakref.ref(trainer)
        return own
    raise ValueError(
        f"method must be a registered name ({', '.join(METHODS)}), a class such as Smart, or a configured method such "
        f"as Smart(lambda_s=3.0), got {method!r}"
    )


def is_plain(method: Method) -> bool:
    """Return True if the method is fine-tuning exactly as the Trainer does it."""
    return type(method) is Vanilla and method.config.label_smoothing == 0


def overridden(trainer: Trainer, base: type[Trainer]) -> set[str]:
    """Return the names in ``OVERRIDES`` that a subclass, or an assignment to the trainer, has replaced."""
    kind = type(trainer)
    return {name for name in OVERRIDES if getattr(kind, name) is not getattr(base, name) or name in vars(trainer)}


def refuse_overrides(names: set[str], trainer: Trainer, method: Method) -> None:
    """Refuse an override that only plain fine-tuning uses.

    Raises:
        ValueError: there is such an override.
    """
    if is_plain(method):
        return
    for name in OVERRIDES:
        if name in names:
            raise ValueError(
                f"{type(trainer).__name__} overrides {name}, which method {method.name!r} does not go through: "
                f"{OVERRIDES[name]}; with method='vanilla' the override is used as it is"
            )


def refuse_arguments(args: TrainingArguments, method: Method) -> None:
    """Refuse training arguments that no method, or not this one, supports.

    Raises:
        ValueError: there is such an argument.
    """
    if args.n_gpu > 1:
        raise ValueError(
            "several GPUs in one process (nn.DataParallel) are not supported: start one process per GPU with torchrun "
            "or accelerate launch, or choose one GPU with CUDA_VISIBLE_DEVICES"
        )
    if args.torch_compile:
        raise ValueError("a compiled model ignores the hooks that perturb its embeddings: set torch_compile=False")
    if args.use_liger_kernel:
        raise ValueError(
            "Liger kernels replace layers of the model by fused ones, which no method has been checked with: set "
            "use_liger_kernel=False"
        )
    if args.optim in _LAYERWISE:
        raise ValueError(
            f"optim={OptimizerNames(args.optim).value} updates each layer inside the backward pass, but a method may "
            "need several backward passes for one update: use an ordinary optimiser such as adamw_torch"
        )
    if args.label_names not in (None, ["labels"]):
        raise ValueError(
            f"label_names={args.label_names}: a method reads the column labels and no other; rename yours to labels "
            "and leave label_names out"
        )
    if args.ignore_data_skip and method.replays > 1:
        raise ValueError(
            f"method {method.name!r} presents each batch {method.replays} times and keeps its perturbation meanwhile, "
            "so a resumed run has to go on with the same batch: set ignore_data_skip=False"
        )


def refuse_model(trainer: Any, method: Method) -> None:
    """Refuse a model whose weights are spread over devices, or stored in a form that cannot be averaged.

    Raises:
        ValueError: the model is such a model.
    """
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise ValueError("methods copy and average whole weights, so FSDP and DeepSpeed are not supported: use DDP")
    sizes = {
        "tensor": trainer.get_tp_size(),
        "context": trainer.get_cp_size(),
        "sequence": trainer.get_sp_size(),
    }
    for kind, size in sizes.items():
        if size > 1:
            raise ValueError(
                f"{kind} parallelism over {size} devices splits a text or the weights, which methods need whole: leave "
                "parallelism_config (and the model's tp_plan) out and use DDP"
            )
    if trainer.is_model_parallel or trainer.is_distributed_loading_by_transformers:
        raise ValueError(
            "the model is spread over several devices, but methods copy and average whole weights: load it without "
            "device_map or distributed_config"
        )
    if getattr(trainer.model, "is_quantized", False) and not is_plain(method):
        raise ValueError(
            f"the model's weights are quantised, but method {method.name!r} perturbs, copies or averages them: load it "
            "in float32, or use method='vanilla'"
        )


__all__ = [
    "OVERRIDES",
    "is_plain",
    "overridden",
    "refuse_arguments",
    "refuse_model",
    "refuse_overrides",
    "resolved",
]
