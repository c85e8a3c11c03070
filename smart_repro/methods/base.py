"""Base of every fine-tuning method: a few hooks around one training loop, each defaulting to plain fine-tuning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from smart_repro import models, precision
from smart_repro.declarations import configure
from smart_repro.dropout import cheapen_masks
from smart_repro.perturbation import observed, shifted
from smart_repro.registry import Registry
from smart_repro.seeding import Streams

METHODS: Registry[type[Method]] = Registry(
    "method", listing="smart-repro list methods", entry_points="smart_repro.methods"
)

TaskLoss = Callable[[Tensor, Tensor], Tensor]
Objective = Callable[[Tensor], Tensor]  # labels -> mean loss, of a model whose output defines its own loss (HNN)
PARTS = ("task", "smoothness", "bregman", "distillation", "adversarial", "consistency")
TEACHER_DROPOUT = ("off", "independent", "shared")  # no dropout / the teacher's own masks / the student's masks


@dataclass(frozen=True)
class Loss:
    """Loss of one micro-batch.

    Attributes:
        total: scalar to differentiate: the task loss plus each part times its weight.
        parts: unweighted batch means, detached, on the device; names from ``PARTS``.
        info: other scalars to log, such as ``max_abs_delta``.
    """

    total: Tensor
    parts: dict[str, Tensor]
    info: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NoOptions:
    """Configuration of a method without options."""


class Method:
    """Plain fine-tuning, and the base class of every other method.

    ``Smart(lambda_s=3)`` is ``build("smart", lambda_s=3)``. A method never calls ``optimizer.step()``; the loop does.
    Hooks run in this order: ``setup`` once, ``param_groups`` once, then per micro-batch ``begin`` and ``backward``
    (which calls ``loss``), per update ``after_step``, and ``eval_model`` before each evaluation.

    Args:
        **config: options of ``Config``; an unknown option is a ValueError that suggests the most similar one.
    """

    name: ClassVar[str]
    Config: ClassVar[type] = NoOptions
    version: ClassVar[int] = 1  # increased when a change of the code changes the results of a config
    paper: ClassVar[str] = ""  # the source, with the equation's number
    equation: ClassVar[str] = "min_theta L(theta)"  # the objective, in the options' names
    replays: int = 1  # number of times the loop presents each batch in a row (FreeAT's m)
    exact: bool = False  # True forces float32 without TF32 in all passes, whose small differences rounding would hide

    def __init__(self, **config: Any) -> None:
        self.config = configure(type(self), config)
        self.streams = Streams()
        self.precision = "fp32"  # of the run; the loop sets it before ``setup``
        self.updates_per_epoch: int | None = None  # the loop sets it before ``setup``; None: it did not
        self._task_loss: TaskLoss | None = None
        self._has_position = False  # True if the loop calls ``begin``
        self.watched: nn.Parameter | None = None  # identifies the model of ``setup``, also inside wrappers
        self._version: int | None = None  # changes of the weights up to the last pass; None: none since ``after_step``

    # -- hooks ---------------------------------------------------------------------------------------------------------
    def setup(self, model: nn.Module, total_steps: int, *, task_loss: TaskLoss | None = None) -> None:
        """Prepare training: copy a teacher, freeze layers. ``requires_grad`` never changes afterwards.

        The model's dropout modules are replaced by ones with cheaper masks (:mod:`smart_repro.dropout`). A further call
        starts another run, as with a new object.

        Args:
            model: the classifier.
            total_steps: optimiser updates in the whole run.
            task_loss: replacement for cross-entropy or squared error: ``task_loss(logits, labels)`` returns the mean
                over the batch, a scalar.
        """
        self._task_loss = task_loss
        *_, self.watched = model.parameters()
        self._version = None
        self._has_position = False
        self.streams.step, self.streams.micro, self.streams.row = 0, 0, None  # in place: wrappers share the object
        cheapen_masks(model)

    def param_groups(self, model: nn.Module, lr: float, weight_decay: float) -> list[dict[str, Any]]:
        """Return optimiser groups; by default weight decay applies to matrices only, as in official BERT."""
        trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
        matrices = [parameter for parameter in trainable if parameter.dim() > 1]
        vectors = [parameter for parameter in trainable if parameter.dim() <= 1]
        return [
            {"params": matrices, "lr": lr, "weight_decay": weight_decay},
            {"params": vectors, "lr": lr, "weight_decay": 0.0},
        ]

    def begin(self, micro: int, replay: int, step: int) -> None:
        """Set the position in training, which determines the random numbers.

        A loop need not call it: the method then counts the batches itself and treats each as a new one.

        Args:
            micro: number of the micro-batch within its update, from 0, over all processes.
            replay: number of earlier presentations of this batch.
            step: number of finished updates.
        """
        self._has_position = True
        self.streams.micro, self.streams.step = micro, step

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> Loss:
        """Return the differentiable objective on one micro-batch."""
        passes = self.open_passes(model, batch)
        task = self.task_loss(passes("clean"), passes)
        return Loss(task, {"task": task.detach()})

    def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Loss:
        """Compute the loss and its gradients; only methods with their own order of passes override this."""
        loss = self.loss(model, batch)
        backward(loss.total)
        return loss

    def after_step(self, model: nn.Module, step: int) -> None:
        """Update the method's state after each optimiser update; ``step`` counts finished updates from 1."""
        if not self._has_position:
            self.streams.step, self.streams.micro, self.streams.row = step, 0, 0
        self._version = None

    def eval_model(self, model: nn.Module) -> nn.Module:
        """Return the model that is evaluated and saved: by default the trained one, the student."""
        return model

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resumed run needs besides the states of model and optimiser."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state_dict`, after ``setup``."""

    # -- helpers of the hooks ------------------------------------------------------------------------------------------
    def seed(self, dropout: int, noise: int) -> None:
        """Set the seeds of dropout and noise; the loop calls this before ``setup``. Default: both 0."""
        self.streams = Streams(dropout, noise)

    def open_passes(self, model: nn.Module, batch: dict[str, Tensor]) -> Passes:
        """Return the forward passes of the next micro-batch; call this once per micro-batch.

        In a loop that never calls :meth:`begin`, this advances the position of the random numbers.

        Raises:
            ValueError: ``setup`` was not called, or for another model of which the method keeps a state, or the
                optimiser changed the weights and ``after_step`` was not called.
        """
        self._check_order(model)
        if self.exact:
            precision.check_weights(next(model.parameters()).dtype)
        if not self._has_position:
            self.streams.row = self.streams.row or 0
        passes = Passes(model, batch, self.streams, "fp32" if self.exact else self.precision)
        if not self._has_position:
            self.streams.micro += 1
            self.streams.row = (self.streams.row or 0) + len(passes.mask)
        return passes

    def _check_order(self, model: nn.Module) -> None:
        if self.watched is None:
            raise ValueError(
                f"method {self.name!r} has not been set up: call setup(model, total_steps) before the first batch; a "
                "subclass that overrides setup has to call super().setup"
            )
        if self._has_position:  # a loop that calls ``begin`` keeps the order itself
            return
        if not any(parameter is self.watched for parameter in model.parameters()):
            if _has_content(self.state_dict()):
                raise ValueError(
                    f"method {self.name!r} was set up for another model, whose state it keeps: build a method for each "
                    "model, or call setup(model, total_steps) for this one"
                )
            return
        # torch counts the changes of each parameter: a higher count shows an optimiser update
        version = sum(parameter._version for parameter in model.parameters() if parameter.requires_grad)
        if self._version not in (None, version):
            raise ValueError(
                f"the weights have changed since the last batch, but method {self.name!r} does not know: call "
                "after_step(model, step) after each optimizer.step(), with step counted from 1"
            )
        self._version = version

    def task_loss(self, logits: Tensor, passes: Passes) -> Tensor:
        """Return the task loss, averaged over the batch, in float32 or wider.

        It is the ``task_loss`` given to :meth:`setup`, else the loss that the model's output defines, else squared
        error or cross-entropy (in nats).

        Args:
            logits: ``(batch, outputs)``.
            passes: the passes that the logits belong to, with the labels.

        Raises:
            ValueError: the logits are not two-dimensional.
        """
        labels = passes.batch["labels"]
        if logits.dim() != 2:
            raise ValueError(
                f"one row of logits per text is needed, got logits of shape {tuple(logits.shape)}: "
                "token-level heads are not covered by either paper"
            )
        if self._task_loss is not None:
            return self._task_loss(logits, labels)
        if (objective := passes.objective(logits)) is not None:
            return objective(labels.view(-1).long())
        if passes.target == "regression":
            return F.mse_loss(logits.squeeze(-1), labels.to(logits.dtype).view(-1))
        return F.cross_entropy(logits, labels.view(-1).long())

    def expected_signals(self) -> frozenset[str]:
        """Return the loss parts that must not stay at exactly 0 in a run, without those that may be 0 by design."""
        return frozenset()

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step in forward passes.

        A plain step costs 3: one for the forward pass and two for the backward pass.
        """
        return 3.0


class Passes:
    """Forward passes over one micro-batch; each has a name, and passes with the same name share their dropout masks.

    All passes, including a teacher's, run in the same precision. Two passes with equal weights, masks and inputs then
    have distance 0; in bf16 and float32 their outputs would differ by 1e-4.

    Attributes:
        target: ``"classification"`` or ``"regression"``.
        mask: ``(batch, length)`` attention mask.
    """

    def __init__(self, model: nn.Module, batch: dict[str, Tensor], streams: Streams, run_precision: str) -> None:
        if "attention_mask" not in batch:
            raise ValueError("the batch has no attention_mask; pad with the tokenizer (DataCollatorWithPadding)")
        if "labels" not in batch:
            raise ValueError(
                "the batch has no labels; a column of another name must be renamed to labels, and class names replaced "
                "by numbers, because the Trainer's collator drops text"
            )
        self.model = model
        self.batch = batch
        self.target = models.target(model, batch)
        self.mask = batch["attention_mask"]
        self._inputs = models.inputs(model, batch)
        self._streams = streams.snapshot()
        self._precision = run_precision
        self._objectives: list[tuple[Tensor, Objective]] = []  # logits of each pass so far, with the loss it defines

    def objective(self, logits: Tensor) -> Objective | None:
        """Return the loss that the model's output defines on a pass, as HNN's does; None if it defines none.

        Args:
            logits: the tensor that the pass returned, not a copy: it identifies the pass, and the loss needs further
                outputs of that pass.
        """
        return next((objective for output, objective in self._objectives if output is logits), None)

    def __call__(self, name: str, *, model: nn.Module | None = None, dropout: bool = True) -> Tensor:
        """Return the logits ``(batch, outputs)`` of the pass ``name``, in float32 or wider.

        Args:
            name: name of the pass, which determines its dropout masks (together with the position in the run).
            model: another model for the same input, such as a teacher; None: the trained model.
            dropout: False turns dropout off for this pass.
        """
        return self._run(name, self.model if model is None else model, self._inputs, dropout=dropout)

    def embedded(self, name: str, site: str, *, dropout: bool = True) -> tuple[Tensor, Tensor]:
        """Return logits and the embeddings ``(batch, length, width)`` they were computed from, as part of the graph.

        Args:
            name: name of the pass, for its dropout masks.
            site: ``"word"`` or ``"block"``: the embedding module whose output is returned.
            dropout: False turns dropout off for this pass.

        Raises:
            ValueError: the passes are not float32.
        """
        self._require_float32()
        module = models.embedding_site(self.model, site)
        length = self.mask.shape[1]
        with observed(module, time_first=models.time_first(self.model), length=length) as outputs:
            logits = self(name, dropout=dropout)
        return logits, outputs[0]

    def perturbed(self, name: str, delta: Tensor, site: str, *, dropout: bool = True) -> Tensor:
        """Return logits with ``delta`` added to the embeddings.

        Args:
            name: name of the pass, for its dropout masks.
            delta: the perturbation, ``(batch, length, width)``.
            site: ``"word"`` or ``"block"``: the embedding module whose output is shifted.
            dropout: False turns dropout off for this pass.

        Raises:
            ValueError: the passes are not float32.
        """
        self._require_float32()
        module = models.embedding_site(self.model, site)
        with shifted(module, delta, time_first=models.time_first(self.model)):
            return self(name, dropout=dropout)

    def reference(self, teacher: nn.Module | None, *, dropout: str) -> Tensor:
        """Return a teacher's logits ``(batch, outputs)``, without a graph.

        Args:
            teacher: the teacher; None for the student's own weights.
            dropout: one of ``TEACHER_DROPOUT``; "shared" takes the masks of the pass named ``"clean"``.
        """
        name = "clean" if dropout == "shared" else "teacher"
        model = models.unwrapped(self.model) if teacher is None else teacher
        with torch.inference_mode():
            logits = self(name, model=model, dropout=dropout != "off")
        return logits.clone()  # autograd cannot save a tensor of inference mode for a backward pass; it can save a copy

    def embedded_again(self, name: str, embeddings: Tensor) -> Tensor:
        """Return logits with ``embeddings`` in place of word embeddings: the whole embedding layer is applied to them.

        Args:
            name: name of the pass, for its dropout masks.
            embeddings: ``(batch, length, width)``.

        Raises:
            ValueError: the passes are not float32, or the model does not accept embeddings in place of tokens.
        """
        self._require_float32()
        models.check_takes_embeddings(self.model, embeddings.shape[-1])
        inputs = {key: value for key, value in self._inputs.items() if key != "input_ids"}
        try:
            return self._run(name, self.model, {**inputs, "inputs_embeds": embeddings}, dropout=True)
        except TypeError as error:  # Longformer builds its global attention from input_ids
            raise ValueError(
                f"{type(models.inside_adapters(self.model)).__name__} does not take embeddings in place of tokens "
                f"({error}): use embedding='single'"
            ) from error

    def noise(self, width: int, dtype: torch.dtype) -> Tensor:
        """Return standard normal noise ``(batch, length, width)``, zero on padding.

        At one position in training, an example gets the same noise in whatever batch it is.
        """
        return self._streams.normal(self.mask, width, self.batch.get("example_id"), dtype)

    def _require_float32(self) -> None:
        precision.check_weights(next(self.model.parameters()).dtype)
        if self._precision != "fp32":
            raise ValueError(
                f"a pass over perturbed embeddings was requested in {self._precision}, in which small offsets vanish: "
                "set exact = True on the method's class"
            )

    def _run(self, name: str, model: nn.Module, inputs: dict[str, Tensor], *, dropout: bool) -> Tensor:
        autocast = precision.compute_in(self._precision, self.mask.device)
        with self._streams.masks(name, self.mask.device), autocast, dropping(model, dropout):
            output = model(**inputs)
            logits = models.logits(output)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        if callable(objective := getattr(output, "task_loss", None)):
            self._objectives.append((logits, objective))
        return logits


@contextmanager
def dropping(model: nn.Module, dropout: bool) -> Iterator[None]:
    """Turn dropout on or off inside the context; afterwards every module has its previous mode."""
    if model.training == dropout:
        yield
        return
    modes = [(module, module.training) for module in model.modules()]  # submodules may differ, such as a frozen encoder
    model.train(dropout)
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def check_choices(config: Any, choices: Mapping[str, Sequence[Any]]) -> None:
    """Check options of ``config`` against their allowed values.

    Args:
        config: the configuration of a method.
        choices: option -> allowed values.

    Raises:
        ValueError: a value is not allowed.
    """
    for option, allowed in choices.items():
        value = getattr(config, option)
        if value not in allowed:
            raise ValueError(f"{option} must be one of {', '.join(allowed)}, got {value!r}")


def _has_content(state: Any) -> bool:
    """Return True if a state has a value at any depth: nested empty dictionaries and lists have none."""
    if isinstance(state, dict):
        return any(map(_has_content, state.values()))
    if isinstance(state, list | tuple):
        return any(map(_has_content, state))
    return state is not None


def build(name: str, **config: Any) -> Method:
    """Return the registered method of that name, configured.

    Raises:
        UnknownNameError: there is no such method; the message suggests a name.
        ValueError: an option is unknown, or its value is not allowed.
    """
    return METHODS[name](**config)


def register(name: str) -> Callable[[type[Method]], type[Method]]:
    """Return a class decorator that registers a method under ``name``."""

    def decorate(method: type[Method]) -> type[Method]:
        method.name = name
        return METHODS.add(name, method)

    return decorate
