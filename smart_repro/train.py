"""The training loop, the only caller of ``optimizer.step()``; a method defines the rest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast
from torch import Tensor, nn

from smart_repro import optim, precision
from smart_repro.checkpoint import Checkpoint, DamagedCheckpointError
from smart_repro.draws import GlobalDraws
from smart_repro.encoding import Encoded, Mixed
from smart_repro.methods.base import Method
from smart_repro.sampler import pieces
from smart_repro.scalars import FLUSH, MissingSignalError, NonFiniteLossError, Scalars


class Interrupted(Exception):  # noqa: N818  (a requested stop, not an error)
    """Training stopped on request, after writing a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Length of training and settings of the optimiser; the loss belongs to the method."""

    epochs: int = 3
    max_steps: int | None = None  # number of updates after which training and the schedule end
    batch_size: int = 16  # examples per update, over all micro-batches and processes
    accumulation: int = 1  # micro-batches per update
    learning_rate: float = 2e-5
    head_learning_rate: float | None = None  # of parameters outside the pre-trained encoder; None: the same
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    schedule: str = "linear"
    warmup: float = 0.1  # share of the updates
    clip: float | None = 1.0  # largest norm of the gradient
    precision: str = "fp32"
    seed_order: int = 0
    seed_dropout: int = 0
    seed_noise: int = 0


class Observer:
    """Receiver of the loop's reports; every method may be left unimplemented."""

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        """Record finished updates: step, epoch, lr, loss, its parts, tokens. Called every few updates."""

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        """Record the end of an epoch, and of training; ``model`` is the model that the method evaluates."""

    def started(self, plan: Plan) -> None:
        """Record that training starts or resumes; called before all other methods."""

    def gap(self, step: int) -> str | None:
        """Return why training cannot resume after update ``step``, or None.

        It cannot if records of earlier updates were lost.
        """
        return None

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint stores of the reports so far, such as their digests: :meth:`damage` gets it back."""
        return {}

    def damage(self, state: Mapping[str, Any]) -> str | None:
        """Return why the reports are not those that the checkpoint relies on, or None.

        Args:
            state: the result of :meth:`state_dict` when the checkpoint was saved; empty if an earlier version saved it.
        """
        return None

    def resumed(self, step: int) -> None:
        """Record that training resumes after update ``step`` of an earlier attempt."""

    def restarted(self, reason: str) -> None:
        """Record that training starts from the beginning, because an earlier attempt cannot be resumed."""

    def make_durable(self) -> None:
        """Write all reports so far to disk, so that they survive a power cut.

        A checkpoint that relies on them is saved next.
        """


@dataclass(frozen=True)
class Plan:
    """Number of updates of a run, and the data of each.

    Attributes:
        total: updates of the run.
        per_epoch: updates of one pass over the data, without replays.
        replays: number of times each batch is presented.
    """

    total: int
    per_epoch: int
    replays: int

    def position(self, step: int) -> tuple[int, int, int]:
        """Return pass over the data, update within it, and replay of the update after ``step`` finished ones."""
        presented, replay = divmod(step, self.replays)
        return presented // self.per_epoch, presented % self.per_epoch, replay

    def ends_epoch(self, step: int) -> int | None:
        """Return the epoch that ends with finished update ``step``, or None.

        Epochs are counted in updates, so a pass with replays ends several of them.
        """
        return step // self.per_epoch if step % (self.per_epoch * self.replays) == 0 else None

    def reports(self, step: int) -> int | None:
        """Return the epoch to report after update ``step``: one that ends there, or the last one, however short."""
        short = math.ceil(step / self.per_epoch) if step == self.total else None
        return self.ends_epoch(step) or short


def plan(examples: int | Sequence[int], config: TrainConfig, replays: int = 1) -> Plan:
    """Return the plan of a run.

    Presenting each batch ``replays`` times divides the number of epochs, so that the number of updates stays the same.

    Args:
        examples: size of the training set, or of each task's training set (an update is of one task).
        config: length and batch size.
        replays: number of times each batch is presented.

    Raises:
        ValueError: a training set is empty.
    """
    sizes = [examples] if isinstance(examples, int) else examples
    if not all(sizes):
        raise ValueError("there is nothing to train on: the training set is empty")
    per_epoch = sum(math.ceil(size / config.batch_size) for size in sizes)
    total = max(1, round(config.epochs / replays)) * per_epoch * replays
    return Plan(total if config.max_steps is None else min(total, config.max_steps), per_epoch, replays)


def train(
    model: nn.Module,
    method: Method,
    data: Encoded | Mixed,
    config: TrainConfig,
    *,
    observer: Observer | None = None,
    checkpoint: Checkpoint | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    cpu: bool = False,
) -> nn.Module:
    """Fine-tune ``model`` in place and return the model that the method evaluates.

    Args:
        model: the classifier.
        method: the fine-tuning method.
        data: the training set, or those of several tasks (then each update is of one task).
        config: length of training and settings of the optimiser.
        observer: receives scalars and epoch ends.
        checkpoint: if it holds a state of this run, training resumes from it, bit for bit as if it had not stopped.
        should_stop: called after every update; True saves a checkpoint and raises :class:`Interrupted`.
        cpu: True to stay on the CPU even where there is a GPU.

    Raises:
        NonFiniteLossError: the loss or its gradient is NaN or infinite.
        MissingSignalError: a loss part that the method implies stays at exactly 0.
        Interrupted: ``should_stop`` returned True.
    """
    accelerator = _accelerator(cpu)
    draws = GlobalDraws(config.seed_dropout, accelerator.device)
    try:
        loop = _Loop(model, method, data, config, observer or Observer(), checkpoint, accelerator, draws)
        loop.resume()
        loop.run(should_stop)
    finally:
        draws.restore()
    return method.eval_model(loop.bare)


def _accelerator(cpu: bool) -> Accelerator:
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # such as the heads of other tasks
    return Accelerator(mixed_precision="no", cpu=cpu, kwargs_handlers=[unused])


class _Loop:
    def __init__(
        self,
        model: nn.Module,
        method: Method,
        data: Encoded | Mixed,
        config: TrainConfig,
        observer: Observer,
        checkpoint: Checkpoint | None,
        accelerator: Accelerator,
        draws: GlobalDraws,
    ) -> None:
        self.method, self.data, self.config, self.observer, self.checkpoint = method, data, config, observer, checkpoint
        self.accelerator, self.draws = accelerator, draws
        self.plan = plan(data.sizes, config, method.replays)
        self.bare = model.to(self.accelerator.device).train()
        method.seed(config.seed_dropout, config.seed_noise)
        method.precision = precision.check(config.precision)
        method.updates_per_epoch = self.plan.per_epoch
        draws.seed("setup", 0)
        method.setup(self.bare, self.plan.total)
        groups = method.param_groups(self.bare, config.learning_rate, config.weight_decay)
        optimizer = optim.build(
            groups, self.bare, name=config.optimizer, lr=config.learning_rate, head_lr=config.head_learning_rate
        )
        self.model, self.optimizer = self.accelerator.prepare(self.bare, optimizer)
        self.schedule = optim.schedule(optimizer, config.schedule, self.plan.total, config.warmup)
        self.trained = [p for group in optimizer.param_groups for p in group["params"]]
        self.step = 0
        self._asked_to_stop = False
        self.scalars = Scalars(self.accelerator, method)
        self._epoch_batches: tuple[int, list[np.ndarray]] | None = None

    # -- the loop ---
    def run(self, should_stop: Callable[[], bool]) -> None:
        while self.step < self.plan.total:
            self._update()
            last = self.step == self.plan.total
            epoch = self.plan.reports(self.step)
            stopping, saving = self._agreed(*self._requests(should_stop, last))
            if len(self.scalars) == FLUSH or epoch or saving or stopping:
                self._flush()
            if epoch:
                self._report_epoch(epoch, last)
            if saving:
                self._save()
            if stopping:
                raise Interrupted(f"stopped after update {self.step} of {self.plan.total}")

    def _requests(self, should_stop: Callable[[], bool], last: bool) -> tuple[bool, bool]:
        """Return whether this process would stop, and whether it would save a checkpoint, after the present update."""
        stopping = self._asked_to_stop = self._asked_to_stop or should_stop()
        saving = self.checkpoint is not None and (stopping or self.checkpoint.due(self.step))
        replaying = self.accelerator.num_processes > 1 and self.step % self.method.replays != 0
        # Between replays each process has its own perturbations, which are not saved.
        is_resumable = not last and not replaying
        return stopping and is_resumable, saving and is_resumable

    def _agreed(self, *requests: bool) -> list[bool]:
        """Return the first process's requests in all processes, because clocks and signals may differ between them."""
        if self.accelerator.num_processes == 1:
            return list(requests)
        decisions: list[bool] = broadcast(torch.tensor(requests, device=self.accelerator.device)).tolist()
        return decisions

    def _update(self) -> None:
        rate = float(self.schedule.get_last_lr()[0])
        rows, replay = self._rows()
        micros = pieces(rows, self.config.accumulation * self.accelerator.num_processes)
        own_pieces = list(enumerate(micros))[self.accelerator.process_index :: self.accelerator.num_processes]
        weights = [len(piece) / len(rows) for _, piece in own_pieces]
        if not own_pieces:  # fewer examples than processes: take part in the joint gradient, with weight 0
            own_pieces, weights = [(len(micros), rows[:1])], [0.0]
        for number, ((index, piece), share) in enumerate(zip(own_pieces, weights, strict=True)):
            self.method.begin(index, replay, self.step)
            batch = self.data.batch(piece, self.accelerator.device)
            self.draws.seed("backward", self.step, index)
            with nullcontext() if number == len(own_pieces) - 1 else self.accelerator.no_sync(self.model):
                loss = self.method.backward(self.model, batch, self._sender(share))
            self.scalars.add(loss, share)
        scalars: dict[str, Tensor | float] = {}
        if self.config.clip is not None:
            scalars["gradient_norm"] = self.accelerator.clip_grad_norm_(self.trained, self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.draws.seed("after_step", self.step)
        self.method.after_step(self.bare, self.step)
        tokens = sum(int(self.data.lengths[piece].max()) * len(piece) for _, piece in own_pieces)
        epoch = self.step / self.plan.per_epoch
        position: dict[str, float] = {"step": self.step, "epoch": epoch, "lr": rate, "tokens": tokens}
        self.scalars.close(position, **scalars)

    def _sender(self, share: float) -> Callable[[Tensor], None]:
        """Return the backward pass of a micro-batch, scaled so that an update's gradient is the mean over examples."""
        scale = share * self.accelerator.num_processes  # data parallel averages over processes
        return lambda loss: self.accelerator.backward(loss * scale)

    def _rows(self) -> tuple[np.ndarray, int]:
        epoch, index, replay = self.plan.position(self.step)
        if self._epoch_batches is None or self._epoch_batches[0] != epoch:
            batches = self.data.updates(self.config.batch_size, self.config.seed_order, epoch)
            self._epoch_batches = (epoch, batches)
        return self._epoch_batches[1][index], replay

    # -- reporting ---
    def _flush(self) -> None:
        rows = self.scalars.read()
        for row in rows:
            row["step"] = int(row["step"])
            row["tokens"] = int(row["tokens"])
        if self.accelerator.is_main_process:
            self.observer.steps(rows, self.plan.total)
        self.scalars.check(rows, last=self.step == self.plan.total)

    def _report_epoch(self, epoch: int, last: bool) -> None:
        if self.accelerator.is_main_process:
            self.observer.epoch(epoch, self.step, self.method.eval_model(self.bare), last=last)
        self.bare.train()

    # -- saving and resuming ---
    def _save(self) -> None:
        assert self.checkpoint is not None
        if not self.accelerator.is_main_process:
            return
        self.observer.make_durable()
        self.checkpoint.save(
            {
                "step": self.step,
                "model": self.bare.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "method": self.method.state_dict(),
                "signals": self.scalars.largest,
                "reports": self.observer.state_dict(),
            }
        )

    def resume(self) -> None:
        self.observer.started(self.plan)
        state = self._saved_state()
        if state is None:
            return
        self.bare.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.method.load_state_dict(state["method"])
        self.step = state["step"]
        self.scalars.largest, self.scalars.updates = state["signals"], self.step
        self.observer.resumed(self.step)

    def _saved_state(self) -> dict[str, Any] | None:
        """Return the state to resume from, or None to start from the beginning.

        A checkpoint that cannot be used is deleted, and the reason is reported to the observer.
        """
        if self.checkpoint is None:
            return None
        try:
            state = self.checkpoint.load()
            reason = None if state is None else self._record_fault(state)
        except DamagedCheckpointError as error:
            state, reason = None, str(error)
        if reason is None:
            return state
        self.observer.restarted(reason)
        if self.accelerator.is_main_process:
            self.checkpoint.discard()
        return None

    def _record_fault(self, state: Mapping[str, Any]) -> str | None:
        return self.observer.gap(state["step"]) or self.observer.damage(state.get("reports", {}))


__all__ = [
    "Checkpoint",
    "Interrupted",
    "MissingSignalError",
    "NonFiniteLossError",
    "Observer",
    "Plan",
    "TrainConfig",
    "plan",
    "train",
]
