"""Runs that depend on others: starting from another run's weights, and combining several runs into one model.

A run that starts from another takes its encoder, and its head too where both tasks have the same labels. From a run
of several tasks it takes the head of its own task, or none (Jiang et al. 2020, Tables 4 and 5).
VOTE and AVG: Xu et al. 2020, equations 2 and 3.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from analysis.records import read_table, results_option
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.reduction import HALF, differing_predictions, forms_of
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.training.prepared import Evaluated, Prepared
from smart_repro.evaluation import predict
from smart_repro.heads import MultiTask
from smart_repro.methods import COMBINERS
from smart_repro.models import head_parameters

if TYPE_CHECKING:
    from benchmarks.training.job import Job


_DIGEST, _RUN = "sha256", "run"  # entries of a weights file: digest of the tensors, key of the run
_REMEDY = "delete the file, and `smart-repro run` or `runs rerun KEY --keep-weights` makes it again"


class NotReproducedError(RuntimeError):
    """A run that was trained again for its weights and predicts something else than the finished one."""


def save_weights(model: nn.Module, path: Path, key: str) -> None:
    """Save the weights of the model that is evaluated, with the key of its run."""
    weights = model.weights() if isinstance(model, MultiTask) else model.state_dict()
    stored_weights = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    save_file(stored_weights, path, metadata={_DIGEST: _digest(stored_weights), _RUN: key})


def start_from(model: nn.Module, run: RunSpec, parent: RunSpec, path: Path) -> None:
    """Give ``model`` the parent's trained weights; its head only if both have the same classes.

    Raises: UsageError: the parent's weights lack a parameter, or have it in another shape.
    """
    weights = _of_task(read_weights(path), parent, run.task) if parent.with_tasks else read_weights(path)
    heads = {id(parameter) for parameter in head_parameters(model)}
    new_parameters = {name for name, value in model.state_dict(keep_vars=True).items() if id(value) in heads}
    if run.head == parent.head and _same_head(run.task, parent):
        new_parameters = set()
    current = model.state_dict()
    missing = sorted(
        name for name in current if name not in new_parameters and _shape(weights, name) != current[name].shape
    )
    if missing:
        raise UsageError(f"the weights of the parent ({parent.title}) lack or differ in {', '.join(missing[:3])}")
    model.load_state_dict({name: current[name] if name in new_parameters else weights[name] for name in current})


def _same_head(task: str, parent: RunSpec) -> bool:
    """Return whether the parent has this task's head, or trained one of the same labels."""
    return task in parent.tasks if parent.with_tasks else TASKS[task].head == TASKS[parent.task].head


def _of_task(weights: dict[str, Tensor], parent: RunSpec, task: str) -> dict[str, Tensor]:
    """Return the weights of one task's classifier; the encoder is stored under the parent's first task."""
    prefixes = [f"tasks.{member}." for member in (parent.task, task) if member in parent.tasks]
    return {
        name.removeprefix(prefix): value
        for prefix in prefixes
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def vote(job: Job, data: Prepared, store: Store) -> tuple[int, dict[str, np.ndarray]]:
    """Return the parents' last epoch and, per split, the mean of their probabilities as logits."""
    combine = COMBINERS["vote"].combine
    for key in job.parents:
        store.verify(key)
    records = {evaluated.name: [_logits(store, key, evaluated) for key in job.parents] for evaluated in data.evaluated}
    epochs = {epoch for parent_records in records.values() for epoch, _ in parent_records}
    return max(epochs), {
        name: combine([logits for _, logits in parent_records]) for name, parent_records in records.items()
    }


def averaged(job: Job, data: Prepared, store: Store, model: nn.Module) -> tuple[int, dict[str, np.ndarray]]:
    """Return the parents' last epoch and, per split, the logits of the mean of their weights, loaded into ``model``."""
    model.load_state_dict(COMBINERS["average"].combine([read_weights(store.weights(key)) for key in job.parents]))
    for key in job.parents:
        store.verify(key)
    epoch = max(_logits(store, key, data.evaluated[0])[0] for key in job.parents)
    precision = job.spec.precision
    return epoch, {
        evaluated.name: predict(model, evaluated.encoded, precision=precision) for evaluated in data.evaluated
    }


def must_reproduce(attempt: Path, finished: Path) -> None:
    """Compare the predictions of a run trained again with those of the finished one.

    Raises: NotReproducedError: with what differs.
    """
    different = differing_predictions(attempt, finished)
    if different:
        raise NotReproducedError(
            f"trained again for its weights, it differs from the finished run in {', '.join(different)}, which was "
            f"made on other hardware or with other versions. "
            f"`smart-repro runs remove {finished.name}{results_option(finished.parent.parent)}` allows a new run"
        )


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read weights written by :func:`save_weights`; verify their digest and run where they have these entries.

    Args:
        path: the file, named by the key of its run.

    Raises: UsageError: the file is missing, cannot be read, or is of another run, or its digest does not match.
    """
    try:
        with safe_open(path, framework="pt") as file:
            entries = file.metadata() or {}
        weights = load_file(path)
    except (FileNotFoundError, SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"the weights of a run are missing or broken ({path}): {error}; {_REMEDY}") from error
    if entries.get(_RUN, path.stem) != path.stem:
        raise UsageError(f"the weights {path} are of another run ({entries[_RUN]}); {_REMEDY}")
    if _DIGEST in entries and entries[_DIGEST] != _digest(weights):
        raise UsageError(f"the weights {path} are damaged: they do not match their digest; {_REMEDY}")
    return weights


def _digest(weights: dict[str, Tensor]) -> str:
    digest = sha256()
    for name, value in sorted(weights.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _shape(weights: dict[str, Tensor], name: str) -> object:
    return weights[name].shape if name in weights else None


def _logits(store: Store, key: str, evaluated: Evaluated) -> tuple[int, np.ndarray]:
    """Return the last epoch of a parent and its logits, checked to be of the same examples."""
    path = store.folder(key) / "predictions" / f"{evaluated.name}.parquet"
    if not path.is_file():
        raise UsageError(f"parent {key} has no predictions on {evaluated.name}: its `predict` must cover its child's")
    if forms_of(store.folder(key)).get(evaluated.name) == HALF:
        raise UsageError(
            f"parent {key} was published with float16 logits, which would change its child: give another --results, "
            "where it is trained again"
        )
    frame = read_table(path).to_pandas()
    last = frame[frame["epoch"] == frame["epoch"].max()]
    if last["id"].tolist() != list(evaluated.rows.ids):
        raise UsageError(
            f"parent {key} predicts other examples of {evaluated.name}: give all parents the same seed_subsample"
        )
    return int(last["epoch"].iloc[0]), last.filter(regex=r"^logit_\d+$").to_numpy()
