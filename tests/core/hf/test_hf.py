"""MethodTrainer: the same training as the suite's own loop, and what users of the Trainer expect around it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import EvalPrediction, TrainerCallback, TrainingArguments

from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer
from smart_repro.methods import METHODS, Method, build
from smart_repro.models import load
from smart_repro.sampler import update_batches
from smart_repro.train import MissingSignalError, Observer, TrainConfig, train

Tiny = Callable[..., nn.Module]
Toy = Callable[..., Encoded]
SILENT_WITHOUT_DROPOUT = {"r-drop"}
LOGGED_PARTS = {"task", "smoothness", "bregman", "distillation", "adversarial", "consistency"}


OWN_PASSES = {"smart", "sda", "sdv", "freeat", "freelb", "self-ensemble"}  # the others are like one of these


@pytest.fixture(params=[name if name in OWN_PASSES else pytest.param(name, marks=pytest.mark.slow) for name in METHODS])
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "lora":
        pytest.importorskip("peft")
    return request.param


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "max_grad_norm": 0.0,
        "num_train_epochs": 3,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        "remove_unused_columns": False,
        "train_sampling_strategy": "sequential",
        "seed": 0,
    }
    return TrainingArguments(output_dir=str(folder), **{**settings, **options})


def rows(data: Encoded) -> list[dict[str, Any]]:
    """Return the examples as a data set of dictionaries, as tokenised data sets have them."""
    return [{key: value[0].tolist() for key, value in data.batch(np.array([i])).items()} for i in range(len(data))]


def collate(examples: list[dict[str, Any]]) -> dict[str, Tensor]:
    """Pad on the right, as a tokenizer does."""
    width = max(len(example["input_ids"]) for example in examples)
    batch = {
        key: torch.tensor([example[key] + [0] * (width - len(example[key])) for example in examples])
        for key in ("input_ids", "attention_mask")
    }
    scalars = [key for key in examples[0] if key not in batch]
    return {**batch, **{key: torch.tensor([example[key] for example in examples]) for key in scalars}}


def trainer(method: Method | str, model: nn.Module, folder: Path, data: Encoded, **options: Any) -> MethodTrainer:
    given = {
        key: options.pop(key)
        for key in list(options)
        if key in ("compute_metrics", "callbacks", "optimizers", "compute_loss_func", "eval_dataset", "model_init")
    }
    return MethodTrainer(
        None if "model_init" in given else model,
        arguments(folder, **options),
        train_dataset=rows(data),
        data_collator=collate,
        method=method,
        **given,
    )


def logged(trainer: MethodTrainer) -> list[dict[str, float]]:
    return [line for line in trainer.state.log_history if "loss" in line]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


class Rows(Observer):
    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def steps(self, rows: list[dict[str, float]], total: int) -> None:
        self.rows += rows


# -- the same training -------------------------------------------------------------------------------------------------


def test_it_is_the_suites_own_loop(name: str, tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    """The same batches in the same order: each logged part, and every weight after six updates, bit for bit."""
    data, ours, log = toy(16), tiny(), Rows()
    config = TrainConfig(epochs=3, batch_size=8, learning_rate=1e-3, warmup=0.0, clip=None)
    method = build(name)
    result = train(ours, method, data, config, observer=log, cpu=True)
    epochs = max(1, round(3 / method.replays))
    order = [row for epoch in range(epochs) for batch in update_batches(data.lengths, 8, 0, epoch) for row in batch]
    theirs = tiny()
    run = MethodTrainer(
        theirs,
        arguments(tmp_path, num_train_epochs=method.replays),
        train_dataset=order,
        data_collator=lambda chosen: data.batch(np.array(chosen)),
        method=build(name),
    )
    run.train()
    assert len(log.rows) == 6
    for mine, line in zip(log.rows, logged(run), strict=True):
        shared = set(mine) - {"epoch", "lr", "tokens"}
        assert shared >= {"loss", "step", *(LOGGED_PARTS & set(line))}
        for key in shared - {"loss"}:
            assert line[key] == mine[key], key
        assert line["loss"] == pytest.approx(mine["loss"], rel=1e-6)
        assert line["learning_rate"] == pytest.approx(mine["lr"])
    assert same(ours, theirs)
    assert same(result, run.eval_model)


def test_two_halves_are_one_batch(name: str, tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    """2 x 4 = 1 x 8 without dropout, with a short last update (20 examples); float64, absolute tolerance 1e-7."""
    results = []
    for accumulation in (1, 2):
        model = tiny(dropout=0.0).double()
        silent: tuple[type[Exception], ...] = (MissingSignalError,) if name in SILENT_WITHOUT_DROPOUT else ()
        run = trainer(
            name,
            model,
            tmp_path,
            toy(20),
            gradient_accumulation_steps=accumulation,
            per_device_train_batch_size=8 // accumulation,
            num_train_epochs=2,
        )
        with suppress(*silent):
            run.train()
        results.append((model, logged(run)))
    (one, lines), (two, others) = results
    for (key, a), b in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7, msg=lambda m, key=key: f"{key}: {m}")
    assert [line["loss"] for line in lines] == pytest.approx([line["loss"] for line in others], rel=1e-5)


@pytest.mark.parametrize("epochs", [1, 3, 9])
def test_replays_divide_the_epochs_and_repeat_each_update(epochs: int, tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    """FreeAT with m = 3: 10 examples, 2 x 2 per update, are 3 updates a pass; the last has 2 examples, cut in two."""
    seen: list[tuple[int, int, int, list[int]]] = []

    class Watching(METHODS["freeat"]):  # type: ignore[misc]
        def begin(self, micro: int, replay: int, step: int) -> None:
            self.place = (micro, replay, step)
            super().begin(micro, replay, step)

        def backward(self, model: nn.Module, batch: dict[str, Tensor], backward: Callable[[Tensor], None]) -> Any:
            seen.append((*self.place, batch["example_id"].tolist()))
            return super().backward(model, batch, backward)

    run = trainer(
        Watching(m=3),
        tiny(),
        tmp_path,
        toy(10),
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        num_train_epochs=epochs,
    )
    run.train()
    passes = max(1, round(epochs / 3))
    assert run.state.global_step == passes * 3 * 3
    groups = [[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[8], [9]]]
    expected = [
        (micro, replay, (number * len(groups) + group) * 3 + replay, groups[group][micro])
        for number in range(passes)
        for group in range(3)
        for replay in range(3)
        for micro in range(2)
    ]
    assert seen == expected


# -- precision ---------------------------------------------------------------------------------------------------------


def test_under_bf16_both_terms_of_smart_are_float32(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    """R_s and D_Breg of the first update are the float32 numbers; evaluation is bf16."""
    values = {}
    for bf16 in (False, True):
        run = trainer("smart", tiny(), tmp_path, toy(8), max_steps=1, bf16=bf16, eval_dataset=rows(toy(8)))
        run.train()
        values[bf16] = logged(run)[0] | run.evaluate()
    assert values[True]["smoothness"] == values[False]["smoothness"]
    assert values[True]["task"] == values[False]["task"]
    assert values[True]["bregman"] == values[False]["bregman"] > 0
    assert values[True]["eval_loss"] != values[False]["eval_loss"]
    assert values[True]["eval_loss"] == pytest.approx(values[False]["eval_loss"], rel=0.05)


def test_plain_fine_tuning_under_bf16_computes_in_bf16(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    losses = []
    for bf16 in (False, True):
        run = trainer("vanilla", tiny(), tmp_path, toy(8), max_steps=1, bf16=bf16)
        run.train()
        losses.append(logged(run)[0]["loss"])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


def test_training_after_an_evaluation_leaves_no_autocast_behind(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    values = []
    for bf16 in (False, True):
        run = trainer("smoothness", tiny(), tmp_path, toy(8), max_steps=1, bf16=bf16, eval_dataset=rows(toy(8)))
        run.evaluate()
        run.train()
        values.append(logged(run)[0]["smoothness"])
    assert values[0] == values[1]


# -- what users of the Trainer expect ----------------------------------------------------------------------------------


def test_logs_show_means_since_the_last_line(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    every, sparse = (
        trainer("smart", tiny(), tmp_path, toy(16), num_train_epochs=2, logging_steps=steps) for steps in (1, 4)
    )
    every.train()
    sparse.train()
    lines, (line,) = logged(every), logged(sparse)
    for key in ("smoothness", "bregman", "task", "start_share"):
        assert line[key] == pytest.approx(sum(single[key] for single in lines) / 4)
    assert line["max_abs_delta"] == max(single["max_abs_delta"] for single in lines)
    assert 0 < line["max_abs_delta"] <= 1e-5 * (1 + 1e-6)
    assert line["loss"] == pytest.approx(line["task"] + line["smoothness"] + line["bregman"], rel=1e-5)


def accuracy(outcome: EvalPrediction) -> dict[str, float]:
    return {"accuracy": float((outcome.predictions.argmax(-1) == outcome.label_ids).mean())}


def test_metrics_and_callbacks(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    class Counting(TrainerCallback):
        def __init__(self) -> None:
            self.steps: list[int] = []

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.steps.append(state.global_step)
            control.should_training_stop = state.global_step == 3

    counting = Counting()
    run = trainer(
        "sda",
        tiny(),
        tmp_path,
        toy(16),
        compute_metrics=accuracy,
        callbacks=[counting],
        eval_strategy="steps",
        eval_steps=1,
        eval_dataset=rows(toy(12, seed=1)),
    )
    run.train()
    assert counting.steps == [1, 2, 3]
    assert [line["step"] for line in run.state.log_history if "eval_accuracy" in line] == [1, 2, 3]
    prediction = run.predict(rows(toy(12, seed=1)))
    assert prediction.predictions.shape == (12, 2)
    assert prediction.metrics["test_accuracy"] == run.evaluate()["eval_accuracy"]
    with torch.no_grad():
        batch = toy(12, seed=1).batch(np.arange(12))
        model = run.model.eval()
        logits = model(batch["input_ids"], batch["attention_mask"]).logits
    np.testing.assert_allclose(prediction.predictions, logits.numpy(), atol=1e-5)
    assert run.evaluate()["eval_loss"] == pytest.approx(F.cross_entropy(logits, batch["labels"]).item(), rel=1e-5)


def test_columns_that_neither_model_nor_method_reads_are_dropped(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    """``example_id`` is kept for the noise; a text column would not collate."""
    lines = []
    for extra in ({}, {"sentence": "gone"}):
        examples = [{**example, **extra} for example in rows(toy(8))]
        run = MethodTrainer(
            tiny(),
            arguments(tmp_path, max_steps=1, remove_unused_columns=True),
            train_dataset=examples,
            eval_dataset=examples,
            data_collator=collate,
            method="smoothness",
        )
        run.train()
        run.evaluate()
        lines.append(logged(run)[0]["smoothness"])
    assert lines[0] == lines[1]


def test_label_smoothing_and_a_loss_of_ones_own(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    def smoothed(outputs: Any, labels: Tensor, num_items_in_batch: int | None = None) -> Tensor:
        return F.cross_entropy(outputs.logits, labels, label_smoothing=0.2, reduction="sum") / num_items_in_batch

    lines = []
    for options in ({"label_smoothing_factor": 0.2}, {"compute_loss_func": smoothed}, {}):
        run = trainer("smart", tiny(), tmp_path, toy(8), max_steps=1, eval_dataset=rows(toy(8)), **options)
        before = run.evaluate()["eval_loss"]
        run.train()
        lines.append((before, logged(run)[0]["task"]))
    assert lines[0] == pytest.approx(lines[1], rel=1e-6)
    assert abs(lines[0][1] - lines[2][1]) > 1e-3
    assert abs(lines[0][0] - lines[2][0]) > 1e-5


def test_the_suites_own_head_trains_and_evaluates(
    minilm_folder: Path, sentences: dict[str, Tensor], tmp_path: Path
) -> None:
    """A mean-pooled classifier puts out no loss and takes any keyword: the Trainer alone would drop its inputs."""
    examples = [{key: value[i].tolist() for key, value in sentences.items()} for i in range(4)]
    model = load(minilm_folder, num_labels=2, head="mean", layers=1)

    def stack(chosen: list[dict[str, Any]]) -> dict[str, Tensor]:
        return {key: torch.tensor([example[key] for example in chosen]) for key in chosen[0]}

    run = MethodTrainer(
        model,
        arguments(tmp_path, max_steps=1, remove_unused_columns=True),
        train_dataset=examples,
        eval_dataset=examples,
        data_collator=stack,
        method="smart",
        compute_metrics=accuracy,
    )
    run.train()
    assert logged(run)[0]["smoothness"] > 0
    assert set(run.evaluate()) >= {"eval_loss", "eval_accuracy"}


def test_model_init_sets_the_method_up_anew(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    """Two searches from the same seed are the same run; a teacher left over from the first would show."""
    run = trainer("bregman", tiny(), tmp_path, toy(16), model_init=lambda: tiny(), num_train_epochs=1)
    histories = []
    for _ in range(2):
        run.train()
        histories.append([line["bregman"] for line in logged(run)])
    assert histories[0] == histories[1]
    assert histories[0][-1] > 0


def test_an_optimizer_of_ones_own_must_cover_what_is_trained(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    model = tiny()
    partial = torch.optim.SGD(model.classifier.parameters(), lr=0.1)
    with pytest.raises(ValueError, match=r"lacks \d+ parameters that method 'smart' trains: leave `optimizers` out"):
        trainer("smart", model, tmp_path, toy(8), optimizers=(partial, None)).train()
    whole = torch.optim.SGD(model.parameters(), lr=0.1)
    run = trainer("smart", model, tmp_path, toy(8), optimizers=(whole, None), max_steps=1)
    run.train()
    assert run.optimizer.optimizer is whole


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_silent_signal_is_an_error(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    with pytest.raises(MissingSignalError, match=r"consistency was exactly 0 over the first 6 updates.*'r-drop'"):
        trainer("r-drop", tiny(dropout=0.0), tmp_path, toy(16)).train()


def test_what_hooks_cannot_reach_is_refused(tiny: Tiny, toy: Toy, tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(ValueError, match="a compiled model ignores the hooks"):
        trainer("smart", tiny(), tmp_path, toy(8), torch_compile=True)
    monkeypatch.setattr(TrainingArguments, "n_gpu", 2)
    with pytest.raises(ValueError, match="one process per GPU with torchrun"):
        trainer("smart", tiny(), tmp_path, toy(8))


def test_an_optimizer_with_its_own_groups_is_refused(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    run = trainer("smart", tiny(), tmp_path, toy(8))
    run.optimizer_cls_and_kwargs = (torch.optim.SGD, {"lr": 0.1, "params": []})
    with pytest.raises(ValueError, match="makes its own parameter groups, and so does method 'smart'"):
        run.train()


def test_a_stream_of_examples_cannot_be_replayed(tiny: Tiny, toy: Toy, tmp_path: Path) -> None:
    class Stream(torch.utils.data.IterableDataset[Any]):
        def __iter__(self) -> Any:
            return iter(rows(toy(16)))

    run = MethodTrainer(
        tiny(), arguments(tmp_path, max_steps=2), train_dataset=Stream(), data_collator=collate, method="freeat"
    )
    with pytest.raises(ValueError, match=r"'freeat' presents each batch 3 times, which needs a training set"):
        run.train()
