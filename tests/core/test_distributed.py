"""Two processes are one: run as a script this file is the worker, under pytest it starts the workers and compares.

Dropout is off and noise belongs to the example, so that an update's gradient must not depend on who computes it. All is
float64, because Adam would scale up the rounding noise of gradients that are 0 in theory.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from smart_repro import train as loop
from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded, Mixed
from smart_repro.heads import MultiTask
from smart_repro.hf import MethodTrainer
from smart_repro.methods import METHODS, Method, build
from smart_repro.train import Interrupted, MissingSignalError, Observer, TrainConfig

EXAMPLES, UPDATES = 25, 6  # of 8: the last update of an epoch has one example, so one process has none
OPTIONS: dict[str, dict[str, Any]] = {"sda": {"K": 2}, "sdv": {"K": 2}, "gradual-unfreezing": {"opening": 0.5}}
SEVERAL = ("vanilla", "smart", "sda")  # of several tasks, too
pytestmark = pytest.mark.slow


# -- the worker --------------------------------------------------------------------------------------------------------


class Kept(Observer):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self.epochs: list[int] = []

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.rows += rows

    def epoch(self, epoch: int, step: int, model: Any, *, last: bool) -> None:
        self.epochs.append(epoch)


def little_bert() -> Any:
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.2,
    )
    model = BertForSequenceClassification(config)
    model.spare = torch.nn.Linear(2, 2)  # no pass uses it
    return model.double()


def toy() -> Encoded:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 12, EXAMPLES)
    tokens = rng.integers(5, 40, lengths.sum()).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Encoded({"input_ids": tokens}, offsets, {"input_ids": 0}, np.arange(EXAMPLES), rng.integers(0, 2, EXAMPLES))


def several() -> MultiTask:
    """Two tasks on one encoder: a classification and a regression."""
    model, score = little_bert(), little_bert()
    score.classifier, score.config.num_labels = torch.nn.Linear(16, 1).double(), 1
    return MultiTask({"class": model, "score": score})


def toys() -> Mixed:
    data = toy()
    return Mixed({"class": data, "score": replace(data, labels=np.linspace(0, 5, EXAMPLES))})


def silenced(run: Any) -> None:
    """r-drop has no signal without dropout, and says so at the end."""
    try:
        run()
    except MissingSignalError as error:
        assert "r-drop" in str(error)  # noqa: PT017


def recorded(optimizer: torch.optim.Optimizer, gradients: list[torch.Tensor]) -> None:
    def keep(chosen: torch.optim.Optimizer, *_: Any) -> None:
        found = [p.grad for group in chosen.param_groups for p in group["params"]]
        gradients.append(torch.cat([g.flatten() for g in found if g is not None]).clone())

    optimizer.register_step_pre_hook(keep)


def flat(content: Any) -> list[Any]:
    """Every tensor and number of a state, in order."""
    if isinstance(content, dict):
        return [leaf for value in content.values() for leaf in flat(value)]
    if isinstance(content, list | tuple):
        return [leaf for value in content for leaf in flat(value)]
    return [content]


def outcome(method: Method, model: Any, gradients: list[torch.Tensor], rows: list[dict[str, float]]) -> dict[str, Any]:
    return {
        "gradients": gradients,
        "weights": [parameter.detach() for parameter in model.parameters()],
        "memory": flat(method.state_dict()),
        "rows": rows,
    }


def in_the_loop(name: str, accumulation: int, model: Any = None, data: Any = None) -> dict[str, Any]:
    gradients: list[torch.Tensor] = []
    original = loop.optim.build

    def recording(*args: Any, **options: Any) -> torch.optim.Optimizer:
        optimizer = original(*args, **options)
        recorded(optimizer, gradients)
        return optimizer

    loop.optim.build = recording
    method, model, kept = build(name, **OPTIONS.get(name, {})), model or little_bert(), Kept()
    config = TrainConfig(
        epochs=9, max_steps=UPDATES, batch_size=8, accumulation=accumulation, learning_rate=1e-3, warmup=0.0, clip=0.5
    )
    try:
        silenced(lambda: loop.train(model, method, data or toy(), config, observer=kept, cpu=True))
    finally:
        loop.optim.build = original
    return outcome(method, model, gradients, kept.rows) | {"epochs": kept.epochs}


def in_the_trainer(name: str, processes: int, folder: Path) -> dict[str, Any]:
    from transformers import TrainingArguments

    gradients: list[torch.Tensor] = []

    class Recording(MethodTrainer):
        def create_optimizer(self, model: Any = None) -> torch.optim.Optimizer:
            optimizer = super().create_optimizer(model)
            recorded(optimizer, gradients)
            return optimizer

    method, model, data = build(name, **OPTIONS.get(name, {})), little_bert(), toy()
    args = TrainingArguments(
        str(folder / name),
        use_cpu=True,
        report_to="none",
        disable_tqdm=True,
        save_strategy="no",
        learning_rate=1e-3,
        max_steps=UPDATES,
        per_device_train_batch_size=4 // processes,
        gradient_accumulation_steps=2,
        logging_steps=1,
        remove_unused_columns=False,
        train_sampling_strategy="sequential",
        max_grad_norm=0.5,
    )
    run = Recording(
        model,
        args,
        train_dataset=list(range(24)),
        data_collator=lambda rows: data.batch(np.array(rows)),
        method=method,
    )
    silenced(run.train)
    rows = [line for line in run.state.log_history if "loss" in line]
    return outcome(method, model, gradients, rows)


def resumed(rank: int, folder: Path) -> dict[str, Any]:
    """Stop on one process's request, and resume from what the first process wrote."""
    results = {}
    for name in ("smart", "freeat"):
        path = folder / f"{name}.pt"
        config = TrainConfig(epochs=9, max_steps=UPDATES, batch_size=8, learning_rate=1e-3, warmup=0.0)
        asked = iter(range(1, 100))
        checkpoint = Checkpoint(path)
        try:
            loop.train(
                little_bert(),
                build(name),
                toy(),
                config,
                cpu=True,
                checkpoint=checkpoint,
                should_stop=lambda asked=asked: rank == 0 and next(asked) == 2,
            )
            raise AssertionError("it was to stop")
        except Interrupted as stop:
            stopped = str(stop)
        torch.distributed.barrier()
        method, model = build(name), little_bert()
        loop.train(model, method, toy(), config, cpu=True, checkpoint=checkpoint)
        whole, straight = build(name), little_bert()
        loop.train(straight, whole, toy(), config, cpu=True)
        results[name] = {
            "stopped": stopped,
            "resumed": outcome(method, model, [], []),
            "straight": outcome(whole, straight, [], []),
        }
    return results


def work(folder: Path) -> None:
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    results: dict[str, Any] = {}
    for name in METHODS:
        results[f"loop {name}"] = in_the_loop(name, 1 if name in ("freelb", "smart") else 2)
        results[f"trainer {name}"] = in_the_trainer(name, processes, folder)
    for name in SEVERAL:
        results[f"several {name}"] = in_the_loop(name, 1, several(), toys())
    if processes > 1:
        results["resumed"] = resumed(rank, folder)
        results["main"] = rank == 0
    torch.save(results, folder / f"{processes}-{rank}.pt")


# -- the comparison ----------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(folder: Path, rank: int, processes: int, port: int) -> subprocess.Popen[str]:
    places = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": processes,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    root = str(Path(__file__).resolve().parents[2])
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": root, "ACCELERATE_USE_CPU": "true"}
    if processes > 1:
        environment |= {key: str(value) for key, value in places.items()}
    return subprocess.Popen(
        [sys.executable, __file__, str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Return the result of one process, and of each of two."""
    folder, port = tmp_path_factory.mktemp("workers"), free_port()
    for processes in (1, 2):
        workers = [started(folder, rank, processes, port) for rank in range(processes)]
        for worker in workers:
            output = worker.communicate(timeout=500)[0]
            assert worker.returncode == 0, output[-4000:]
    return {name: torch.load(folder / f"{name}.pt", weights_only=True) for name in ("1-0", "2-0", "2-1")}


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "lora":
        pytest.importorskip("peft")
    return request.param


@pytest.mark.parametrize("where", ["loop", "trainer"])
def test_two_processes_take_the_gradients_of_one(where: str, name: str, results: dict[str, dict[str, Any]]) -> None:
    """Each of the six clipped gradients, absolute tolerance 1e-6 (their norm is up to 0.5), and the weights after."""
    same_gradients(f"{where} {name}", results)


@pytest.mark.parametrize("name", SEVERAL)
def test_two_processes_take_the_gradients_of_one_with_several_tasks(
    name: str, results: dict[str, dict[str, Any]]
) -> None:
    """Only the batch's own head has one, in each process."""
    same_gradients(f"several {name}", results)


def same_gradients(what: str, results: dict[str, dict[str, Any]]) -> None:
    one, first, second = (results[key][what] for key in ("1-0", "2-0", "2-1"))
    assert len(one["gradients"]) == UPDATES
    for single, *joint in zip(one["gradients"], first["gradients"], second["gradients"], strict=True):
        for other in joint:
            torch.testing.assert_close(other, single, rtol=0, atol=1e-6)
    for single, *joint in zip(one["weights"], first["weights"], second["weights"], strict=True):
        for other in joint:
            torch.testing.assert_close(other, single, rtol=0, atol=1e-6)


@pytest.mark.parametrize("where", ["loop", "trainer"])
def test_teachers_are_the_same_everywhere(where: str, name: str, results: dict[str, dict[str, Any]]) -> None:
    """Bit for bit between processes."""
    first, second = (results[key][f"{where} {name}"]["memory"] for key in ("2-0", "2-1"))
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


@pytest.mark.parametrize("where", ["loop", "trainer"])
def test_what_is_logged_is_that_of_the_joint_batch(where: str, name: str, results: dict[str, dict[str, Any]]) -> None:
    """One process reports, and its numbers are those of a single one."""
    one, first, second = (results[key][f"{where} {name}"]["rows"] for key in ("1-0", "2-0", "2-1"))
    assert len(one) == len(first) == UPDATES
    if where == "loop":
        assert second == []
    for a, b in zip(one, first, strict=True):
        for key in set(a) - {"tokens", "grad_norm", "stuck", "embedding_rms"}:
            assert b[key] == pytest.approx(a[key], rel=1e-5, abs=1e-9), key


def test_only_the_first_process_evaluates(results: dict[str, dict[str, Any]]) -> None:
    assert results["2-0"]["loop vanilla"]["epochs"] == results["1-0"]["loop vanilla"]["epochs"] == [1, 2]
    assert results["2-1"]["loop vanilla"]["epochs"] == []


@pytest.mark.parametrize(("name", "stops"), [("smart", 2), ("freeat", 3)])
def test_a_stopped_run_of_two_goes_on_exactly(name: str, stops: int, results: dict[str, dict[str, Any]]) -> None:
    """Both stop where the first is asked to; FreeAT first finishes its replays, whose perturbations are spread."""
    for rank in ("2-0", "2-1"):
        found = results[rank]["resumed"][name]
        assert found["stopped"] == f"stopped after update {stops} of {UPDATES}"
        for part in ("weights", "memory"):
            for a, b in zip(found["resumed"][part], found["straight"][part], strict=True):
                assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


if __name__ == "__main__":
    torch.set_num_threads(1)
    work(Path(sys.argv[1]))
