"""MT-DNN: one encoder, a head per task, batches of one task each in proportion to size, any method under it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from smart_repro.checkpoint import Checkpoint
from smart_repro.encoding import Encoded, Mixed
from smart_repro.evaluation import predict
from smart_repro.heads import MultiTask
from smart_repro.methods import METHODS, build
from smart_repro.methods.base import Method
from smart_repro.models import embedding_site, head_parameters, load_multitask, target
from smart_repro.sampler import mixed_batches, update_batches
from smart_repro.train import Interrupted, Observer, TrainConfig, plan, train

Tiny = Callable[..., nn.Module]
Toy = Callable[..., Encoded]
OUTPUTS = {"two": 2, "score": 1, "three": 3}
SIZES = {"two": 24, "score": 8, "three": 16}
OPTIONS: dict[str, dict[str, object]] = {"gradual-unfreezing": {"opening": 0.3}}


@pytest.fixture(params=METHODS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "lora":
        pytest.importorskip("peft")
    return request.param


@pytest.fixture
def several(tiny: Tiny) -> Callable[..., MultiTask]:
    """Return a builder of a shared encoder with three heads: two classes, a regression, three classes."""

    def build(dropout: float = 0.1, outputs: Mapping[str, int] = OUTPUTS) -> MultiTask:
        return MultiTask({task: tiny(count, dropout) for task, count in outputs.items()}).train()

    return build


@pytest.fixture
def mixed(toy: Toy) -> Mixed:
    return Mixed({task: toy(SIZES[task], count, seed) for seed, (task, count) in enumerate(OUTPUTS.items())})


@pytest.fixture
def trained(several: Callable[..., MultiTask], mixed: Mixed) -> Callable[..., nn.Module]:
    """Trains the three tasks together with a method; 6 updates an epoch."""

    def run(name: str, *, model: nn.Module | None = None, rest: dict[str, Any] | None = None, **config: Any) -> Any:
        chosen = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "warmup": 0.0, **config}
        method, model = build(name, **OPTIONS.get(name, {})), several() if model is None else model
        return train(model, method, mixed, TrainConfig(**chosen), cpu=True, **(rest or {}))

    return run


def equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# --- every method ---


def test_two_updates_of_each_kind_of_task_are_finite(
    name: str, several: Callable[..., MultiTask], mixed: Mixed
) -> None:
    model, method = several(), build(name, **OPTIONS.get(name, {}))
    method.setup(model, 6)
    optimizer = torch.optim.AdamW([g for g in method.param_groups(model, 1e-3, 0.01) if g["params"]])
    firsts = np.cumsum([0, *SIZES.values()])
    for step in range(3 * max(2, method.replays)):
        first = int(firsts[step // max(2, method.replays)])
        method.begin(0, step % method.replays, step)
        loss = method.backward(model, mixed.batch(np.arange(first, first + 8)), torch.Tensor.backward)
        assert torch.isfinite(loss.total)
        assert all(torch.isfinite(part) for part in loss.parts.values())
        assert any(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())
        optimizer.step()
        optimizer.zero_grad()
        method.after_step(model, step + 1)


def test_only_the_head_of_the_batch_gets_a_gradient(name: str, several: Callable[..., MultiTask], mixed: Mixed) -> None:
    model, method = several(), build(name, **OPTIONS.get(name, {}))
    method.setup(model, 6)
    method.begin(0, 0, 0)
    loss = method.backward(model, mixed.batch(np.arange(24, 32)), torch.Tensor.backward)
    assert torch.isfinite(loss.total)
    touched = {task for task in OUTPUTS for p in head_of(model, task) if p.grad is not None}
    assert touched == {"score"}


def test_stopping_and_resuming_equals_not_stopping(
    name: str, trained: Callable[..., nn.Module], several: Callable[..., MultiTask], tmp_path: Path
) -> None:
    """Bit for bit, from a checkpoint after 2 of 6 updates."""
    straight = trained(name)
    checkpoint, asked = Checkpoint(tmp_path / "state.pt"), iter(range(1, 100))
    with pytest.raises(Interrupted):
        trained(name, rest={"checkpoint": checkpoint, "should_stop": lambda: next(asked) == 2})
    torch.manual_seed(123)
    assert equal(straight, trained(name, rest={"checkpoint": checkpoint}))
    assert not equal(straight, several())


def test_one_task_alone_gives_the_numbers_of_single_task_training(name: str, tiny: Tiny, toy: Toy) -> None:
    """Bit for bit: the same order, masks, noise and initial head; every method's own weights too."""
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-3, warmup=0.0)
    alone, data = tiny(3), toy(20, 3)
    single = train(alone, build(name, **OPTIONS.get(name, {})), data, config, cpu=True)
    many = train(
        MultiTask({"only": tiny(3)}), build(name, **OPTIONS.get(name, {})), Mixed({"only": data}), config, cpu=True
    )
    assert equal(single, many.tasks["only"])


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda"])
def test_accumulating_two_halves_equals_one_batch(
    name: str, several: Callable[..., MultiTask], trained: Callable[..., nn.Module]
) -> None:
    results = []
    for accumulation in (1, 2):
        model = several(dropout=0.0).double()
        trained(name, model=model, accumulation=accumulation, max_steps=4)
        results.append(model)
    for a, b in zip(results[0].parameters(), results[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)


# --- the model ---


def head_of(model: MultiTask, task: str) -> list[nn.Parameter]:
    return head_parameters(model.tasks[task])


def test_the_encoder_is_one_and_the_heads_are_the_tasks_own(several: Callable[..., MultiTask], tiny: Tiny) -> None:
    model, alone = several(), tiny(2)
    encoder = sum(p.numel() for p in alone.base_model.parameters())
    heads = sum(p.numel() for task in OUTPUTS for p in head_of(model, task))
    assert sum(p.numel() for p in model.parameters()) == encoder + heads
    assert {id(each.base_model) for each in model.tasks.values()} == {id(model.base_model)}
    assert {id(p) for p in head_parameters(model)} == {id(p) for task in OUTPUTS for p in head_of(model, task)}
    assert embedding_site(model, "block") is model.base_model.embeddings
    assert embedding_site(model, "word") is model.base_model.embeddings.word_embeddings


def test_a_batch_goes_to_its_tasks_classifier(several: Callable[..., MultiTask], mixed: Mixed) -> None:
    model = several().eval()
    targets, firsts = [], np.cumsum([0, *SIZES.values()])
    for (task, count), first in zip(OUTPUTS.items(), firsts, strict=False):
        batch = mixed.batch(np.arange(first, first + 4))
        targets.append(target(model, batch))
        inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
        logits = model(**inputs, task=batch["task"]).logits
        assert logits.shape == (4, count)
        assert torch.equal(logits, model.tasks[task](**inputs).logits)
        again = predict(model.tasks[task], mixed.tasks[task])[:4]
        assert np.allclose(again, logits.detach().numpy(), atol=1e-6)
    assert targets == ["classification", "regression", "classification"]


def test_a_batch_without_a_task_is_refused(several: Callable[..., MultiTask], mixed: Mixed) -> None:
    batch = mixed.batch(np.arange(4))
    del batch["task"]
    model, method = several(), build("smart")
    method.setup(model, 10)
    with pytest.raises(ValueError, match=r"has no entry .task.* two, score, three"):
        method.loss(model, batch)


def test_a_model_without_tasks_and_one_without_an_encoder_are_refused(linear_model: Callable[..., nn.Module]) -> None:
    with pytest.raises(ValueError, match="at least one task"):
        MultiTask({})
    with pytest.raises(ValueError, match="LinearModel does not name its encoder"):
        MultiTask({"a": linear_model([1.0, 2.0])})


def test_a_teacher_averages_all_heads(several: Callable[..., MultiTask], mixed: Mixed) -> None:
    """After an update of one task the teacher of SDA has moved that head, and lent the other heads their start."""
    model, method = several(), build("sda", K=1)
    start = {task: [p.detach().clone() for p in head_of(model, task)] for task in OUTPUTS}
    train(model, method, mixed, TrainConfig(max_steps=2, batch_size=8, learning_rate=1e-2), cpu=True)
    teacher = method.terms[0][1].teacher
    moved = {
        task
        for task in OUTPUTS
        if any(not torch.equal(a, b) for a, b in zip(start[task], head_of(teacher, task), strict=True))
    }
    assert moved
    assert moved <= set(OUTPUTS)
    assert sum(1 for _ in teacher.parameters()) == sum(1 for _ in model.parameters())


@pytest.mark.parametrize("head", ["pooler", "cls", "mean"])
def test_loading_gives_each_task_the_head_it_has_alone(head: str, minilm_folder: Path) -> None:
    from smart_repro.models import load

    rates = {"score": 0.3}
    model = load_multitask(minilm_folder, OUTPUTS, head=head, head_dropout=0.2, head_dropouts=rates, seed=4, layers=1)
    for task, count in OUTPUTS.items():
        alone = load(minilm_folder, num_labels=count, head=head, seed=4, layers=1)
        assert equal(model.tasks[task], alone)
        assert model.tasks[task].dropout.p == (0.3 if task == "score" else 0.2)


# --- the order of data ---


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 120), min_size=1, max_size=5), st.integers(1, 20), st.integers(0, 3))
def test_an_epoch_holds_every_example_of_every_task_once_and_no_update_mixes(
    sizes: list[int], size: int, epoch: int
) -> None:
    rng = np.random.default_rng(0)
    lengths = [rng.integers(1, 50, count) for count in sizes]
    batches = mixed_batches(lengths, size, seed=1, epoch=epoch)
    ends = np.cumsum(sizes)
    assert sorted(np.concatenate(batches).tolist()) == list(range(sum(sizes)))
    owners = [set(np.searchsorted(ends, batch, side="right").tolist()) for batch in batches]
    assert all(len(owner) == 1 for owner in owners)
    counted = Counter(owner.pop() for owner in owners)
    assert counted == {task: -(-count // size) for task, count in enumerate(sizes)}
    assert len(batches) == plan(sizes, TrainConfig(batch_size=size, epochs=1)).total


def test_a_tasks_own_updates_come_as_when_it_is_trained_alone() -> None:
    rng = np.random.default_rng(0)
    lengths = [rng.integers(1, 50, count) for count in (300, 70)]
    batches = mixed_batches(lengths, 16, seed=5, epoch=2)
    for first, own in ((0, lengths[0]), (300, lengths[1])):
        mine = [batch - first for batch in batches if first <= batch[0] < first + len(own)]
        alone = update_batches(own, 16, seed=5, epoch=2)
        assert [batch.tolist() for batch in mine] == [batch.tolist() for batch in alone]


def test_tasks_take_turns_in_proportion_to_their_size_from_the_start() -> None:
    """Over 200 seeds the first ten updates of an epoch have the tasks' shares, to 3 standard errors."""
    lengths = [np.full(count, 8) for count in (1200, 300, 100)]
    seen: Counter[int] = Counter()
    for seed in range(200):
        for batch in mixed_batches(lengths, 16, seed, epoch=0)[:10]:
            seen[int(np.searchsorted([1200, 1500, 1600], batch[0], side="right"))] += 1
    for task, share in enumerate((0.75, 0.19, 0.06)):  # of 75, 19 and 7 updates
        assert abs(seen[task] / 2000 - share) < 3 * (share * (1 - share) / 2000) ** 0.5 + 0.01


def test_a_batch_knows_its_task_and_keeps_the_examples_numbers(mixed: Mixed) -> None:
    batch = mixed.batch(np.array([25, 24]))
    assert int(batch["task"]) == 1
    assert batch["example_id"].tolist() == [1, 0]
    assert batch["labels"].dtype == torch.float32
    with pytest.raises(ValueError, match="a batch must be of one task; these examples are of 2 tasks"):
        mixed.batch(np.array([23, 24]))


def test_an_empty_task_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to train on"):
        plan([10, 0], TrainConfig())


def test_the_loop_reports_every_update(several: Callable[..., MultiTask], mixed: Mixed) -> None:
    class Log(Observer):
        def __init__(self) -> None:
            self.rows: list[dict[str, float]] = []
            self.epochs: list[int] = []

        def steps(self, rows: list[dict[str, float]], total: int) -> None:
            self.rows += rows

        def epoch(self, epoch: int, step: int, model: nn.Module, *, last: bool) -> None:
            self.epochs.append(step)

    log = Log()
    config = TrainConfig(epochs=2, batch_size=8, learning_rate=1e-3)
    train(several(), build("smart"), mixed, config, observer=log, cpu=True)
    assert [row["step"] for row in log.rows] == list(range(1, 13))
    assert log.epochs == [6, 12]
    assert all(row["smoothness"] > 0 for row in log.rows)


def test_a_method_may_be_given_without_the_loop(several: Callable[..., MultiTask], mixed: Mixed) -> None:
    method: Method = build("bregman", beta=0.5)
    model = several()
    method.setup(model, 4)
    losses: list[Tensor] = [method.loss(model, mixed.batch(np.arange(24 + i, 28 + i))).total for i in (0, 4)]
    assert all(torch.isfinite(loss) for loss in losses)
