"""State of a method next to a Trainer's checkpoint: JSON and safetensors, nothing pickled.

``method_state.json`` also has the number of the update and the digests of all files of weights, so that a damaged file,
or one of another checkpoint, is noticed. It is written last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model
from torch import Tensor, nn
from transformers.trainer import TRAINER_STATE_NAME

from smart_repro.methods import Method

STUDENT = "student.safetensors"  # the weights in training, where they differ from those that are evaluated
_STATE, _TENSORS = "method_state.json", "method_state.safetensors"
_TENSOR, _PAIRS = "$tensor", "$pairs"


def write_state(folder: Path, method: Method, step: int, student: nn.Module | None) -> None:
    """Write the state of the method to ``folder``, which has the weights that are evaluated.

    Args:
        folder: the checkpoint.
        method: the method.
        step: number of finished updates.
        student: model in training, if its weights are not those in ``folder``.
    """
    (folder / STUDENT).unlink(missing_ok=True)  # of an earlier training into the same folder
    if student is not None:
        save_model(student, str(folder / STUDENT))
    tensors: dict[str, Tensor] = {}
    state = _pack(method.state_dict(), "state", tensors)
    save_file(tensors, folder / _TENSORS)
    files = {path.relative_to(folder).as_posix(): _digest(path) for path in sorted(folder.rglob("*.safetensors"))}
    content = {**_identity(method), "step": step, "files": files, "state": state}
    (folder / _STATE).write_text(json.dumps(content, indent=1), encoding="utf-8")


def check_files(folder: Path) -> None:
    """Check that the files of a checkpoint are those that were saved together.

    Checkpoints of earlier versions do not list their files; only their JSON is read.

    Raises:
        ValueError: the folder has no state of a method, or a file is missing, damaged or of another checkpoint.
    """
    content = _content(folder)
    with readable(folder):
        step = json.loads((folder / TRAINER_STATE_NAME).read_text(encoding="utf-8"))["global_step"]
    if content.get("step", step) != step:
        raise _unusable(folder, f"{_STATE} is of update {content['step']}, {TRAINER_STATE_NAME} of update {step}")
    for name, digest in content.get("files", {}).items():
        if not (folder / name).is_file():
            raise _unusable(folder, f"{name} is missing")
        if _digest(folder / name) != digest:
            raise _unusable(folder, f"{name} is damaged, or of another checkpoint")


def read_state(folder: Path, method: Method) -> None:
    """Restore the state that :func:`write_state` wrote.

    Raises:
        ValueError: the folder has no such state, the state belongs to another method or other options, or a file is
            missing or damaged.
    """
    content = _content(folder)
    identity = _identity(method)
    with readable(folder):
        saved = {name: content[name] for name in identity}
        if saved == identity:
            method.load_state_dict(_unpack(content["state"], load_file(folder / _TENSORS)))
    if saved != identity:
        raise ValueError(f"{folder} was written by {saved}, this trainer has {identity}: resume with the same method")


def read_student(folder: Path, model: nn.Module) -> None:
    """Load the weights in training.

    Raises:
        ValueError: their file is missing or damaged.
    """
    with readable(folder):
        load_model(model, folder / STUDENT)


@contextmanager
def readable(folder: Path) -> Iterator[None]:
    """Replace the error of a file that is missing or cannot be parsed.

    Raises: ValueError: with the remedy.
    """
    try:
        yield
    except (OSError, SafetensorError, KeyError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _unusable(folder, f"a file is missing or damaged ({type(error).__name__}: {error})") from error


def _unusable(folder: Path, reason: str) -> ValueError:
    return ValueError(f"{folder} cannot be read: {reason}. Use an earlier checkpoint")


def _content(folder: Path) -> dict[str, Any]:
    path = folder / _STATE
    if not path.exists():
        raise ValueError(
            f"{folder} has no {_STATE}: another trainer wrote it, or it was saved with save_only_model=True. To start "
            "from its weights, load the model with from_pretrained and leave resume_from_checkpoint out"
        )
    with readable(folder):
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(method: Method) -> dict[str, Any]:
    return {"method": method.name, "version": method.version, "config": asdict(method.config)}


def _pack(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Turn ``value`` into JSON, with its tensors moved to ``tensors`` under their path."""
    if isinstance(value, Tensor):
        tensors[path] = value.detach().clone().contiguous()
        return {_TENSOR: path}
    if isinstance(value, dict):
        return {_PAIRS: [[key, _pack(item, f"{path}.{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_pack(item, f"{path}.{index}", tensors) for index, item in enumerate(value)]
    return value


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_unpack(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    return {key: _unpack(item, tensors) for key, item in value[_PAIRS]}


__all__ = ["STUDENT", "check_files", "read_state", "read_student", "readable", "write_state"]
