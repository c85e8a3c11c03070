"""What this machine has: cores, GPUs and their memory."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_HOME = str(Path(__file__).resolve().parents[2])  # where these packages lie: a worker must find the same ones
_CONTEXT = 0.6 * 2**30  # bytes of a GPU that a process takes before it has done anything
_KEPT_FREE = 0.1  # share of the memory that is left alone: allocators do not give back all they took
_CGROUP = Path("/sys/fs/cgroup")  # where a container sees its own limits (version 2)


# glibc gives large blocks back to the system at once, and every update pays for them anew in page faults. Workers keep
# them: 10 to 25 % less processor time for MiniLM. Other C libraries do not read these.
_KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),  # bytes; the most that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(2**30),
    "MALLOC_TOP_PAD_": str(64 * 2**20),
}


def worker_environment() -> dict[str, str]:
    """What a worker's environment has beside this process's own: one thread a run, these packages, memory kept."""
    chosen = {name: os.environ.get(name, value) for name, value in _KEEP_MEMORY.items()}
    packages = os.pathsep.join(filter(None, [_HOME, os.environ.get("PYTHONPATH")]))
    return {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONPATH": packages, **chosen}


@dataclass(frozen=True)
class Gpu:
    """A GPU, by the name a worker's CUDA_VISIBLE_DEVICES takes, and its free memory in bytes."""

    name: str
    free: float


def usable_cores() -> int:
    """CPU cores this process may use: its affinity and the quota of its container are counted in."""
    from joblib import cpu_count

    return int(cpu_count())


def usable_memory() -> float:
    """Bytes of memory this process may still take: what the machine has free, and what its container's limit leaves."""
    import psutil

    free = float(psutil.virtual_memory().available)
    try:
        most, taken = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
    except (OSError, ValueError):  # no such container, or "max": it has no limit
        return free
    return min(free, float(max(0, most - taken)))


def workers_on_cpu(threads: int, memory: float) -> int:
    """Return how many runs this machine does at a time without a GPU: by cores, and no more than fit into memory.

    Args:
        threads: of a run.
        memory: bytes a run needs, as measured in earlier runs of its kind; 0 if that is not known.
    """
    by_cores = usable_cores() // threads
    by_memory = int(usable_memory() * (1 - _KEPT_FREE) / memory) if memory else by_cores
    return max(1, min(by_cores, by_memory))


def gpus() -> list[Gpu]:
    """The GPUs this process may use."""
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is not None and not [name for name in listed.split(",") if name.strip() not in ("", "-1")]:
        return []
    import torch

    count = torch.cuda.device_count()
    names = [name.strip() for name in listed.split(",")][:count] if listed else [str(i) for i in range(count)]
    return [Gpu(name, torch.cuda.mem_get_info(index)[0]) for index, name in enumerate(names)]


def workers_per_gpu(gpu: Gpu, memory: float, count: int) -> int:
    """How many runs fit on a GPU at a time: by memory, and no more than each has a core for.

    Args:
        memory: bytes a run needs there; 0 if that is not known, which gives one worker.
        count: GPUs that share the cores.
    """
    if not memory:
        return 1
    fits = int(gpu.free * (1 - _KEPT_FREE) / (memory + _CONTEXT))
    return max(1, min(fits, usable_cores() // count))
