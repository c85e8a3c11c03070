"""Runs that build on others: starting from another run's weights, and making one model of several.

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

from analysis.records import read_table
from benchmarks.errors import UsageError
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.training.prepared import Evaluated, Prepared
from smart_repro.evaluation import predict
from smart_repro.heads import MultiTask
from smart_repro.methods import COMBINERS
from smart_repro.models import head_parameters

if TYPE_CHECKING:
    from benchmarks.training.job import Job


_DIGEST = "sha256"  # entry of a weights file
_AGAIN = "delete the file, and `smart-repro run` or `runs rerun KEY --keep-weights` makes it again"


class NotReproducedError(RuntimeError):
    """A run that was trained again for its weights predicts something else than the finished one."""


def save_weights(model: nn.Module, path: Path) -> None:
    """Keep the weights of what is evaluated."""
    weights = model.weights() if isinstance(model, MultiTask) else model.state_dict()
    kept = {name: value.detach().cpu().contiguous().clone() for name, value in weights.items()}
    save_file(kept, path, metadata={_DIGEST: _digest(kept)})


def start_from(model: nn.Module, run: RunSpec, parent: RunSpec, path: Path) -> None:
    """Give ``model`` the parent's trained weights; its head only if it means the same there."""
    weights = _of_task(read_weights(path), parent, run.task) if parent.with_tasks else read_weights(path)
    heads = {id(parameter) for parameter in head_parameters(model)}
    new = {name for name, value in model.state_dict(keep_vars=True).items() if id(value) in heads}
    if run.head == parent.head and _same_head(run.task, parent):
        new = set()
    own = model.state_dict()
    missing = sorted(name for name in own if name not in new and _shape(weights, name) != own[name].shape)
    if missing:
        raise UsageError(f"the weights of the parent ({parent.title}) lack or differ in {', '.join(missing[:3])}")
    model.load_state_dict({name: own[name] if name in new else weights[name] for name in own})


def _same_head(task: str, parent: RunSpec) -> bool:
    """Whether the parent has this task's head, or trained one of the same labels."""
    return task in parent.tasks if parent.with_tasks else TASKS[task].head == TASKS[parent.task].head


def _of_task(weights: dict[str, Tensor], parent: RunSpec, task: str) -> dict[str, Tensor]:
    """The weights of one task's classifier: the encoder is kept under the parent's first task."""
    prefixes = [f"tasks.{each}." for each in (parent.task, task) if each in parent.tasks]
    return {
        name.removeprefix(prefix): value
        for prefix in prefixes
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def vote(job: Job, data: Prepared, store: Store) -> tuple[int, dict[str, np.ndarray]]:
    """The epoch the parents end with and, per split, the mean of their probabilities as logits."""
    combine = COMBINERS["vote"].combine
    for key in job.parents:
        store.verify(key)
    found = {each.name: [_logits(store, key, each) for key in job.parents] for each in data.evaluated}
    epochs = {epoch for read in found.values() for epoch, _ in read}
    return max(epochs), {name: combine([logits for _, logits in read]) for name, read in found.items()}


def averaged(job: Job, data: Prepared, store: Store, model: nn.Module) -> tuple[int, dict[str, np.ndarray]]:
    """The same for the mean of the parents' weights, which ``model`` receives."""
    model.load_state_dict(COMBINERS["average"].combine([read_weights(store.weights(key)) for key in job.parents]))
    for key in job.parents:
        store.verify(key)
    epoch = max(_logits(store, key, data.evaluated[0])[0] for key in job.parents)
    precision = job.spec.precision
    return epoch, {each.name: predict(model, each.encoded, precision=precision) for each in data.evaluated}


def must_reproduce(attempt: Path, finished: Path) -> None:
    """Compare the predictions of a run trained again with those of the finished one, byte for byte.

    Raises: NotReproducedError: with what differs.
    """
    different = differing_predictions(attempt, finished)
    if different:
        raise NotReproducedError(
            f"trained again for its weights, it differs from the finished run in {', '.join(different)}: that was made "
            f"on other hardware or with other versions. `smart-repro runs remove {finished.name}` lets it be done anew"
        )


def differing_predictions(one: Path, other: Path) -> list[str]:
    """Names of the prediction files that are not the same, byte for byte."""
    files = [{path.name: path for path in (folder / "predictions").iterdir()} for folder in (one, other)]
    names = sorted(set(files[0]) | set(files[1]))
    return [n for n in names if any(n not in f for f in files) or files[0][n].read_bytes() != files[1][n].read_bytes()]


def read_weights(path: Path) -> dict[str, Tensor]:
    """Weights that :func:`save_weights` kept, compared with their digest where they have one.

    Raises: UsageError: they are not there, cannot be read, or are not what was kept.
    """
    try:
        with safe_open(path, framework="pt") as file:
            digest = (file.metadata() or {}).get(_DIGEST)
        weights = load_file(path)
    except (FileNotFoundError, SafetensorError, OSError, ValueError) as error:
        raise UsageError(f"the weights of a run are missing or broken ({path}): {error}; {_AGAIN}") from error
    if digest is not None and digest != _digest(weights):
        raise UsageError(f"the weights {path} are damaged: they do not match their digest; {_AGAIN}")
    return weights


def _digest(weights: dict[str, Tensor]) -> str:
    digest = sha256()
    for name, value in sorted(weights.items()):
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _shape(weights: dict[str, Tensor], name: str) -> object:
    return weights[name].shape if name in weights else None


def _logits(store: Store, key: str, each: Evaluated) -> tuple[int, np.ndarray]:
    """Last epoch and its logits, checked to be of the same examples."""
    path = store.runs / key / "predictions" / f"{each.name}.parquet"
    if not path.is_file():
        raise UsageError(f"parent {key} has no predictions on {each.name}: its `predict` must cover its child's")
    frame = read_table(path).to_pandas()
    last = frame[frame["epoch"] == frame["epoch"].max()]
    if last["id"].tolist() != list(each.rows.ids):
        raise UsageError(f"parent {key} predicts other examples of {each.name}: give all parents one seed_subsample")
    return int(last["epoch"].iloc[0]), last.filter(regex=r"^logit_\d+$").to_numpy()
