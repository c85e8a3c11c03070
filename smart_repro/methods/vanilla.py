"""Plain fine-tuning: cross-entropy or squared error alone, the baseline of all other methods.

Label smoothing is an option because both papers' regularisers also smooth predictions: a method that beats plain
cross-entropy should beat this control too. It follows Szegedy et al. 2016, section 7: the label keeps
``1 - label_smoothing`` of the target, and the rest is spread evenly over all classes. It is refused for regression.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from smart_repro.methods.base import Method, Passes, register


@dataclass(frozen=True, kw_only=True)
class VanillaConfig:
    """Options of plain fine-tuning."""

    label_smoothing: float = 0.0  # share of the target spread evenly over the classes; the usual control is 0.1

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")


@register("vanilla")
class Vanilla(Method):
    """Plain fine-tuning, with optional label smoothing."""

    Config = VanillaConfig
    paper = "baseline of Jiang et al. 2020 and Xu et al. 2020"
    equation = "L(theta) = 1/n sum_i loss(f(x_i; theta), y_i)"

    config: VanillaConfig

    def task_loss(self, logits: Tensor, passes: Passes) -> Tensor:
        """Return the task loss, with label smoothing if it is set.

        Raises:
            ValueError: label smoothing is set and the loss is not cross-entropy.
        """
        smoothing = self.config.label_smoothing
        if smoothing == 0:
            return super().task_loss(logits, passes)
        has_own_loss = self._task_loss is not None or passes.objective(logits) is not None
        if passes.target == "regression" or has_own_loss:
            raise ValueError(
                "label_smoothing applies to cross-entropy only; leave it at 0 for regression or a loss of your own"
            )
        return F.cross_entropy(logits, passes.batch["labels"].view(-1).long(), label_smoothing=smoothing)
