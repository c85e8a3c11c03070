"""Seeds of the global random generators, set before each hook of a method.

Built-in methods have their own counter-based generators (:mod:`smart_repro.seeding`). A method of another package may
call ``torch.rand`` or ``random.random``. Because the global generators are seeded before each hook, its draws are the
same in every run of the same seed, also after an interruption.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from smart_repro.seeding import derive


class GlobalDraws:
    """Global generators of torch (of the CPU and of one device), numpy and the standard library.

    Args:
        seed: seed of the run's dropout masks.
        device: device of the model.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            self._generators.append(torch.cuda.default_generators[device.index or 0])
        self._initial_states: tuple[Any, ...] = (
            [generator.get_state() for generator in self._generators],
            np.random.get_state(),  # noqa: NPY002  (the global generator is what is meant)
            random.getstate(),
        )

    def seed(self, hook: str, update: int, micro: int = 0) -> None:
        """Seed all generators before a hook.

        Args:
            hook: name of the hook.
            update: number of finished updates.
            micro: number of the micro-batch within the update, over all processes.
        """
        number = derive(self._seed, "plug-in", hook, update, micro)
        for generator in self._generators:
            generator.manual_seed(number)
        np.random.seed(number % 2**32)  # noqa: NPY002
        random.seed(number)

    def restore(self) -> None:
        """Restore the states that the generators had when this object was created."""
        torch_states, numpy_state, python_state = self._initial_states
        for generator, state in zip(self._generators, torch_states, strict=True):
            generator.set_state(state)
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
