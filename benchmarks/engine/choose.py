"""The choice of an executor by name; only the chosen one is imported, since Ray and submitit are extras."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.engine.executor import Executor
from benchmarks.errors import UsageError

NAMES = ("local", "ray", "slurm")


@dataclass(frozen=True)
class Cluster:
    """Address and settings of a cluster, for the executors that use one.

    Attributes:
        address: of a running Ray cluster.
        partition, minutes, array, sbatch: as :class:`benchmarks.engine.slurm.SlurmExecutor` takes them; None and empty
            are its defaults.
    """

    address: str | None = None
    partition: str = ""
    minutes: int | None = None
    array: int | None = None
    sbatch: dict[str, Any] = field(default_factory=dict)

    def check(self, executor: str) -> None:
        """Refuse options of another executor. Raises: UsageError."""
        for flag, value, owner in (
            ("--address", self.address, "ray"),
            ("--partition", self.partition, "slurm"),
            ("--time-limit", self.minutes, "slurm"),
            ("--array-size", self.array, "slurm"),
            ("--slurm", self.sbatch, "slurm"),
        ):
            if value and executor != owner:
                raise UsageError(f"{flag} is for --executor {owner}")


def make_executor(
    name: str, workers: int | None, memory: float, cluster: Cluster = Cluster(), *, is_used: bool = False
) -> Executor:
    """Return the executor of that name: ``local``, ``ray`` or ``slurm``.

    Args:
        name: name of the executor.
        workers: runs at a time; None leaves it to the executor.
        memory: bytes a run needs, of a GPU where there is one.
        cluster: the settings of executors on several machines.
        is_used: False if it only makes a plan, which needs no cluster.

    Raises: UsageError: for another name, a setting of another executor, or if its package or its cluster is missing.
    """
    if name not in NAMES:
        raise UsageError(f"--executor {name}: no such executor; give {', '.join(NAMES)}")
    cluster.check(name)
    if name == "local":
        from benchmarks.engine.local import LocalExecutor

        return LocalExecutor(workers, memory)
    try:
        if name == "ray":
            from benchmarks.engine.ray import RayExecutor

            return RayExecutor(workers, memory, cluster.address)
        from benchmarks.engine.slurm import SlurmExecutor
    except ImportError as error:
        raise UsageError(str(error)) from error
    limits = {"minutes": cluster.minutes, "array": cluster.array}
    stated_limits: dict[str, Any] = {name: value for name, value in limits.items() if value is not None}
    executor = SlurmExecutor(workers, memory, partition=cluster.partition, sbatch=cluster.sbatch, **stated_limits)
    if is_used:
        executor.submitit_executor(Path(), 1)
    return executor
