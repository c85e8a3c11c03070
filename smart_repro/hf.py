"""Any method in a Hugging Face training run: ``MethodTrainer(..., method="smart")`` is a ``transformers.Trainer``.

Everything else is the Trainer's: arguments, callbacks, metrics, logging, checkpoints, resuming. What differs:

- The loss and the optimiser's parameter groups are the method's; its loss parts stand beside ``loss`` in the logs.
- ``evaluate``, ``predict`` and ``save_model`` use what the method wants evaluated (the averaged weights of
  ``self-ensemble``); the evaluation loss is the task loss alone.
- Half precision is opened pass by pass by the method instead of around the whole model, because the two sides of a
  divergence under perturbation must be float32: R_s in bf16 comes out 60 times too large or exactly 0.
- A checkpoint also holds the method's state: ``method_state.json`` and ``method_state.safetensors``, nothing pickled.
"""

from __future__ import annotations

import copy
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import DataLoaderShard
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader, IterableDataset
from transformers import Trainer, TrainerCallback
from transformers.modeling_outputs import SequenceClassifierOutput

from smart_repro.methods import Loss, Method, Passes, build
from smart_repro.methods.base import TaskLoss
from smart_repro.precision import compute_in
from smart_repro.train import FLUSH, MissingSignalError

_STATE, _TENSORS, _STUDENT = "method_state.json", "method_state.safetensors", "student.safetensors"
_TENSOR, _PAIRS = "$tensor", "$pairs"
_FOR_THE_METHOD = ("example_id", "task")  # columns of a data set that go to the method and not to the model


class MethodTrainer(Trainer):
    """A ``transformers.Trainer`` that fine-tunes with a registered method.

    Args:
        *args, **kwargs: the Trainer's own.
        method: a registered name, or a configured method such as ``Smart(lambda_s=3.0)``. Its random numbers come from
            ``args.seed``. A column ``example_id`` in the training set, if there is one, makes an example's noise
            independent of the batch it is in.
    Raises:
        ValueError: for what no method supports: ``nn.DataParallel``, sharded models, ``torch_compile``.
        MissingSignalError: during training, if a loss part that the method's options imply stays exactly 0.
    """

    model: Any  # the Trainer allows None in places where there is always one
    optimizer: Any
    _signature_columns: Any

    def __init__(self, *args: Any, method: str | Method, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method = build(method) if isinstance(method, str) else method
        self.model_accepts_loss_kwargs = False  # or accumulation would scale the loss a second time
        self.label_names = self.label_names or ["labels"]
        self._prepared: Any = None  # the model that the method is set up for
        self._resume_from: Path | None = None
        self._best_loaded = False
        self._micro = 0
        self._scalars = _Scalars(self.method.expected_signals())
        _refuse_what_hooks_cannot_reach(self)
        self.add_callback(_AfterUpdate(self))

    @property
    def eval_model(self) -> nn.Module:
        """What ``evaluate``, ``predict`` and ``save_model`` use: ``model`` itself for most methods."""
        if self._prepared is not self.model or self._best_loaded:
            return self.model
        return self.method.eval_model(self.model)

    @property
    def _precision(self) -> str:
        return "bf16" if self.args.bf16 else "fp16" if self.args.fp16 else "fp32"

    # -- one update ----------------------------------------------------------------------------------------------------
    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], int]:
        """The micro-batches of an update and the number of examples in it, over all processes."""
        batches = super().get_batch_samples(epoch_iterator, num_batches, device)[0]
        rows = sum(_rows(batch) for batch in batches)
        if self.accelerator.num_processes > 1:
            rows = int(self.accelerator.reduce(torch.tensor(rows, device=self.accelerator.device)))
        self._micro = 0
        return batches, rows

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Forward and backward of one micro-batch, in the order the method wants; the gradient of an update is the mean
        over all its examples, however they are cut."""
        model.train()
        if callable(getattr(self.optimizer, "train", None)):  # schedule-free optimisers have two modes
            self.optimizer.train()
        batch = self._prepare_inputs(inputs)
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        scale = _rows(batch) / num_items_in_batch * processes  # data parallel averages over processes
        step = self.state.global_step
        self.method.begin(self._micro * processes + rank, step % self.method.replays, step)
        self._micro += 1
        loss = self.method.backward(model, batch, lambda value: self.accelerator.backward(value * scale))
        self._scalars.add(loss, scale)
        return loss.total.detach() * scale

    # -- setting up ----------------------------------------------------------------------------------------------------
    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Set the method up, restore its state when resuming, and build the optimiser over its parameter groups."""
        if self._prepared is not self.model:
            self._set_up()
        if self._resume_from is not None:
            self._restore(self._resume_from)
            self._resume_from = None
        self._best_loaded = False
        groups = self.method.param_groups(self.model, self.args.learning_rate, self.args.weight_decay)
        if self.optimizer is None:
            kind, options = self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(self.args, self.model)
            if not isinstance(kind, type) or {"params", "model", "optimizer_dict"} & set(options):
                raise ValueError(
                    f"optim={self.args.optim} makes its own parameter groups, and so does method {self.method.name!r}: "
                    "use an ordinary optimiser such as adamw_torch"
                )
            self.optimizer = kind([group for group in groups if group["params"]], **options)
        else:
            self._check_covered(groups)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None) -> Any:
        """The Trainer's schedule; by now accelerate has wrapped the model, which is undone here."""
        for name in ("forward", "_original_forward"):  # accelerate's autocast, which no pass could leave
            vars(self.model).pop(name, None)
        return super().create_scheduler(num_training_steps, optimizer)

    def _set_up(self) -> None:
        config = self.args
        total = self.state.max_steps or self.set_initial_training_values(config, self.get_train_dataloader())[-1]
        self.method.seed(config.seed, config.seed)
        self.method.precision = self._precision
        self.method.setup(self.model, total, task_loss=self._task_loss())
        self._prepared = self.model
        self._scalars = _Scalars(self.method.expected_signals())

    def _task_loss(self) -> TaskLoss | None:
        """The user's loss, or the one with label smoothing; None leaves cross-entropy or squared error."""
        chosen: Callable[..., Tensor] | None = self.compute_loss_func
        if chosen is not None:
            return lambda logits, labels: chosen(
                SequenceClassifierOutput(logits=logits), labels, num_items_in_batch=len(labels)
            )
        smoothing = self.args.label_smoothing_factor
        if smoothing:
            return lambda logits, labels: F.cross_entropy(logits, labels.view(-1), label_smoothing=smoothing)
        return None

    def _check_covered(self, groups: list[dict[str, Any]]) -> None:
        covered = {id(parameter) for group in self.optimizer.param_groups for parameter in group["params"]}
        missing = sum(id(parameter) not in covered for group in groups for parameter in group["params"])
        if missing:
            raise ValueError(
                f"the optimizer you passed lacks {missing} parameters that method {self.method.name!r} trains: leave "
                "`optimizers` out, or pass `optimizer_cls_and_kwargs`, and the method's own groups are used"
            )

    # -- replays -------------------------------------------------------------------------------------------------------
    def get_train_dataloader(self) -> DataLoader:
        """The Trainer's loader; a method with replays gets every update's batches that often in a row."""
        loader = super().get_train_dataloader()
        if self.method.replays == 1:
            return loader
        if not isinstance(loader, DataLoaderShard) or isinstance(loader.dataset, IterableDataset):
            raise ValueError(
                f"method {self.method.name!r} presents each batch {self.method.replays} times, which needs a training "
                "set with a length and places: an iterable one (or accelerate's dispatch_batches) has none"
            )
        kept = ("num_workers", "collate_fn", "pin_memory", "timeout", "worker_init_fn", "multiprocessing_context",
                "prefetch_factor", "persistent_workers", "device", "rng_types", "synchronized_generator")  # fmt: skip
        sampler = _Presented(loader.batch_sampler, self.args.gradient_accumulation_steps, self.method.replays)
        options = {name: getattr(loader, name) for name in kept}
        return DataLoaderShard(loader.dataset, batch_sampler=sampler, **options)

    def set_initial_training_values(self, args: Any, dataloader: DataLoader) -> Any:
        """How long to train: presenting each batch several times divides the epochs, so that updates stay equal."""
        if self.method.replays > 1:
            args = copy.copy(args)
            args.num_train_epochs = max(1, round(args.num_train_epochs / self.method.replays))
        planned = super().set_initial_training_values(args, dataloader)
        self.method.updates_per_epoch = planned[1]
        return planned

    # -- evaluation ----------------------------------------------------------------------------------------------------
    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """The task loss of a prediction, without the method's terms: what ``eval_loss`` shows."""
        passes = Passes(model, inputs, self.method.streams, self._precision)
        logits = passes("clean", dropout=model.training)
        chosen = self._task_loss()
        loss = self.method.task_loss(logits, passes) if chosen is None else chosen(logits, inputs["labels"])
        return (loss, SequenceClassifierOutput(loss=loss, logits=logits)) if return_outputs else loss

    @contextmanager
    def compute_loss_context_manager(self) -> Iterator[None]:  # type: ignore[override]
        """Evaluation runs in the precision of the training passes."""
        with compute_in(self._precision, self.args.device):
            yield

    def prediction_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The Trainer's, without the columns that are not the model's."""
        known = {name: value for name, value in inputs.items() if name not in _FOR_THE_METHOD}
        return super().prediction_step(model, known, *args, **kwargs)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """The Trainer's, on :attr:`eval_model`."""
        with self._as_evaluated():
            return super().evaluation_loop(*args, **kwargs)

    @contextmanager
    def _as_evaluated(self) -> Iterator[None]:
        student, self.model = self.model, self.eval_model
        try:
            yield
        finally:
            self.model = student

    def _set_signature_columns_if_needed(self) -> None:
        """Keep the columns a method or a bare encoder inside the model reads."""
        fresh = self._signature_columns is None
        super()._set_signature_columns_if_needed()
        if fresh:
            inner = getattr(self.model, "base_model", self.model)
            self._signature_columns = [
                *self._signature_columns,
                *inspect.signature(inner.forward).parameters,
                *_FOR_THE_METHOD,
            ]

    # -- logging -------------------------------------------------------------------------------------------------------
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The Trainer's, with the means of the method's loss parts since the last line."""
        if "loss" not in logs:
            super().log(logs, start_time)
            return
        logs.update(self._scalars.flush(self.state.global_step, self.accelerator))
        super().log(logs, start_time)
        self._scalars.check(self.state, self.method)

    # -- saving and resuming -------------------------------------------------------------------------------------------
    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save :attr:`eval_model`; inside a checkpoint also what training needs to go on."""
        with self._as_evaluated():
            super().save_model(output_dir, _internal_call)
        if _internal_call and self.args.should_save and not self.args.save_only_model and self._prepared is self.model:
            folder = Path(str(output_dir))
            _write_state(folder, self.method)
            if self._has_own_student():
                save_model(self.model, str(folder / _STUDENT))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """The Trainer's; low-rank additions are merged, so that ``from_pretrained`` reads the result."""
        if state_dict is None and _adapted(self.model):
            state_dict = merged(self.model).state_dict()
        super()._save(output_dir, state_dict)

    def _has_own_student(self) -> bool:
        """Whether the weights in training differ from those that ``save_model`` writes."""
        return self.eval_model is not self.model or _adapted(self.model)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Put off until the method is set up, which may add weights to the model."""
        self._resume_from = Path(resume_from_checkpoint)

    def _restore(self, folder: Path) -> None:
        student = folder / _STUDENT
        if student.exists():
            load_model(self.model, student)
        else:
            super()._load_from_checkpoint(str(folder))
        _read_state(folder, self.method)

    def _load_best_model(self) -> None:
        student = Path(self.state.best_model_checkpoint or "") / _STUDENT
        if _adapted(self.model) and student.exists():
            load_model(self.model, student)
        else:
            super()._load_best_model()
        self._best_loaded = True


class _AfterUpdate(TrainerCallback):
    """Tells the method that the weights have moved, before anything is logged, evaluated or saved."""

    def __init__(self, trainer: MethodTrainer) -> None:
        self.trainer = trainer

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.trainer.method.after_step(self.trainer.model, state.global_step + 1)


class _Presented:
    """The batches of a sampler in groups, each group ``replays`` times in a row.

    A group is what one update accumulates. The last one of an epoch, if it is short, is cut anew into as many pieces,
    so that every update has the same number.
    """

    def __init__(self, batches: Any, group: int, replays: int) -> None:
        self.batch_sampler, self.group, self.replays = batches, group, replays
        self.batch_size, self.drop_last = batches.batch_size, batches.drop_last

    def __len__(self) -> int:
        return -(-len(self.batch_sampler) // self.group) * self.group * self.replays

    def __iter__(self) -> Iterator[list[int]]:
        waiting: list[list[int]] = []
        for batch in self.batch_sampler:
            waiting.append(batch)
            if len(waiting) == self.group:
                yield from waiting * self.replays
                waiting = []
        if waiting:
            yield from self._cut([row for batch in waiting for row in batch]) * self.replays

    def _cut(self, rows: list[int]) -> list[list[int]]:
        rows = (rows * self.group)[: max(len(rows), self.group)]  # at least one example each
        return [[int(row) for row in piece] for piece in np.array_split(rows, self.group)]

    def set_epoch(self, epoch: int) -> None:
        inner = self.batch_sampler
        while inner is not None:
            if hasattr(inner, "set_epoch"):
                inner.set_epoch(epoch)
            inner = getattr(inner, "batch_sampler", None) or getattr(inner, "sampler", None)


class _Scalars:
    """Loss parts and other scalars between two lines of the log, kept on the device until then."""

    def __init__(self, signals: frozenset[str]) -> None:
        self._sums: dict[str, Tensor] = {}
        self._since = 0
        self._signals = dict.fromkeys(sorted(signals), 0.0)

    def add(self, loss: Loss, scale: float) -> None:
        for name, value in {**loss.parts, **loss.info}.items():
            if name.startswith("max_"):
                self._sums[name] = torch.maximum(self._sums[name], value) if name in self._sums else value
            else:
                self._sums[name] = self._sums.get(name, 0.0) + value * scale

    def flush(self, step: int, accelerator: Any) -> dict[str, float]:
        """Means per update (largest values for ``max_``) since the last call, over all processes."""
        updates, self._since = max(1, step - self._since) if step > self._since else 1, step
        local = {name: float(value) / (1 if name.startswith("max_") else updates) for name, value in self._sums.items()}
        self._sums = {}
        if accelerator.num_processes > 1 and local:
            rows = accelerator.gather(torch.tensor([list(local.values())], device=accelerator.device)).cpu()
            local = {
                name: float(column.max() if name.startswith("max_") else column.mean())
                for name, column in zip(local, rows.T, strict=True)
            }
        for name in self._signals:
            self._signals[name] = max(self._signals[name], abs(local.get(name, 0.0)))
        return local

    def check(self, state: Any, method: Method) -> None:
        silent = [name for name, largest in self._signals.items() if largest == 0]
        if silent and (state.global_step >= FLUSH or state.global_step == state.max_steps):
            raise MissingSignalError(
                f"{', '.join(silent)} was exactly 0 over the first {state.global_step} updates, although method "
                f"{method.name!r} with these options should give a signal; check the model, radius and precision"
            )


# -- what a method remembers, on disk ----------------------------------------------------------------------------------


def _write_state(folder: Path, method: Method) -> None:
    tensors: dict[str, Tensor] = {}
    content = {
        "method": method.name,
        "version": method.version,
        "config": asdict(method.config),
        "state": _pack(method.state_dict(), "state", tensors),
    }
    save_file(tensors, folder / _TENSORS)
    (folder / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def _read_state(folder: Path, method: Method) -> None:
    """Restore the method. Raises ValueError if the checkpoint is not one of the same method with the same options."""
    path = folder / _STATE
    if not path.exists():
        raise ValueError(
            f"{folder} has no {_STATE}: another trainer wrote it. To start from its weights, load the model with "
            "from_pretrained and leave resume_from_checkpoint out"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    ours = {"method": method.name, "version": method.version, "config": asdict(method.config)}
    theirs = {name: content[name] for name in ours}
    if theirs != ours:
        raise ValueError(f"{folder} was written by {theirs}, this trainer has {ours}: resume with the same method")
    method.load_state_dict(_unpack(content["state"], load_file(folder / _TENSORS)))


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """``value`` as JSON, its tensors taken out into ``tensors`` under their place."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().clone().contiguous()
        return {_TENSOR: path}
    if isinstance(value, dict):
        return {_PAIRS: [[key, _pack(item, f"{path}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_pack(item, f"{path}.{place}", tensors) for place, item in enumerate(value)]
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    return {key: _unpack(item, tensors) for key, item in value[_PAIRS]}


# -- models ------------------------------------------------------------------------------------------------------------


def merged(model: nn.Module) -> nn.Module:
    """A copy of ``model`` in which low-rank additions are part of the matrices they were added to."""
    copied = copy.deepcopy(model)
    for name, module in list(copied.named_modules()):
        if _is_addition(module):
            module.merge()
            copied.set_submodule(name, module.get_base_layer())
    return copied


def _adapted(model: nn.Module) -> bool:
    return any(_is_addition(module) for module in model.modules())


def _is_addition(module: nn.Module) -> bool:
    return hasattr(module, "get_base_layer") and hasattr(module, "merge")


def _rows(batch: Any) -> int:
    return len(next(iter(batch.values())))


def _refuse_what_hooks_cannot_reach(trainer: MethodTrainer) -> None:
    if trainer.args.n_gpu > 1:
        raise ValueError(
            "several GPUs in one process (nn.DataParallel) are not supported: start one process per GPU with torchrun "
            "or accelerate launch, or choose one GPU with CUDA_VISIBLE_DEVICES"
        )
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise ValueError("methods copy and average whole weights, so FSDP and DeepSpeed are not supported: use DDP")
    if trainer.args.torch_compile:
        raise ValueError("a compiled model ignores the hooks that perturb its embeddings: set torch_compile=False")


__all__ = ["MethodTrainer", "merged"]
