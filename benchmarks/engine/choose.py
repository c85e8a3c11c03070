"""The executor of a name, made when it is asked for: Ray is an extra."""

from __future__ import annotations

from benchmarks.engine.executor import Executor
from benchmarks.errors import UsageError


def make_executor(name: str, workers: int | None, memory: float, address: str | None = None) -> Executor:
    """The executor of that name: ``local`` or ``ray``.

    Args:
        workers: runs at a time; None leaves it to the executor.
        memory: bytes a run needs of a GPU.
        address: of a Ray cluster that runs already.
    Raises: UsageError: for another name, an address without ray, or if ray is not installed.
    """
    if name == "local":
        if address:
            raise UsageError("--address is for --executor ray")
        from benchmarks.engine.local import LocalExecutor

        return LocalExecutor(workers, memory)
    if name != "ray":
        raise UsageError(f"--executor {name}: there are local and ray")
    try:
        from benchmarks.engine.ray import RayExecutor
    except ImportError as error:
        raise UsageError(str(error)) from error
    return RayExecutor(workers, memory, address)
