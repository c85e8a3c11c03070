"""LoRA: low-rank additions to attention matrices learn, the rest stays fixed (Hu et al. 2021, arXiv:2106.09685).

It replaces the adapter layers that the papers name (Houlsby et al. 2019, arXiv:1902.00751), which current libraries no
longer offer. The idea is the same: few new weights and a fixed encoder, but the weights are in another place.

Deviations:

- Not the method the papers name, see above. Needs the extra ``lora`` (peft).
- ``dropout`` before the additions is 0, so that clean passes share their masks with other methods.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from smart_repro.methods.base import Method, TaskLoss, register
from smart_repro.models import head_parameters, unwrapped
from smart_repro.seeding import derive, seeded

_MARK = "_added_by_lora"  # attribute of an added module: the options it was made with
# models that peft's own table omits
_MODULES = {"albert": ("query", "value"), "distilbert": ("q_lin", "v_lin"), "modernbert": ("Wqkv",)}


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """Options of LoRA."""

    rank: int = 8  # rank r of each addition; paper 8 on GLUE
    scale: float = 2.0  # factor on the additions, alpha / r; paper 1 to 2 (alpha 8 or 16 at r = 8)
    modules: str = ""  # names of the matrices, separated by "+"; empty: query and value, as the paper

    def __post_init__(self) -> None:
        if self.rank < 1 or self.scale <= 0:
            raise ValueError(f"rank must be >= 1 and scale positive, got {self.rank} and {self.scale}")


@register("lora")
class Lora(Method):
    """Training of low-rank additions and the head."""

    Config = LoraConfig
    paper = "Hu et al. 2021; for the adapters named by Jiang et al. 2020, section 1"
    equation = "W x + scale B A x for query and value, min over A, B and the head"
    config: LoraConfig

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Insert the low-rank matrices and freeze all other parameters except the head."""
        super().setup(model, total_steps, task_loss=task_loss)
        if _continues(model, self.config):
            return
        _refuse_adapters(model)
        head = head_parameters(model)
        modules = self._modules(unwrapped(model).config.model_type)
        with seeded(derive(self.streams.noise, "lora"), torch.device("cpu")):
            _inject(unwrapped(model), self.config, modules)
        for parameter in head:
            parameter.requires_grad_(True)

    def _modules(self, kind: str) -> list[str]:
        if self.config.modules:
            return self.config.modules.split("+")
        modules_by_kind = {**_known_modules(), **_MODULES}
        if kind not in modules_by_kind:
            raise ValueError(
                f"lora does not know the query and value matrices of {kind}: name them in the option modules"
            )
        return list(modules_by_kind[kind])

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step: the frozen weights need no gradient, which saves one pass."""
        return 2.0


def is_addition(module: nn.Module) -> bool:
    """Return True if the method added this module to a model; it is False for an adapter of the user."""
    return hasattr(module, _MARK)


def _continues(model: nn.Module, config: LoraConfig) -> bool:
    """Return True if the model has the additions of an earlier run, which training then continues.

    Raises:
        ValueError: these were made with other options.
    """
    earlier = [getattr(module, _MARK) for module in model.modules() if is_addition(module)]
    if any(config != config_of_addition for config_of_addition in earlier):
        raise ValueError(f"the model has the additions of {earlier[0]}, this run asks for {config}: load it anew")
    return bool(earlier)


def merged(model: nn.Module) -> nn.Module:
    """Return a copy of ``model`` with the method's additions merged into their matrices."""
    copied = copy.deepcopy(model)
    for name, module in list(copied.named_modules()):
        if is_addition(module):
            addition: Any = module
            addition.merge()
            copied.set_submodule(name, addition.get_base_layer())
    return copied


def _refuse_adapters(model: nn.Module) -> None:
    if hasattr(unwrapped(model), "peft_config") or any(hasattr(module, "base_layer") for module in model.modules()):
        raise ValueError(
            "the model has adapters of peft already, and method 'lora' adds its own: train yours with another method, "
            "such as 'vanilla', or pass the model without them"
        )


def _peft() -> Any:
    try:
        import peft
    except ImportError:
        raise ImportError("the method lora needs peft: pip install 'smart-repro[lora]'") from None
    return peft


def _known_modules() -> dict[str, Any]:
    return dict(_peft().utils.constants.TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING)


def _inject(model: nn.Module, config: LoraConfig, modules: list[str]) -> None:
    """Add the low-rank matrices to ``model`` in place; only they are trainable afterwards."""
    peft = _peft()
    lora = peft.LoraConfig(
        r=config.rank, lora_alpha=config.rank * config.scale, target_modules=modules, lora_dropout=0.0
    )
    try:
        peft.inject_adapter_in_model(lora, model)
    except ValueError as error:
        names = ", ".join(modules)
        raise ValueError(f"lora found no matrix it can add to among the modules named {names}: {error}") from error
    for module in model.modules():
        if hasattr(module, "base_layer"):
            setattr(module, _MARK, config)
