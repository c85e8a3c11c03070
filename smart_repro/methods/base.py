"""What a fine-tuning method is: a few hooks around one training loop, each defaulting to plain fine-tuning."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from smart_repro import models, precision
from smart_repro.perturbation import observed, shifted
from smart_repro.registry import Registry
from smart_repro.seeding import Streams

METHODS: Registry[type[Method]] = Registry("method", listing="smart-repro list methods")

TaskLoss = Callable[[Tensor, Tensor], Tensor]
PARTS = ("task", "smoothness", "bregman", "distillation", "adversarial", "consistency")


@dataclass(frozen=True)
class Loss:
    """The loss of one micro-batch.

    Attributes:
        total: scalar to differentiate: the task loss plus each part times its weight.
        parts: unweighted batch means, detached, on the device; names from ``PARTS``.
        info: other scalars worth a curve, such as ``max_abs_delta``.
    """

    total: Tensor
    parts: dict[str, Tensor]
    info: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """A method without settings."""


class Method:
    """Plain fine-tuning, and the base of every other method. ``Smart(lambda_s=3)`` is ``build("smart", lambda_s=3)``.

    A method never calls ``optimizer.step()``; the loop does. Hooks run in this order: ``setup`` once, ``param_groups``
    once, then per micro-batch ``begin`` and ``backward`` (which calls ``loss``), per update ``after_step``, and
    ``eval_model`` whenever the model is to be judged.

    Args:
        **config: the options of ``Config``; anything else is a ValueError that suggests the nearest option.
    """

    name: ClassVar[str]
    Config: ClassVar[type] = NoOptions
    version: ClassVar[int] = 1  # raised when the same config would train differently
    paper: ClassVar[str] = ""  # where the idea is from, with the equation's number
    equation: ClassVar[str] = "min_theta L(theta)"  # what is optimised, in the options' names
    replays: int = 1

    def __init__(self, **config: Any) -> None:
        self.config = _configured(type(self), config)
        self.streams = Streams()
        self.precision = "fp32"
        self._task_loss: TaskLoss | None = None
        self._told = False
        self._watched: nn.Parameter | None = None  # shows whether the optimiser has moved the weights
        self._version: int | None = None  # of the watched parameter, in the passes since the last ``after_step``

    # -- hooks ---------------------------------------------------------------------------------------------------------
    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Once, before training: copy a teacher, freeze layers. ``requires_grad`` never changes afterwards.

        Args:
            total_steps: optimiser updates in the whole run.
            task_loss: replaces cross-entropy / squared error: ``task_loss(logits, labels) -> scalar mean``.
        """
        self._task_loss = task_loss
        *_, self._watched = model.parameters()
        self._version = None

    def param_groups(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Optimiser groups; by default weight decay on matrices only, as official BERT has it."""
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in trainable if parameter.dim() > 1]
        vectors = [parameter for parameter in trainable if parameter.dim() <= 1]
        return [
            {"params": matrices, "lr": lr, "weight_decay": weight_decay},
            {"params": vectors, "lr": lr, "weight_decay": 0.0},
        ]

    def begin(self, micro: int, replay: int, step: int) -> None:
        """Where training stands; without it every batch counts as new.

        Args:
            micro: number of the micro-batch within its update, over all processes.
            replay: how often this batch was presented before.
            step: finished updates.
        """
        self._told = True
        self.streams.micro, self.streams.step = micro, step

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """The objective on one micro-batch, differentiable."""
        passes = self.passes(model, batch)
        task = self.task_loss(passes("clean"), passes)
        return Loss(task, {"task": task.detach()})

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        """Compute the loss and send it back. Only methods that order their own passes override this."""
        loss = self.loss(model, batch)
        backward(loss.total)
        return loss

    def after_step(self, model: nn.Module, step: int) -> None:
        """After each optimiser update; ``step`` counts finished updates from 1."""
        if not self._told:
            self.streams.step, self.streams.micro, self.streams.row = step, 0, 0
        self._version = None

    def eval_model(self, model: nn.Module) -> nn.Module:
        """What is evaluated and saved: the student, unless the paper says otherwise."""
        return model

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs that is not in the model or the optimiser."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, after ``setup``."""

    # -- what the hooks are written with -------------------------------------------------------------------------------
    def seed(self, dropout: int, noise: int) -> None:
        """Fix the random numbers; called before ``setup`` by the loop. Default: both 0."""
        self.streams = Streams(dropout, noise)

    def passes(self, model: nn.Module, batch: dict[str, Tensor]) -> Passes:
        """The forward passes of one micro-batch.

        Raises: ValueError: before ``setup``, or if the optimiser moved the weights and ``after_step`` was not called.
        """
        self._check_order()
        if not self._told:
            self.streams.row = self.streams.row or 0
        opened = Passes(model, batch, self.streams, self.precision)
        if not self._told:
            self.streams.micro += 1
            self.streams.row += len(opened.mask)
        return opened

    def _check_order(self) -> None:
        if self._watched is None:
            raise ValueError(
                f"method {self.name!r} has not been set up: call setup(model, total_steps) before the first batch; a "
                "subclass that overrides setup has to call super().setup"
            )
        version = self._watched._version
        if not self._told and self._version not in (None, version):
            raise ValueError(
                f"the weights have changed since the last batch, but method {self.name!r} does not know: call "
                "after_step(model, step) after each optimizer.step(), with step counted from 1"
            )
        self._version = version

    def task_loss(self, logits: Tensor, passes: Passes) -> Tensor:
        """Cross-entropy or squared error, averaged over the batch, in float32."""
        labels = passes.batch["labels"]
        if logits.dim() != 2:
            raise ValueError(f"one row of logits per text is needed, got logits of shape {tuple(logits.shape)}: "
                             "token-level heads are not covered by either paper")  # fmt: skip
        if self._task_loss is not None:
            return self._task_loss(logits, labels)
        if passes.target == "regression":
            return F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype).view(-1))
        return F.cross_entropy(logits, labels.view(-1).long())

    def expected_signals(self) -> frozenset[str]:
        """Loss parts that must not stay at exactly 0; a control that may be zero leaves its part out."""
        return frozenset()

    @classmethod
    def cost(cls, config: Any) -> float:
        """Cost of a step in units of one forward pass; a plain step is 3 (forward, and twice that for backward)."""
        return 3.0


class Passes:
    """The forward passes over one micro-batch; each is named, and equal names share their dropout masks.

    Attributes:
        target: ``"classification"`` or ``"regression"``.
        mask: ``(batch, length)`` attention mask.
    """

    def __init__(self, model: nn.Module, batch: dict[str, Tensor], streams: Streams, run_precision: str) -> None:
        if "attention_mask" not in batch:
            raise ValueError("the batch has no attention_mask; pad with the tokenizer (DataCollatorWithPadding)")
        if "labels" not in batch:
            raise ValueError("the batch has no labels; a column of another name must be renamed to labels")
        self.model = model
        self.batch = batch
        self.target = models.target(model, batch)
        self.mask = batch["attention_mask"]
        self._inputs = models.inputs(model, batch)
        self._streams = streams.here()
        self._precision = run_precision

    def __call__(
        self, name: str, *, model: nn.Module | None = None, exact: bool = False, dropout: bool = True
    ) -> Tensor:
        """Logits of the pass ``name``, in float32 or wider.

        Args:
            name: dropout masks belong to the name (and the position in the run).
            model: another model on the same input, such as a teacher.
            exact: float32 without TF32 whatever the run's precision: for both sides of a divergence under perturbation.
            dropout: False switches dropout off for this pass.
        """
        return self._run(name, self.model if model is None else model, self._inputs, exact=exact, dropout=dropout)

    def embedded(self, name: str, site: str, *, dropout: bool = True) -> tuple[Tensor, Tensor]:
        """Logits of an exact pass, with the embeddings ``(batch, length, width)`` it used, still in its graph."""
        module = models.embedding_site(self.model, site)
        length = self.mask.shape[1]
        with observed(module, time_first=models.time_first(self.model), length=length) as seen:
            logits = self(name, exact=True, dropout=dropout)
        return logits, seen[0]

    def perturbed(self, name: str, delta: Tensor, site: str, *, dropout: bool = True) -> Tensor:
        """Logits of an exact pass with ``delta`` added to the embeddings."""
        module = models.embedding_site(self.model, site)
        with shifted(module, delta, time_first=models.time_first(self.model)):
            return self(name, exact=True, dropout=dropout)

    def reference(self, name: str, teacher: nn.Module | None, *, dropout: bool) -> Tensor:
        """A teacher's logits, without a graph; None stands for the student's own weights."""
        with torch.inference_mode():
            logits = self(name, model=models.unwrapped(self.model) if teacher is None else teacher, dropout=dropout)
        return logits.clone()  # outside inference mode, so that a divergence may save it for its backward pass

    def embedded_again(self, name: str, embeddings: Tensor) -> Tensor:
        """Logits of an exact pass that takes ``embeddings`` for word embeddings and embeds them once more."""
        models.check_takes_embeddings(self.model, embeddings.shape[-1])
        inputs = {key: value for key, value in self._inputs.items() if key != "input_ids"}
        try:
            return self._run(name, self.model, {**inputs, "inputs_embeds": embeddings}, exact=True, dropout=True)
        except TypeError as error:  # Longformer builds its global attention from input_ids
            raise ValueError(
                f"{type(models.inside_adapters(self.model)).__name__} does not take embeddings in place of tokens "
                f"({error}): use embedding='single'"
            ) from error

    def noise(self, width: int, dtype: torch.dtype) -> Tensor:
        """Standard normal ``(batch, length, width)``, zero on padding; the same for an example wherever it appears."""
        return self._streams.normal(self.mask, width, self.batch.get("example_id"), dtype)

    def _run(self, name: str, model: nn.Module, inputs: dict[str, Tensor], *, exact: bool, dropout: bool) -> Tensor:
        if exact:
            precision.check_weights(next(model.parameters()).dtype)
        computing = precision.compute_in("fp32" if exact else self._precision, self.mask.device)
        with self._streams.masks(name, self.mask.device), computing, dropping(model, dropout):
            logits = models.logits(model(**inputs))
        return logits if logits.dtype == torch.float64 else logits.float()


@contextmanager
def dropping(model: nn.Module, dropout: bool) -> Iterator[None]:
    """Dropout on or off inside; afterwards the model is in the mode it was in."""
    if model.training == dropout:
        yield
        return
    before = [(module, module.training) for module in model.modules()]  # a part may be in another mode than the whole
    model.train(dropout)
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def build(name: str, **config: Any) -> Method:
    """The registered method of that name, configured. Raises UnknownNameError or ValueError with a suggestion."""
    return METHODS[name](**config)


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Class decorator: enter a method under its name."""

    def enter(method: type[Method]) -> type[Method]:
        method.name = name
        return METHODS.add(name, method)

    return enter


def _configured(method: type[Method], config: dict[str, Any]) -> Any:
    known = [option.name for option in fields(method.Config)]
    for option in config:
        if option not in known:
            near = difflib.get_close_matches(option, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else f"; it has: {', '.join(known) or 'none'}"
            raise ValueError(f"method {method.name!r} has no option {option!r}{hint}")
    return method.Config(**config)
