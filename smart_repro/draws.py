"""The global random generators while a method's hooks run: what a hook draws from them depends on its place in the run.

Built-in methods draw from generators of their own (:mod:`smart_repro.seeding`). A method from elsewhere may call
``torch.rand`` or ``random.random``; seeded before each hook, it draws the same in every run of the same seed, and in a
run that was interrupted and gone on with.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

from smart_repro.seeding import derive


class GlobalDraws:
    """Seeds the generators of torch (of the CPU and of one device), numpy and the standard library.

    Args:
        seed: of the run's dropout masks.
        device: where the model is.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._generators = [torch.default_generator]
        if device.type == "cuda":
            self._generators.append(torch.cuda.default_generators[device.index or 0])
        self._before: tuple[Any, ...] = (
            [generator.get_state() for generator in self._generators],
            np.random.get_state(),  # noqa: NPY002  (the global generator is what is meant)
            random.getstate(),
        )

    def seed(self, hook: str, update: int, micro: int = 0) -> None:
        """Before a hook: ``update`` counts finished updates, ``micro`` micro-batches over all processes."""
        number = derive(self._seed, "plug-in", hook, update, micro)
        for generator in self._generators:
            generator.manual_seed(number)
        np.random.seed(number % 2**32)  # noqa: NPY002
        random.seed(number)

    def restore(self) -> None:
        """Leave the generators as they were."""
        of_torch, of_numpy, of_python = self._before
        for generator, state in zip(self._generators, of_torch, strict=True):
            generator.set_state(state)
        np.random.set_state(of_numpy)  # noqa: NPY002
        random.setstate(of_python)
