"""Time MethodTrainer's update against the suite's own loop.

``python -m benchmarks.speed.trainer --model tiny --method smart``.

CPU time of whole updates (batch, passes, optimiser, logging), both in turn in one process on the same examples, so that
other load on the machine affects both. The ratio is the median over rounds.
"""

from __future__ import annotations

import argparse
import copy
import logging
import statistics
import tempfile
import time
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, TrainerCallback, TrainingArguments

from benchmarks.training import models
from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer
from smart_repro.methods import build
from smart_repro.models import load
from smart_repro.train import TrainConfig, train

BATCH, LENGTH, WARM = 16, 32, 5
UPDATES = {"tiny": 60, "minilm": 15}


class Clock(TrainerCallback):
    """Trainer callback that stores the CPU seconds at the end of each update."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        """Store the CPU time."""
        self.times.append(time.process_time())


def seconds(times: list[float]) -> float:
    """Return the CPU seconds of an update after the first ``WARM``."""
    return (times[-1] - times[WARM - 1]) / (len(times) - WARM)


def with_trainer(model: nn.Module, method: str, data: Encoded) -> float:
    """Return the CPU seconds of an update of MethodTrainer."""
    rows = [{name: value[0] for name, value in data.batch(np.array([row])).items()} for row in range(len(data))]
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder,
            use_cpu=True,
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
            num_train_epochs=1,
            per_device_train_batch_size=BATCH,
            learning_rate=1e-4,
            logging_steps=20,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        )
        MethodTrainer(
            copy.deepcopy(model),
            arguments,
            train_dataset=rows,
            data_collator=_stack,
            method=build(method),
            callbacks=[clock],
        ).train()
    return seconds(clock.times)


def with_suite(model: nn.Module, method: str, data: Encoded) -> float:
    """Return the CPU seconds of an update of the suite's loop, whose stop callback serves as the clock."""
    times: list[float] = []

    def ticked() -> bool:
        times.append(time.process_time())
        return False

    config = TrainConfig(epochs=1, batch_size=BATCH, learning_rate=1e-4)
    train(copy.deepcopy(model), build(method), data, config, should_stop=ticked, cpu=True)
    return seconds(times)


def _stack(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}


def _model(name: str) -> nn.Module:
    if name == "minilm":
        return load(models.resolve(name).folder, num_labels=2)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=538, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=256
    )
    return BertForSequenceClassification(config)


def _data(examples: int) -> Encoded:
    rng = np.random.default_rng(0)
    columns = {"input_ids": rng.integers(5, 500, examples * LENGTH), "token_type_ids": np.zeros(examples * LENGTH, int)}
    offsets = np.arange(examples + 1) * LENGTH
    return Encoded(columns, offsets, dict.fromkeys(columns, 0), np.arange(examples), rng.integers(0, 2, examples))


def main() -> None:
    """Print each round and the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(UPDATES), default="tiny")
    parser.add_argument("--method", default="smart")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    model, data = _model(options.model), _data(UPDATES[options.model] * BATCH)
    ways = {"trainer": with_trainer, "suite": with_suite}
    ratios = []
    for number in range(options.rounds):
        order = list(ways) if number % 2 else list(ways)[::-1]
        took = {name: ways[name](model, options.method, data) for name in order}
        ratios.append(took["trainer"] / took["suite"])
        print(f"{1e3 * took['trainer']:.2f} ms, suite {1e3 * took['suite']:.2f} ms: {ratios[-1]:.3f}", flush=True)
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"{options.model} {options.method}: median ratio {middle:.3f} ({low:.3f} to {high:.3f}), n = {len(ratios)}")


if __name__ == "__main__":
    main()
