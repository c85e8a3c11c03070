"""State of a method next to a Trainer's checkpoint: JSON and safetensors, nothing pickled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from smart_repro.methods import Method

STUDENT = "student.safetensors"  # the weights in training, where they differ from those that are evaluated
_STATE, _TENSORS = "method_state.json", "method_state.safetensors"
_TENSOR, _PAIRS = "$tensor", "$pairs"


def write_state(folder: Path, method: Method) -> None:
    """Write the state of the method to ``folder``."""
    tensors: dict[str, Tensor] = {}
    state = _pack(method.state_dict(), "state", tensors)
    save_file(tensors, folder / _TENSORS)
    (folder / _STATE).write_text(json.dumps({**_identity(method), "state": state}, indent=1), encoding="utf-8")


def read_state(folder: Path, method: Method) -> None:
    """Restore the state that :func:`write_state` wrote.

    Raises:
        ValueError: the folder has no such state, or the state belongs to another method or other options.
    """
    path = folder / _STATE
    if not path.exists():
        raise ValueError(
            f"{folder} has no {_STATE}: another trainer wrote it, or it was saved with save_only_model=True. To start "
            "from its weights, load the model with from_pretrained and leave resume_from_checkpoint out"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    identity = _identity(method)
    saved = {name: content[name] for name in identity}
    if saved != identity:
        raise ValueError(f"{folder} was written by {saved}, this trainer has {identity}: resume with the same method")
    method.load_state_dict(_unpack(content["state"], load_file(folder / _TENSORS)))


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


__all__ = ["STUDENT", "read_state", "write_state"]
