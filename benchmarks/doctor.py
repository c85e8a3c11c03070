"""``smart-repro doctor``: is this machine ready, and if not, what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.errors import UsageError
from benchmarks.store import Store

_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "evaluate", "numpy", "scipy", "pandas", "matplotlib")


@dataclass(frozen=True)
class Check:
    """One thing looked at: ``state`` is ok, note or bad; a remedy where something is to be done."""

    what: str
    state: str
    found: str
    remedy: str = ""


def checks(results: Path) -> list[Check]:
    """All checks. Loads torch, so it takes a few seconds."""
    return [_python(), *_packages(), _device(), _threads(), _memory(), *_disk(results), *_models(), _data()]


def text(found: list[Check]) -> str:
    """The checks for people."""
    marks = {"ok": "ok  ", "note": "note", "bad": "BAD "}
    lines = []
    for check in found:
        lines.append(f"{marks[check.state]}  {check.what:<22} {check.found}")
        if check.remedy:
            lines.append(f"      {'':<22} -> {check.remedy}")
    return "\n".join(lines)


def _python() -> Check:
    version = platform.python_version()
    fine = sys.version_info >= (3, 11)
    return Check("python", "ok" if fine else "bad", version, "" if fine else "smart-repro needs Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "bad", "missing", "pip install 'smart-repro[suite]'")


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        return Check(
            "device", "ok", f"{torch.cuda.device_count()} x {name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"
        )
    return Check("device", "note", "CPU only", "the profiles demo and small are made for it; paper needs a GPU")


def _threads() -> Check:
    from benchmarks.executors.machine import usable_cores

    cores = usable_cores()
    return Check("cores", "ok", f"{cores} usable; `run` starts {cores} workers of one thread each")


def _memory() -> Check:
    free = psutil.virtual_memory().available / 2**30
    fine = free >= 2
    return Check(
        "memory",
        "ok" if fine else "bad",
        f"{free:.1f} GiB free",
        "" if fine else "each worker needs 1 to 2 GiB: use --workers 1",
    )


def _disk(results: Path) -> Iterator[Check]:
    existing = next(path for path in (results.absolute(), *results.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    yield Check(
        "disk",
        "ok" if free >= 2 else "bad",
        f"{free:.1f} GiB free",
        "" if free >= 2 else "choose another folder with --results",
    )
    if not results.exists():
        yield Check("results folder", "ok", f"{results} (made by the first run)")
        return
    try:
        Store(results).prepare()
        yield Check("results folder", "ok", str(results))
    except UsageError as error:
        yield Check("results folder", "bad", str(results), str(error))


def _models() -> Iterator[Check]:
    from benchmarks.models import MODELS

    for name, build in MODELS.items():
        try:
            yield Check(f"model {name}", "ok", str(build().weights[:16]) + "... (sha256)")
        except UsageError as error:
            yield Check(f"model {name}", "note", "not there", str(error))


def _data() -> Check:
    folder = os.environ.get("SMART_REPRO_DATA")
    if not folder:
        return Check(
            "data", "note", "SMART_REPRO_DATA is not set", "give --data-dir, or load from the hub with --source hub"
        )
    fine = Path(folder).is_dir()
    return Check(
        "data", "ok" if fine else "bad", folder, "" if fine else "SMART_REPRO_DATA names no folder: correct or unset it"
    )
