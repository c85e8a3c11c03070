"""What a run was made with: versions, commit, processor or GPU, and the memory it took."""

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
    """Bytes this process has taken at most: of the GPU, where there is one."""
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))


def environment(run: RunSpec) -> dict[str, Any]:
    """Versions, code and device a run was made with."""
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
    """The processor's name, by which runs that must be bit-identical are told from those that need not."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


@lru_cache
def commit() -> str:
    """The commit of this checkout, marked if files differ from it; empty for an installed package or without git."""
    checkout = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return ""
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip()
