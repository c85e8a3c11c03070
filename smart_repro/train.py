"""THE training loop: the only caller of ``optimizer.step()``. A method says what differs from plain fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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


class Interrupted(Exception):  # noqa: N818  (not an error: somebody asked for it)
    """Training stopped on request, after writing a checkpoint."""


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How long and with which optimiser; what the loss is belongs to the method."""

    epochs: int = 3
    max_steps: int | None = None  # stop (and end the schedule) after so many updates
    batch_size: int = 16  # examples per update, over all micro-batches and processes
    accumulation: int = 1  # micro-batches an update is cut into
    learning_rate: float = 2e-5
    head_learning_rate: float | None = None  # of what is outside the pre-trained encoder; None: the same
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    schedule: str = "linear"
    warmup: float = 0.1  # share of the updates
    clip: float | None = 1.0  # norm the gradient is cut to
    precision: str = "fp32"
    seed_order: int = 0
    seed_dropout: int = 0
    seed_noise: int = 0


class Observer:
    """What the loop reports to; every method may be left as it is."""

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        """Finished updates: step, epoch, lr, loss, its parts, tokens. Comes every few updates."""

    def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
        """The end of an epoch, and of training; ``model`` is what the method wants evaluated."""

    def started(self, plan: Plan) -> None:
        """Training begins or goes on; comes before everything else."""

    def gap(self, step: int) -> str | None:
        """Why training cannot go on after update ``step``: what of the updates until then was lost, if anything was."""
        return None

    def resumed(self, step: int) -> None:
        """Training goes on after update ``step`` of an earlier attempt."""

    def restarted(self, reason: str) -> None:
        """Training starts anew, for this reason: an earlier attempt saved a state that cannot be gone on from."""

    def make_durable(self) -> None:
        """What was reported until now must survive a power cut: a checkpoint that counts on it is written next."""


@dataclass(frozen=True)
class Plan:
    """How many updates a run has, and which data each sees."""

    total: int
    per_epoch: int
    replays: int

    def position(self, step: int) -> tuple[int, int, int]:
        """Of the update after ``step`` finished ones: pass over the data, update within it, replay."""
        presented, replay = divmod(step, self.replays)
        return presented // self.per_epoch, presented % self.per_epoch, replay

    def ends_epoch(self, step: int) -> int | None:
        """The epoch that finished update ``step`` closes, counted in updates (a replayed pass closes several)."""
        return step // self.per_epoch if step % (self.per_epoch * self.replays) == 0 else None

    def reports(self, step: int) -> int | None:
        """The epoch that is reported after update ``step``: one that ends there, or the last one, however short."""
        short = math.ceil(step / self.per_epoch) if step == self.total else None
        return self.ends_epoch(step) or short


def plan(examples: int | Sequence[int], config: TrainConfig, replays: int = 1) -> Plan:
    """Updates of a run; presenting each batch ``replays`` times divides the epochs, so that updates stay equal.

    Args:
        examples: in the training set, or in each task's: an update is of one task.
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
    """Fine-tune ``model`` in place and return what the method wants evaluated.

    Args:
        data: the training set, or those of several tasks: then each update is of one of them.
        observer: receives scalars and epoch ends.
        checkpoint: if it holds a state of this run, training goes on from there, bit for bit as if never stopped.
        should_stop: asked after every update; True saves a checkpoint and raises :class:`Interrupted`.
        cpu: stay on the CPU even where there is a GPU.
    Raises:
        NonFiniteLossError, MissingSignalError: see there.
        Interrupted: after ``should_stop``.
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
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # heads of other tasks, say
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
            stopping, saving = self._agreed(*self._wishes(should_stop, last))
            if len(self.scalars) == FLUSH or epoch or saving or stopping:
                self._flush()
            if epoch:
                self._report_epoch(epoch, last)
            if saving:
                self._save()
            if stopping:
                raise Interrupted(f"stopped after update {self.step} of {self.plan.total}")

    def _wishes(self, should_stop: Callable[[], bool], last: bool) -> tuple[bool, bool]:
        """Whether to stop and whether to save now."""
        stopping = self._asked_to_stop = self._asked_to_stop or should_stop()
        saving = self.checkpoint is not None and (stopping or self.checkpoint.due(self.step))
        replaying = self.accelerator.num_processes > 1 and self.step % self.method.replays != 0
        ready = not last and not replaying  # amid replays each process has perturbations of its own
        return stopping and ready, saving and ready

    def _agreed(self, *wishes: bool) -> list[bool]:
        """What the first process wants, in all of them: clocks differ, and so may the time a signal arrives."""
        if self.accelerator.num_processes == 1:
            return list(wishes)
        return broadcast(torch.tensor(wishes, device=self.accelerator.device)).tolist()

    def _update(self) -> None:
        rate = float(self.schedule.get_last_lr()[0])
        rows, replay = self._rows()
        micros = pieces(rows, self.config.accumulation * self.accelerator.num_processes)
        mine = list(enumerate(micros))[self.accelerator.process_index :: self.accelerator.num_processes]
        weights = [len(piece) / len(rows) for _, piece in mine]
        if not mine:  # fewer examples than processes: take part in the joint gradient, with weight 0
            mine, weights = [(len(micros), rows[:1])], [0.0]
        for number, ((index, piece), share) in enumerate(zip(mine, weights, strict=True)):
            self.method.begin(index, replay, self.step)
            batch = self.data.batch(piece, self.accelerator.device)
            self.draws.seed("backward", self.step, index)
            with nullcontext() if number == len(mine) - 1 else self.accelerator.no_sync(self.model):
                loss = self.method.backward(self.model, batch, self._sender(share))
            self.scalars.add(loss, share)
        more: dict[str, Tensor | float] = {}
        if self.config.clip is not None:
            more["gradient_norm"] = self.accelerator.clip_grad_norm_(self.trained, self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.draws.seed("after_step", self.step)
        self.method.after_step(self.bare, self.step)
        tokens = sum(int(self.data.lengths[piece].max()) * len(piece) for _, piece in mine)
        epoch = self.step / self.plan.per_epoch
        position: dict[str, float] = {"step": self.step, "epoch": epoch, "lr": rate, "tokens": tokens}
        self.scalars.close(position, **more)

    def _sender(self, share: float) -> Callable[[Tensor], None]:
        """Sends a micro-batch's loss back, so that an update's gradient is the mean over all its examples."""
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
        """What to go on from; None to start from nothing, which the observer hears of where there was a file."""
        if self.checkpoint is None:
            return None
        try:
            state = self.checkpoint.load()
            reason = None if state is None else self.observer.gap(state["step"])
        except DamagedCheckpointError as error:
            state, reason = None, str(error)
        if reason is None:
            return state
        self.observer.restarted(reason)
        if self.accelerator.is_main_process:
            self.checkpoint.discard()
        return None


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
