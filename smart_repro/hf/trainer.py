"""A ``transformers.Trainer`` that fine-tunes with a registered method.

Everything else is the Trainer's: arguments, callbacks, metrics, logging, checkpoints, resuming. docs/trainer.md lists
the effect of each training argument and each public method of the Trainer. The differences are:

- The loss and the optimiser's parameter groups are the method's; the logs have its loss parts next to ``loss``.
- ``evaluate``, ``predict`` and ``save_model`` use the model that the method evaluates (the averaged weights of
  ``self-ensemble``); the evaluation loss is the task loss without further terms.
- The method sets half precision for each pass instead of for the whole model, because the two sides of a divergence
  under perturbation must be float32: R_s in bf16 comes out 60 times too large or exactly 0.
- Rows labelled -100 are removed from the batch; a loss that is not finite ends training, as in the suite's own loop.
- A checkpoint also holds the method's state: ``method_state.json`` and ``method_state.safetensors``, nothing pickled.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils.memory import clear_device_cache
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.trainer_utils import IntervalStrategy

from smart_repro import models
from smart_repro.heads import MultiTask
from smart_repro.hf import labels, own_loss, refusals, texts, updates
from smart_repro.hf.checkpoints import STUDENT, check_files, read_state, read_student, readable, write_state
from smart_repro.hf.replays import passes_over_data, presented, whole_groups
from smart_repro.methods import Loss, Method
from smart_repro.methods.base import Passes, TaskLoss
from smart_repro.methods.lora import is_addition, merged
from smart_repro.precision import compute_in
from smart_repro.scalars import FLUSH, Row, Scalars, check_finite

# overrides that replace the method's own training step
_STEP = {"compute_loss", "training_step", "compute_loss_context_manager", "autocast_smart_context_manager"}


class MethodTrainer(Trainer):
    """A ``transformers.Trainer`` that fine-tunes with a registered method.

    Args:
        *args: positional arguments of the Trainer.
        method: a registered name, a class such as ``Smart``, or a configured method such as ``Smart(lambda_s=3.0)``,
            of which the trainer has a copy, ``trainer.method``, if another trainer has it. Its random numbers come from
            ``args.seed``. An integer column ``example_id`` in the training set makes an example's noise independent of
            the update it is in.
        **kwargs: keyword arguments of the Trainer.

    Raises:
        ValueError: the setting is not supported by any method (``nn.DataParallel``, sharded models, ``torch_compile``),
            or an override applies to plain fine-tuning only.
        NonFiniteLossError: during training, see :mod:`smart_repro.scalars`.
        MissingSignalError: during training, see :mod:`smart_repro.scalars`.
    """

    model: Any  # Any: the Trainer's annotation allows None, but there always is a model
    optimizer: Any
    _signature_columns: Any

    def __init__(self, *args: Any, method: str | Method | type[Method], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.method = refusals.resolved(method, self)
        self.model_accepts_loss_kwargs = False  # otherwise accumulation would scale the loss a second time
        self.label_names = ["labels"]
        self._prepared: Any = None  # the model that the method is set up for
        self._best_loaded = False
        self._update: updates.Update | None = None
        self._reader: texts.Reader | None = None
        self._scalars = Scalars(self.accelerator, self.method)
        self._unlogged: list[Row] = []
        self._overridden: set[str] = set()
        self.refuse_arguments()
        self.add_callback(_AfterUpdate(self))

    @property
    def eval_model(self) -> nn.Module:
        """Model that ``evaluate``, ``predict`` and ``save_model`` use: for most methods ``model`` itself."""
        model: nn.Module = self.model
        if self._prepared is not model or self._best_loaded:
            return model
        return self.method.eval_model(model)

    @property
    def _precision(self) -> str:
        return "bf16" if self.args.bf16 else "fp16" if self.args.fp16 else "fp32"

    def refuse_arguments(self) -> None:
        """Refuse arguments and models with which the method cannot work."""
        refusals.refuse_arguments(self.args, self.method)
        refusals.refuse_model(self, self.method)
        self._overridden = refusals.overridden(self, MethodTrainer)
        refusals.refuse_overrides(self._overridden, self, self.method)

    # -- one update ----------------------------------------------------------------------------------------------------
    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], Tensor]:
        """Return the micro-batches of an update and its number of labelled rows, as the Trainer counts it.

        Raises: ValueError: if no row of the update is labelled, a label is none of the model's classes, or a text has a
            token or a length that the model has no embedding for.
        """
        with labels.explained():
            batches = super().get_batch_samples(epoch_iterator, num_batches, device)[0]
        self._check_readable(batches)
        if self._reader is not None and not self.state.global_step:
            self._reader.warn_of_unknown(batches)
        counts = updates.count_rows(batches, self._classes())
        counts += [0] * (num_batches - len(counts))
        everywhere = [counts]
        if self.accelerator.num_processes > 1:
            table = torch.tensor([counts], device=self.accelerator.device)
            everywhere = self.accelerator.gather(table).tolist()
        update = updates.Update(everywhere, self.accelerator.process_index, self.state.global_step)
        if batches and not update.total:
            raise ValueError(
                f"update {update.step + 1} has no labelled row, each label is -100: leave such rows out of the "
                "training set, or use a larger batch"
            )
        if not self.state.global_step:
            self._warn_of_own_loss(batches)
        self._update = update
        items = update.total if self.args.average_tokens_across_devices else update.rows_of_process
        return batches, torch.tensor(items, device=device)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Run forward and backward passes of one micro-batch, in the method's order.

        The gradient of an update is the mean over all its labelled rows, for any split into micro-batches.

        Raises:
            ValueError: ``get_batch_samples`` did not count the rows of this update.
        """
        if self._overridden & _STEP - {"training_step"}:
            return self._plain_step(model, inputs, num_items_in_batch)
        model.train()
        if callable(getattr(self.optimizer, "train", None)):  # schedule-free optimisers have two modes
            self.optimizer.train()
        if self._update is None or self._update.step != self.state.global_step:
            raise ValueError(
                "get_batch_samples did not count the rows of this update: a subclass that overrides it has to call "
                "super().get_batch_samples"
            )
        piece = self._update.next_piece()
        batch = self._prepare_inputs(inputs)
        batch = updates.labelled(batch)[0] if piece.rows else updates.placeholder(batch)
        batch = updates.numbered(batch, piece.first)
        share, processes = piece.rows / self._update.total, self.accelerator.num_processes
        scale = share * processes  # data parallel averages over processes
        step = self.state.global_step
        self.method.begin(piece.index, step % self.method.replays, step)
        loss = self.method.backward(model, batch, lambda value: self.accelerator.backward(value * scale))
        self._scalars.add(loss, share)
        self._empty_cache()
        scaled: Tensor = loss.total.detach() * scale
        return scaled

    def _check_readable(self, batches: list[Any]) -> None:
        if self._reader is None:
            self._reader = texts.Reader(self.model, self.processing_class)
        self._reader.check(batches)

    def _warn_of_own_loss(self, batches: list[Any]) -> None:
        """Warn if the model computes a loss that is not trained, unless the user has said which loss is."""
        is_chosen = self.compute_loss_func is not None or self.args.label_smoothing_factor or self._overridden & _STEP
        if is_chosen or not self.is_world_process_zero():
            return
        rows = (updates.labelled(self._prepare_inputs(batch))[0] for batch in batches)
        first = next((batch for batch in rows if "labels" in batch and len(batch["labels"])), None)
        if first is not None:
            own_loss.warn_if_ignored(self.model, first, self.method)

    def _plain_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any) -> Tensor:
        """Run the Trainer's own step, for plain fine-tuning with a user-defined loss."""
        model_inputs = models.inputs(model, inputs) | {
            name: value for name, value in inputs.items() if name == "labels"
        }
        loss = super().training_step(model, model_inputs, num_items_in_batch)
        self._scalars.add(Loss(loss, {}), 1.0 / self.accelerator.num_processes)
        return loss

    def _empty_cache(self) -> None:
        every = self.args.torch_empty_cache_steps
        if every is not None and self.state.global_step % every == 0:
            clear_device_cache()

    def _classes(self) -> int | None:
        """Return the number of classes of the labels; None for regression and for several tasks."""
        model = models.inside_adapters(self.model)
        outputs = None if isinstance(model, MultiTask) else getattr(getattr(model, "config", None), "num_labels", None)
        return None if outputs == 1 else outputs

    # -- setting up ----------------------------------------------------------------------------------------------------
    def _prepare_for_training(
        self, max_steps: int, train_dataloader: DataLoader[Any], resume_from_checkpoint: Any
    ) -> Any:
        """Set up the method at the start of every run and restore its state when resuming, then prepare the Trainer."""
        self.refuse_arguments()
        self._reader = None  # the user may have replaced the model, or resized its embeddings
        self._check_labels()
        texts.warn_of_classes(self.model, self.train_dataset)
        self._set_up(max_steps)
        self._best_loaded = False
        if resume_from_checkpoint is not None:
            self.restore_method(Path(resume_from_checkpoint))
        if "create_optimizer_and_scheduler" in self._overridden:  # which the Trainer no longer calls by itself
            self.create_optimizer_and_scheduler(max_steps)
        prepared = super()._prepare_for_training(  # type: ignore[no-untyped-call]
            max_steps, train_dataloader, resume_from_checkpoint
        )
        for name in ("forward", "_original_forward"):  # accelerate's autocast, which a pass could not turn off
            vars(self.model).pop(name, None)
        self._check_optimizer()
        return prepared

    def _check_labels(self) -> None:
        """Check the labels of the training set, and of each set that is evaluated during training."""
        labels.refuse(self.train_dataset, self.data_collator, self._classes(), part="training")
        if self.args.eval_strategy == IntervalStrategy.NO and not self.args.eval_on_start:
            return
        evaluated = self.eval_dataset
        for dataset in evaluated.values() if isinstance(evaluated, dict) else [evaluated]:
            labels.refuse(dataset, self.data_collator, self._classes(), part="evaluation")

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Build the optimiser over the method's parameter groups.

        Raises:
            ValueError: the optimiser makes its own parameter groups, or no parameter is trainable.
        """
        if self._prepared is not self.model:  # called before train()
            self._set_up(self.set_initial_training_values(self.args, self.get_train_dataloader())[-1])
        if "get_decay_parameter_names" in self._overridden:
            return super().create_optimizer(model)
        if self.optimizer is None:
            kind, options = self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(self.args, self.model)
            if not self._takes_groups(kind, options):
                raise ValueError(
                    f"optim={self.args.optim} makes its own parameter groups, and so does method {self.method.name!r}: "
                    "use an ordinary optimiser such as adamw_torch"
                )
            groups = [group for group in self._groups() if group["params"]]
            if not groups:
                raise ValueError(
                    "no parameter of the model is left to train: set requires_grad on some, at least on its head's"
                )
            self.optimizer = kind(groups, **options)
        optimizer: torch.optim.Optimizer = self.optimizer
        return optimizer

    @staticmethod
    def _takes_groups(kind: Any, options: dict[str, Any]) -> bool:
        ordinary = isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer)
        return ordinary and not {"params", "model", "optimizer_dict"} & set(options)

    def _groups(self) -> list[dict[str, Any]]:
        return self.method.param_groups(self.model, self.args.learning_rate, self.args.weight_decay)

    def _set_up(self, total_steps: int) -> None:
        self.method.seed(self.args.seed, self.args.seed)
        self.method.precision = self._precision
        self.method.setup(self.model, total_steps, task_loss=self._task_loss())
        self._prepared = self.model
        self._scalars, self._unlogged = Scalars(self.accelerator, self.method), []

    def _task_loss(self) -> TaskLoss | None:
        """Return the user's loss, or the one with label smoothing; None for the method's default."""
        user_loss: Callable[..., Tensor] | None = self.compute_loss_func
        if user_loss is not None:
            return lambda logits, labels: user_loss(
                SequenceClassifierOutput(logits=logits), labels, num_items_in_batch=len(labels)
            )
        smoothing = self.args.label_smoothing_factor
        if not smoothing:
            return None
        if self._classes() is None:
            raise ValueError(
                "label_smoothing_factor applies to classes, but this model is for regression (or for several tasks): "
                "set it to 0"
            )
        return lambda logits, labels: F.cross_entropy(logits, labels.view(-1).long(), label_smoothing=smoothing)

    def _check_optimizer(self) -> None:
        """Refuse an optimiser that lacks what the method trains; warn where it replaces the method's learning rates."""
        trained = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in self._groups()]
        rates = {id(p): group["lr"] for group in self.optimizer.param_groups for p in group["params"]}
        missing = sum(id(parameter) not in rates for group in trained for parameter in group["params"])
        if missing:
            raise ValueError(
                f"the optimizer lacks {missing} parameters that method {self.method.name!r} trains: leave `optimizers` "
                "out, or pass `optimizer_cls_and_kwargs`, and the method's own groups are used; freeze with "
                "requires_grad_(False) what is not to be trained"
            )
        made_here = getattr(type(self), "create_optimizer") is MethodTrainer.create_optimizer  # noqa: B009
        if made_here and not self._overridden:
            return
        if len({group["lr"] for group in trained if group["params"]}) > 1:
            warnings.warn(
                f"method {self.method.name!r} has a learning rate for each layer, but the optimizer is not the "
                "trainer's own, so its rates are used instead",
                stacklevel=2,
            )

    # -- replays -------------------------------------------------------------------------------------------------------
    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the Trainer's loader; with replays, each update's batches are repeated in a row."""
        texts.refuse_empty(self.train_dataset, self.args)
        loader = super().get_train_dataloader()
        if self.method.replays == 1:
            return loader
        return presented(loader, self.args.gradient_accumulation_steps, self.method.replays, self.method.name)

    def set_initial_training_values(self, args: Any, dataloader: DataLoader[Any]) -> Any:
        """Return the Trainer's values, with the number of epochs divided by the replays.

        The number of updates then stays the same, although each batch is presented several times.
        """
        replays = self.method.replays
        if replays > 1:
            args = copy.copy(args)
            args.num_train_epochs = passes_over_data(args.num_train_epochs, replays)
        *values, steps = super().set_initial_training_values(args, dataloader)
        self.method.updates_per_epoch = values[1]
        if replays == 1:
            return (*values, steps)
        return (*values, steps if args.max_steps > 0 else whole_groups(steps, replays))

    # -- evaluation ----------------------------------------------------------------------------------------------------
    def compute_loss(
        self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the task loss of the labelled rows (``eval_loss``), without further terms, and all rows' output."""
        passes = Passes(model, inputs, self.method.streams, self._precision)
        output = model(**models.inputs(model, inputs))
        logits = labelled_logits = models.logits(output)
        batch, is_labelled = updates.labelled(inputs)
        if is_labelled is not None:
            labelled_logits = logits[is_labelled]
            passes = Passes(model, batch, self.method.streams, self._precision)
        loss = self._evaluated_loss(labelled_logits.float(), passes, num_items_in_batch)
        return (loss, _with_loss(output, logits, loss)) if return_outputs else loss

    def _evaluated_loss(self, logits: Tensor, passes: Passes, items: Any) -> Tensor:
        task_loss = self._task_loss()
        labels = passes.batch["labels"]
        if self.compute_loss_func is not None and items is not None:  # in the Trainer's own training step
            loss: Tensor = self.compute_loss_func(
                SequenceClassifierOutput(logits=logits), labels, num_items_in_batch=items
            )
            return loss * (self.accelerator.num_processes if self.args.average_tokens_across_devices else 1)
        return self.method.task_loss(logits, passes) if task_loss is None else task_loss(logits, labels)

    @contextmanager
    def compute_loss_context_manager(self) -> Iterator[None]:  # type: ignore[override]
        """Run the evaluation in the precision of the training passes."""
        with compute_in(self._precision, self.args.device), self.autocast_smart_context_manager():
            yield

    def prediction_step(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Run the Trainer's step without the columns that the model does not read."""
        self._check_readable([inputs])
        updates.count_rows([inputs], self._classes())  # refuses a label that is no class
        own_inputs = models.inputs(model, inputs) | {name: value for name, value in inputs.items() if name == "labels"}
        return super().prediction_step(model, own_inputs, *args, **kwargs)

    def evaluation_loop(self, *args: Any, **kwargs: Any) -> Any:
        """Run the Trainer's loop on :attr:`eval_model`."""
        self._reader = None
        dataset = getattr(args[0] if args else kwargs["dataloader"], "dataset", None)
        labels.refuse(dataset, self.data_collator, self._classes(), part="evaluation")
        with self._as_evaluated():
            return super().evaluation_loop(*args, **kwargs)

    @contextmanager
    def _as_evaluated(self) -> Iterator[None]:
        student, self.model = self.model, self.eval_model
        try:
            yield
        finally:
            self.model = student

    # -- columns -------------------------------------------------------------------------------------------------------
    def _set_signature_columns_if_needed(self) -> None:
        """Keep the columns a method or a bare encoder inside the model reads."""
        fresh = self._signature_columns is None
        super()._set_signature_columns_if_needed()
        if fresh:
            read = list(inspect.signature(models.encoder(self.model).forward).parameters)
            task = ["task"] if isinstance(models.inside_adapters(self.model), MultiTask) else []
            self._signature_columns = [*self._signature_columns, *read, updates.ROW_ID, *task]

    def _remove_unused_columns(self, dataset: Any, description: str | None = None) -> Any:
        """Remove unused columns of a ``datasets.Dataset``, and a column ``example_id`` without integers."""
        remaining = super()._remove_unused_columns(dataset, description)
        has_ids = self.args.remove_unused_columns and updates.ROW_ID in remaining.column_names and len(remaining)
        if has_ids and not updates.is_row_id(remaining[0][updates.ROW_ID]):
            return remaining.remove_columns(updates.ROW_ID)
        return remaining

    def _get_collator_with_removed_columns(self, data_collator: Any, description: str | None = None) -> Any:
        """Remove unused columns of any other data set in the collator."""
        collate = super()._get_collator_with_removed_columns(data_collator, description)
        return updates.WithoutForeignIds(collate) if self.args.remove_unused_columns else collate

    # -- logging -------------------------------------------------------------------------------------------------------
    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write a line of the log, with the means of the method's loss parts since the last line."""
        if "loss" not in logs:
            super().log(logs, start_time)
            return
        rows = self._scalars.read()
        check_finite(rows)  # before the line is written, because the Trainer would print such a loss as 0
        logs.update(_summary([*self._unlogged, *rows]))
        self._unlogged = []
        super().log(logs, start_time)
        self._scalars.check_signals(rows, last=self.state.global_step == self.state.max_steps)

    def _read_scalars(self) -> None:
        """Read and check the finished updates; the next line of the log shows them."""
        rows = self._scalars.read()
        self._unlogged += rows
        self._scalars.check(rows, last=self.state.global_step == self.state.max_steps)

    # -- saving and resuming -------------------------------------------------------------------------------------------
    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Save :attr:`eval_model`; inside a checkpoint also the state that resuming needs."""
        with self._as_evaluated():
            super().save_model(output_dir, _internal_call)
        is_checkpoint = _internal_call and output_dir is not None  # push_to_hub gives no folder
        if is_checkpoint and self.args.should_save and not self.args.save_only_model and self._prepared is self.model:
            student = self.model if self._has_own_student() else None
            write_state(Path(str(output_dir)), self.method, self.state.global_step, student)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save the model with the additions of ``lora`` merged, so that ``from_pretrained`` reads it."""
        if state_dict is None and _has_additions(self.model):
            state_dict = merged(self.model).state_dict()
        super()._save(output_dir, state_dict)

    def _has_own_student(self) -> bool:
        """Return True if the weights in training differ from those that ``save_model`` writes."""
        return self.eval_model is not self.model or _has_additions(self.model)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Check the files; :meth:`restore_method` loads them after the method is set up, which may add weights."""
        check_files(Path(resume_from_checkpoint))

    def restore_method(self, folder: Path) -> None:
        """Load the weights and the state of the method from a checkpoint.

        Raises: ValueError: the checkpoint is of another method, or a file is missing or damaged.
        """
        read_state(folder, self.method)
        if self._has_own_student():
            read_student(folder, self.model)
            return
        with readable(folder):
            super()._load_from_checkpoint(str(folder))

    def _load_best_model(self) -> None:
        student = Path(self.state.best_model_checkpoint or "") / STUDENT
        if _has_additions(self.model) and student.exists():
            read_student(student.parent, self.model)
        else:
            super()._load_best_model()
        self._best_loaded = True


class _AfterUpdate(TrainerCallback):
    """Callback that reports a weight update to the method, before anything is logged, evaluated or saved."""

    def __init__(self, trainer: MethodTrainer) -> None:
        self.trainer = trainer

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.trainer._scalars.close({"step": state.global_step + 1})
        if not self.trainer.accelerator.optimizer_step_was_skipped:  # fp16's loss scaler may skip it
            self.trainer.method.after_step(self.trainer.model, state.global_step + 1)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        last = state.global_step == state.max_steps
        due = control.should_save or control.should_evaluate or last or len(self.trainer._scalars) >= FLUSH
        if due and not control.should_log:  # otherwise writing the log reads them
            self.trainer._read_scalars()


def _summary(rows: list[Row]) -> Row:
    """Return means over updates, maxima for names with ``max_``; without the loss, which the Trainer logs itself."""
    names = [name for name in (rows[0] if rows else {}) if name not in ("step", "loss")]
    return {
        name: max(values) if name.startswith("max_") else sum(values) / len(values)
        for name, values in ((name, [row[name] for row in rows]) for name in names)
    }


def _with_loss(output: Any, logits: Tensor, loss: Tensor) -> Any:
    """Return the model's output in the form of a model that was called with labels."""
    if isinstance(output, dict):
        return output
    if isinstance(output, tuple):
        return (loss, *output)
    return SequenceClassifierOutput(loss=loss, logits=logits)


def _has_additions(model: nn.Module) -> bool:
    return any(is_addition(module) for module in model.modules())


__all__ = ["MethodTrainer"]
