"""The environment of a run: versions, commit, processor or GPU, and peak memory."""

from __future__ import annotations

import platform
import resource
import shutil
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

import smart_repro
from benchmarks.spec import RunSpec


def peak_memory() -> float:
    """Return the peak memory of this process in bytes: of the GPU where one is used, else of the main memory."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def environment(run: RunSpec) -> dict[str, Any]:
    """Return the versions, the code and the device that a run was made with."""
    import accelerate
    import transformers

    device = torch.cuda.get_device_name() if torch.cuda.is_available() else processor()
    return {
        "smart_repro": smart_repro.__version__,
        "commit": commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "accelerate": accelerate.__version__,
        "numpy": np.__version__,
        "device": "cuda" if torch.cuda.is_available() else "cpu",
        "device_name": device,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": run.threads,
    }


@lru_cache
def processor() -> str:
    """Return the processor's name; runs need not be bit-identical on processors of different names."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


@lru_cache
def commit() -> str:
    """Return this checkout's commit, marked if files differ from it; empty for an installed package or without git."""
    checkout = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return ""
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    return completed.stdout.strip()
