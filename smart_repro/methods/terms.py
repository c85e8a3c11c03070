"""Base of the methods whose objective is the task loss plus weighted terms.

A term is one idea with its own state; a method only lists its terms and their weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from smart_repro.methods.base import Loss, Method, Passes, TaskLoss

EVALUATED = ("student", "teacher")  # choices of the option ``evaluate``


@dataclass(frozen=True)
class Clean:
    """The pass without perturbation: logits, and its embeddings if a term needs them."""

    logits: Tensor
    embeddings: Tensor | None = None


@dataclass(frozen=True)
class Value:
    """Value of a term on one micro-batch: a differentiable scalar, and scalars to log."""

    value: Tensor
    info: dict[str, Tensor] = field(default_factory=dict)


class Term:
    """A term of the objective, without its weight.

    Attributes:
        part: name of the term in the history.
        exact: True if all passes of the micro-batch must be float32 in any run.
        site: embedding site whose output in the clean pass the term needs, or None.
        may_be_zero: True if the term may be exactly 0 in a whole run.
        averages: True if the term keeps a teacher with averaged weights, which can be evaluated.
    """

    part: ClassVar[str]
    exact: bool = False
    site: str | None = None
    may_be_zero: bool = False
    averages: bool = False

    def setup(self, model: nn.Module, total_steps: int) -> None:
        """Prepare training; called once."""

    def __call__(self, passes: Passes, clean: Clean) -> Value:
        """Return the value of the term on one micro-batch."""
        raise NotImplementedError

    def after_step(self, model: nn.Module, step: int) -> None:
        """Update the term's state after each update; ``step`` counts from 1."""

    def averaged_model(self) -> nn.Module | None:
        """Return the model with the averaged weights that the next update will use; None if there is none."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""


class Regularised(Method):
    """Method whose objective is ``task loss + sum of weight x term``; subclasses define the terms.

    With an option ``evaluate="teacher"`` the averaged teacher of a term is evaluated instead of the student.
    """

    def __init__(self, **config: Any) -> None:
        super().__init__(**config)
        self.terms: list[tuple[float, Term]] = [(weight, term) for weight, term in self.make_terms() if weight != 0]
        self.exact = any(term.exact for _, term in self.terms)
        self._evaluated = self._evaluated_term()

    def make_terms(self) -> Sequence[tuple[float, Term]]:
        """Return pairs of weight and term; weight 0 skips the term with its passes and memory."""
        raise NotImplementedError

    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Prepare training and all terms."""
        super().setup(model, total_steps, task_loss=task_loss)
        for _, term in self.terms:
            term.setup(model, total_steps)

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the task loss plus the weighted terms, from one clean pass."""
        passes = self.open_passes(model, batch)
        clean = self._clean(passes)
        task = self.task_loss(clean.logits, passes)
        total, parts, info = task, {"task": task.detach()}, {}
        for weight, term in self.terms:
            outcome = term(passes, clean)
            total = total + weight * outcome.value
            parts[term.part] = outcome.value.detach()
            info.update(outcome.info)
        return Loss(total, parts, info)

    def after_step(self, model: nn.Module, step: int) -> None:
        """Update the state of all terms."""
        super().after_step(model, step)
        for _, term in self.terms:
            term.after_step(model, step)

    def eval_model(self, model: nn.Module) -> nn.Module:
        """Return the averaged teacher if ``evaluate="teacher"`` and it exists, else the model."""
        averaged = self._evaluated.averaged_model() if self._evaluated is not None else None
        return model if averaged is None else averaged

    def state_dict(self) -> dict[str, Any]:
        """Return the state of each term, by its part."""
        return {term.part: term.state_dict() for _, term in self.terms}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`."""
        for _, term in self.terms:
            term.load_state_dict(state[term.part])

    def expected_signals(self) -> frozenset[str]:
        """Return the parts of all terms that must not stay at exactly 0."""
        return frozenset(term.part for _, term in self.terms if not term.may_be_zero)

    def _clean(self, passes: Passes) -> Clean:
        site = next((term.site for _, term in self.terms if term.site is not None), None)
        if site is not None:
            return Clean(*passes.embedded("clean", site))
        return Clean(passes("clean"))

    def _evaluated_term(self) -> Term | None:
        """Return the term whose teacher is evaluated instead of the student; None for the student.

        Raises:
            ValueError: ``evaluate="teacher"`` and there is not exactly one averaged teacher.
        """
        if getattr(self.config, "evaluate", "student") == "student":
            return None
        averaging = [term for _, term in self.terms if term.averages]
        if len(averaging) != 1:
            remedy = "set the weight of one to 0" if averaging else "choose one that averages, with a weight above 0"
            raise ValueError(
                f"evaluate='teacher' needs exactly one averaged teacher, {self.name} with these options has "
                f"{len(averaging)}: {remedy}"
            )
        return averaging[0]


@torch.no_grad()
def largest(delta: Tensor) -> Tensor:
    """Return ``max |delta|``; its log proves that a perturbation stayed in its ball."""
    return delta.abs().amax()
