"""Time a few real updates and predictions of a run, for forecasts."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np

from benchmarks.spec import RunSpec
from benchmarks.tasks.own import enter
from benchmarks.training.compaction import compact
from benchmarks.training.environment import peak_memory
from benchmarks.training.execute import new_model, train_config
from benchmarks.training.job import Job, Outcome
from benchmarks.training.prepared import prepare
from smart_repro.encoding import Encoded, Mixed
from smart_repro.evaluation import predict
from smart_repro.methods import build
from smart_repro.models import for_task
from smart_repro.sampler import pieces
from smart_repro.train import Interrupted, Observer, train

_WARM_UP, _ENOUGH, _AT_MOST, _SECONDS = 2, 6, 40, 5.0  # updates left out, timed at least and at most; time to spend


_SAMPLE = 64  # examples whose prediction is timed


def timed(job: Job) -> Outcome:
    """Time a few real updates and predictions of a run; its results are discarded."""
    import torch

    run, began = job.spec, time.perf_counter()
    torch.set_num_threads(run.threads)
    enter(run.definitions)
    data = prepare(run, job.source)
    model = new_model(run)
    compact(run, data, model)
    prepared = time.perf_counter()
    watch = _Watch(torch.cuda.synchronize if torch.cuda.is_available() else lambda: None)
    method, config = build(run.method, **dict(run.options)), train_config(run)
    with contextlib.suppress(Interrupted):
        train(model, method, data.train, config, observer=watch, should_stop=watch.tick)
    timing = {
        "preparation": prepared - began,
        "training": watch.mean_update(_mean_tokens(run, data.train)),
        "updates": 1,
        "evaluation": sum(_prediction_seconds(for_task(model, e.head), e.encoded, run) for e in data.evaluated),
        "predictions": sum(len(e.rows) for e in data.evaluated),
        "memory": peak_memory(),
    }
    return Outcome(job.key, "timed", seconds=time.perf_counter() - began, timing=timing)


class _Watch(Observer):
    """Observer and stop callback of the training loop that stores the time of each update."""

    def __init__(self, synchronize: Any) -> None:
        self._synchronize = synchronize
        self._times = [time.perf_counter()]
        self._tokens: list[int] = []

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self._tokens += [int(row["tokens"]) for row in rows]

    def tick(self) -> bool:
        self._synchronize()
        self._times.append(time.perf_counter())
        count = len(self._times) - 1 - _WARM_UP
        spent = self._times[-1] - self._times[min(_WARM_UP, len(self._times) - 1)]
        return count >= _ENOUGH and (spent >= _SECONDS or count >= _AT_MOST)

    def mean_update(self, tokens: float) -> float:
        """Return the mean seconds of an update with so many padded tokens, scaled from the timed ones."""
        seconds, tokens_seen = np.diff(self._times), np.array(self._tokens, dtype=float)
        left_out = min(_WARM_UP, len(seconds) - 1)
        seconds, tokens_seen = seconds[left_out:], tokens_seen[left_out : len(seconds)]
        return float(seconds.sum() / tokens_seen.sum() * tokens)


def _mean_tokens(run: RunSpec, data: Encoded | Mixed) -> float:
    updates, lengths = data.updates(run.batch_size, 0, 0), data.lengths
    return float(np.mean([sum(lengths[p].max() * len(p) for p in pieces(u, run.accumulation)) for u in updates]))


def _prediction_seconds(model: Any, data: Any, run: RunSpec) -> float:
    """Return the seconds of predicting a whole split, scaled from a sample of its lengths."""
    order = np.argsort(data.lengths, kind="stable")
    rows = np.unique(order[np.linspace(0, len(order) - 1, min(_SAMPLE, len(order))).astype(int)])
    places = np.concatenate([np.arange(data.offsets[row], data.offsets[row + 1]) for row in rows])
    sample = Encoded(
        {name: values[places] for name, values in data.columns.items()},
        np.concatenate([[0], np.cumsum(data.lengths[rows])]),
        data.padding,
        data.ids[rows],
        data.labels[rows],
        data.left,
    )
    began = time.perf_counter()
    predict(model, sample, precision=run.precision)
    return (time.perf_counter() - began) * float(data.lengths.sum() / sample.lengths.sum())
