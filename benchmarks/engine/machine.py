"""Resources of this machine: cores, GPUs and their memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_HOME = str(Path(__file__).resolve().parents[2])  # folder of these packages: a worker must import the same ones
_CONTEXT = 0.6 * 2**30  # bytes of a GPU that a process takes at its start
_KEPT_FREE = 0.1  # share of a memory that is not planned for: allocators do not return all they took
_CGROUP = Path("/sys/fs/cgroup")  # where a container sees its own limits (version 2)


# glibc returns large blocks to the system at once, so that every update causes their page faults again. Workers keep
# them, which saves 10 to 25 % of the processor time for MiniLM. Other C libraries do not read these variables.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # bytes; the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}


def allocator_settings() -> dict[str, str]:
    """Return the variables that make glibc keep large blocks; those that the user set stay as they are."""
    return {name: os.environ.get(name, value) for name, value in _KEEP_MEMORY.items()}


def worker_environment() -> dict[str, str]:
    """Return the variables that a worker adds to its environment: one thread, these packages, allocator settings."""
    packages = os.pathsep.join(filter(None, [_HOME, os.environ.get("PYTHONPATH")]))
    return {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": packages, **allocator_settings()}


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name for CUDA_VISIBLE_DEVICES, and its free memory in bytes."""

    name: str
    free: float


def usable_cores() -> int:
    """Return the number of CPU cores that this process may use, by its affinity and the quota of its container."""
    from joblib import cpu_count

    return int(cpu_count())


def usable_memory() -> float:
    """Return the bytes of memory that this process may still take: free ones, within the limit of its container."""
    import psutil

    free = float(psutil.virtual_memory().available)
    try:
        limit, usage = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        statistics = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        cache = int(statistics["inactive_file"])  # the kernel drops it when memory is needed
    except (OSError, ValueError, KeyError):  # no container, or "max": no limit
        return free
    return min(free, float(max(0, limit - usage + cache)))


def workers_on_cpu(threads: int, memory: float) -> int:
    """Return how many runs this machine does at a time without a GPU: by cores, and no more than fit into memory.

    Args:
        threads: of a run.
        memory: bytes a run needs, as measured in earlier runs of its kind; 0 if that is not known.
    """
    per_cores = usable_cores() // threads
    per_memory = int(usable_memory() * (1 - _KEPT_FREE) / memory) if memory else per_cores
    return max(1, min(per_cores, per_memory))


def gpus() -> list[Gpu]:
    """Return the GPUs that this process may use."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None and not [name for name in listed.split(",") if name.strip() not in ("", "-1")]:
        return []
    import torch

    count = torch.cuda.device_count()
    names = [name.strip() for name in listed.split(",")][:count] if listed else [str(i) for i in range(count)]
    return [Gpu(name, torch.cuda.mem_get_info(index)[0]) for index, name in enumerate(names)]


def workers_per_gpu(gpu: Gpu, memory: float, count: int) -> int:
    """Return the number of runs that fit on a GPU at a time, at most one per core.

    Args:
        gpu: the GPU.
        memory: bytes a run needs on it; 0: unknown, which gives one worker.
        count: number of GPUs that share the cores.
    """
    if not memory:
        return 1
    fits = int(gpu.free * (1 - _KEPT_FREE) / (memory + _CONTEXT))
    return max(1, min(fits, usable_cores() // count))
