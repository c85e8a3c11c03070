"""The choice of an executor by name; only the chosen one is imported, since Ray is an extra."""

from __future__ import annotations

from benchmarks.engine.executor import Executor
from benchmarks.errors import UsageError


def make_executor(name: str, workers: int | None, memory: float, address: str | None = None) -> Executor:
    """Return the executor of that name: ``local`` or ``ray``.

    Args:
        name: name of the executor.
        workers: runs at a time; None leaves it to the executor.
        memory: bytes a run needs of a GPU.
        address: address of a running Ray cluster.
    Raises: UsageError: for another name, an address without ray, or if ray is not installed.
    """
    if name == "local":
        if address:
            raise UsageError("--address is for --executor ray")
        from benchmarks.engine.local import LocalExecutor

        return LocalExecutor(workers, memory)
    if name != "ray":
        raise UsageError(f"--executor {name}: no such executor; give local or ray")
    try:
        from benchmarks.engine.ray import RayExecutor
    except ImportError as error:
        raise UsageError(str(error)) from error
    return RayExecutor(workers, memory, address)
