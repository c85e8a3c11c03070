"""THE training loop: the only caller of ``optimizer.step()``. A method says what differs from plain fine-tuning."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast
from torch import Tensor, nn

from smart_repro import optim, precision
from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded, Mixed
from smart_repro.methods.base import Loss, Method
from smart_repro.sampler import pieces

_SAME = frozenset({"step", "epoch", "lr", "gradient_norm"})  # scalars that every process has whole
FLUSH = 20  # updates whose scalars stay on the device before they are read, so that logging does not stall a GPU


class NonFiniteLossError(ArithmeticError):
    """The loss became NaN or infinite; the message says at which update and shows its parts."""


class MissingSignalError(RuntimeError):
    """A part of the objective was exactly 0 over the first updates, although the method's options imply a signal."""


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

    def resumed(self, step: int) -> None:
        """Training goes on after update ``step`` of an earlier attempt."""


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
    loop = _Loop(model, method, data, config, observer or Observer(), checkpoint, cpu)
    loop.resume()
    loop.run(should_stop)
    return method.eval_model(loop.bare)


class _Loop:
    def __init__(
        self,
        model: nn.Module,
        method: Method,
        data: Encoded | Mixed,
        config: TrainConfig,
        observer: Observer,
        checkpoint: Checkpoint | None,
        cpu: bool,
    ) -> None:
        self.method, self.data, self.config, self.observer, self.checkpoint = method, data, config, observer, checkpoint
        unused = DistributedDataParallelKwargs(find_unused_parameters=True)  # heads of other tasks, say
        self.accelerator = Accelerator(mixed_precision="no", cpu=cpu, kwargs_handlers=[unused])
        self.plan = plan(data.sizes, config, method.replays)
        self.bare = model.to(self.accelerator.device).train()
        method.seed(config.seed_dropout, config.seed_noise)
        method.precision = precision.check(config.precision)
        method.updates_per_epoch = self.plan.per_epoch
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
        self.pending: list[dict[str, Tensor | float]] = []
        self.signals: dict[str, float] = dict.fromkeys(method.expected_signals(), 0.0)
        self._epoch_batches: tuple[int, list[np.ndarray]] | None = None

    # -- the loop ---
    def run(self, should_stop: Callable[[], bool]) -> None:
        while self.step < self.plan.total:
            self._update()
            last = self.step == self.plan.total
            epoch = self.plan.ends_epoch(self.step)
            stopping, saving = self._agreed(*self._wishes(should_stop, last))
            if len(self.pending) == FLUSH or last or epoch or saving or stopping:
                self._flush()
            if epoch or last:
                self._report_epoch(epoch or math.ceil(self.step / self.plan.per_epoch), last)
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
        rate = self.schedule.get_last_lr()[0]
        rows, replay = self._rows()
        micros = pieces(rows, self.config.accumulation * self.accelerator.num_processes)
        mine = list(enumerate(micros))[self.accelerator.process_index :: self.accelerator.num_processes]
        weights = [len(piece) / len(rows) for _, piece in mine]
        if not mine:  # fewer examples than processes: take part in the joint gradient, with weight 0
            mine, weights = [(len(micros), rows[:1])], [0.0]
        scalars: dict[str, Tensor] = {}
        for number, ((index, piece), share) in enumerate(zip(mine, weights, strict=True)):
            self.method.begin(index, replay, self.step)
            batch = self.data.batch(piece, self.accelerator.device)
            with nullcontext() if number == len(mine) - 1 else self.accelerator.no_sync(self.model):
                loss = self.method.backward(self.model, batch, self._sender(share))
            _accumulate(scalars, loss, share)
        if self.config.clip is not None:
            scalars["gradient_norm"] = self.accelerator.clip_grad_norm_(self.trained, self.config.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        self.method.after_step(self.bare, self.step)
        tokens = sum(int(self.data.lengths[piece].max()) * len(piece) for _, piece in mine)
        fixed = {"step": self.step, "epoch": self.step / self.plan.per_epoch, "lr": rate, "tokens": tokens}
        self.pending.append({**fixed, **scalars})

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
        rows = self._joint([{name: float(value) for name, value in row.items()} for row in self.pending])
        self.pending = []
        for row in rows:
            row["step"] = int(row["step"])
            row["tokens"] = int(row["tokens"])
        if self.accelerator.is_main_process:
            self.observer.steps(rows, self.plan.total)
        self._check(rows)

    def _joint(self, rows: list[dict[str, float]]) -> list[dict[str, float]]:
        """Each process saw its share of the examples: put together what they found."""
        if self.accelerator.num_processes == 1 or not rows:
            return rows
        values = torch.tensor([list(row.values()) for row in rows], dtype=torch.float64, device=self.accelerator.device)
        parts = self.accelerator.gather(values.unsqueeze(0)).cpu()
        joined: dict[str, Tensor] = {"max": parts.amax(0), "same": parts[0], "sum": parts.sum(0)}
        kinds = ["max" if name.startswith("max_") else "same" if name in _SAME else "sum" for name in rows[0]]
        return [
            {name: float(joined[kind][i, j]) for j, (name, kind) in enumerate(zip(row, kinds, strict=True))}
            for i, row in enumerate(rows)
        ]

    def _check(self, rows: list[dict[str, float]]) -> None:
        for row in rows:
            if not math.isfinite(row["loss"]):
                parts = ", ".join(
                    f"{name}={value:.4g}" for name, value in row.items() if name not in ("step", "epoch", "tokens")
                )
                raise NonFiniteLossError(f"the loss is not finite at update {int(row['step'])}: {parts}")
            for part in self.signals:
                self.signals[part] = max(self.signals[part], abs(row.get(part, 0.0)))
        silent = sorted(part for part, seen in self.signals.items() if seen == 0)
        if silent and rows and (rows[-1]["step"] >= FLUSH or self.step == self.plan.total):
            raise MissingSignalError(
                f"{', '.join(silent)} was exactly 0 over the first {int(rows[-1]['step'])} updates, although method "
                f"{self.method.name!r} with these options should give a signal; check the model, radius and precision"
            )

    def _report_epoch(self, epoch: int, last: bool) -> None:
        if self.accelerator.is_main_process:
            self.observer.epoch(epoch, self.step, self.method.eval_model(self.bare), last=last)
        self.bare.train()

    # -- saving and resuming ---
    def _save(self) -> None:
        assert self.checkpoint is not None
        if not self.accelerator.is_main_process:
            return
        self.checkpoint.save(
            {
                "step": self.step,
                "model": self.bare.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "schedule": self.schedule.state_dict(),
                "method": self.method.state_dict(),
                "signals": self.signals,
            }
        )

    def resume(self) -> None:
        state = self.checkpoint.load() if self.checkpoint is not None else None
        if state is None:
            return
        self.bare.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.method.load_state_dict(state["method"])
        self.signals = state["signals"]
        self.step = state["step"]
        self.observer.resumed(self.step)


def _accumulate(scalars: dict[str, Tensor], loss: Loss, share: float) -> None:
    values: Iterator[tuple[str, Any]] = iter({"loss": loss.total.detach(), **loss.parts, **loss.info}.items())
    for name, value in values:
        if name.startswith("max_"):
            scalars[name] = torch.maximum(scalars[name], value) if name in scalars else value
        else:
            scalars[name] = scalars.get(name, 0.0) + share * value


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
