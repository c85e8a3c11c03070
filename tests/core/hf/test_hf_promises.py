"""What users of the Trainer build on it: overrides, optimisers of their own, several runs, unlabelled rows, batches."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from transformers import Trainer, TrainerCallback, TrainingArguments

from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer
from smart_repro.hf.refusals import OVERRIDES
from smart_repro.hf.updates import Update, count_rows
from smart_repro.methods import Method, SelfEnsemble, Smart, Vanilla
from smart_repro.scalars import NonFiniteLossError

Tiny = Callable[..., nn.Module]
Toy = Callable[..., Encoded]
Rows = list[dict[str, Any]]


def arguments(folder: Path, **options: Any) -> TrainingArguments:
    settings: dict[str, Any] = {
        "use_cpu": True,
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",
        "learning_rate": 1e-3,
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "logging_steps": 1,
        "train_sampling_strategy": "sequential",
        "seed": 0,
    }
    return TrainingArguments(output_dir=str(folder), **{**settings, **options})


def examples(data: Encoded, **columns: Callable[[int], Any]) -> Rows:
    """Return the toy sentences as tokenised rows without ``example_id``, and further columns."""
    rows: Rows = []
    for place in range(len(data)):
        values = {name: value[0].tolist() for name, value in data.batch(np.array([place])).items()}
        values.pop("example_id")
        rows.append({**values, **{name: make(place) for name, make in columns.items()}})
    return rows


def collate(rows: Rows) -> dict[str, Tensor]:
    """Pad on the right; every other column has to be a number, as in the Trainer's own collators."""
    width = max(len(row["input_ids"]) for row in rows)
    padded = {
        name: torch.tensor([row[name] + [0] * (width - len(row[name])) for row in rows])
        for name in ("input_ids", "attention_mask")
    }
    return {**padded, **{name: torch.tensor([row[name] for row in rows]) for name in rows[0] if name not in padded}}


@pytest.fixture
def run(tiny: Tiny, toy: Toy, tmp_path: Path) -> Callable[..., MethodTrainer]:
    """Trains on 16 toy sentences and returns the trainer: ``run("smart", kind=MySubclass, max_steps=3)``."""

    def trained(method: Any = "vanilla", kind: type[Trainer] = MethodTrainer, **options: Any) -> Any:
        given = {
            name: options.pop(name)
            for name in list(options)
            if name in ("callbacks", "optimizers", "compute_loss_func", "eval_dataset", "model_init")
        }
        model = options.pop("model", None)
        if "model_init" not in given:
            given["model"] = tiny() if model is None else model
        rows, starting = options.pop("rows", None) or examples(toy(16)), options.pop("train", True)
        more = {"method": method} if issubclass(kind, MethodTrainer) else {}
        trainer = kind(args=arguments(tmp_path, **options), train_dataset=rows, data_collator=collate, **more, **given)
        if starting:
            trainer.train()
        return trainer

    return trained


def losses(trainer: Trainer) -> list[float]:
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


def same(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


# -- overrides ---------------------------------------------------------------------------------------------------------
WEIGHT = torch.tensor([0.02, 1.0])


def weighted(base: type[Trainer]) -> type[Trainer]:
    """Return the recipe of the Trainer's documentation: a loss with class weights."""

    class Weighted(base):  # type: ignore[misc, valid-type]
        loss_is_scaled_for_ga = False

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            labels = inputs.pop("labels")
            outputs = model(**inputs)
            loss = F.cross_entropy(outputs.logits, labels, weight=WEIGHT)
            return (loss, outputs) if return_outputs else loss

    return Weighted


def test_a_loss_of_a_subclass_trains_as_in_the_trainer(run: Any, tiny: Tiny) -> None:
    """Case 01. Bit for bit what the stock Trainer does with it, by its own optimiser groups and accumulation."""
    options = {"weight_decay": 0.0, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}
    stock = run(kind=weighted(Trainer), model=tiny(dropout=0.0), **options)
    own = run("vanilla", kind=weighted(MethodTrainer), model=tiny(dropout=0.0), **options)
    assert losses(own) == losses(stock)
    for a, b in zip(own.model.parameters(), stock.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-7)
    plain = run("vanilla", model=tiny(dropout=0.0), **options)
    assert losses(plain) != losses(own)


@pytest.mark.parametrize("name", OVERRIDES)
def test_an_override_that_a_method_would_not_go_through_is_refused(name: str, run: Any) -> None:
    kind = type("Changed", (MethodTrainer,), {name: lambda self, *args, **kwargs: None})
    for method in ("smart", "sda", "self-ensemble", Vanilla(label_smoothing=0.1)):
        with pytest.raises(ValueError, match=rf"Changed overrides {name}, which method '.+' does not go through: \w+"):
            run(method, kind=kind, train=False)
    assert run("vanilla", kind=kind, train=False).method.name == "vanilla"


def test_an_override_assigned_to_the_trainer_is_seen_when_training_starts(run: Any) -> None:
    trainer = run("smart", train=False)
    trainer.compute_loss = lambda *args, **kwargs: None
    with pytest.raises(ValueError, match="overrides compute_loss"):
        trainer.train()


def test_a_training_step_of_a_subclass(run: Any) -> None:
    calls = []

    class Watched(MethodTrainer):
        def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> Any:
            calls.append(int(num_items_in_batch))
            return super().training_step(model, inputs, num_items_in_batch)

    assert losses(run("vanilla", kind=Watched)) == losses(run("vanilla"))
    assert calls == [8, 8]


def test_decay_names_and_a_joint_factory_of_a_subclass(run: Any) -> None:
    class Named(MethodTrainer):
        def get_decay_parameter_names(self, model: Any) -> list[str]:
            return ["classifier.weight"]

    class Joint(MethodTrainer):
        def create_optimizer_and_scheduler(self, num_training_steps: int) -> None:
            self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.5)
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(self.optimizer, lambda step: 1.0)
            self.steps = num_training_steps

    decayed = run("vanilla", kind=Named, weight_decay=0.1).optimizer.param_groups
    assert [(len(group["params"]) == 1, group["weight_decay"]) for group in decayed] == [(True, 0.1), (False, 0.0)]
    joint = run("vanilla", kind=Joint)
    assert joint.optimizer.param_groups[0]["lr"] == 0.5
    assert joint.steps == 2


# -- optimisers and several runs ---------------------------------------------------------------------------------------
class Layered(MethodTrainer):
    """Rates by layer, made over what the model holds when training starts."""

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        self.optimizer = torch.optim.SGD([{"params": [p], "lr": 1e-2} for p in self.model.parameters()])
        return self.optimizer


@pytest.mark.parametrize(("name", "part"), [("smart", "bregman"), ("sda", "distillation"), ("freelb", "adversarial")])
def test_the_method_is_set_up_whatever_builds_the_optimizer(name: str, part: str, run: Any) -> None:
    """Case 15."""
    own = run(name, kind=Layered)
    assert own.method.streams.noise == 0
    assert own.method.watched is not None
    assert [line[part] for line in own.state.log_history if "loss" in line][-1] > 0


def test_lora_with_an_optimizer_of_a_subclass_trains_its_additions_alone(run: Any, tiny: Tiny) -> None:
    pytest.importorskip("peft")
    before = tiny().bert.encoder.layer[0].attention.self.query.weight  # type: ignore[union-attr, index]
    own = run("lora", kind=Layered)
    query = own.model.bert.encoder.layer[0].attention.self.query
    assert torch.equal(query.base_layer.weight, before)
    assert query.lora_B["default"].weight.abs().sum() > 0


def test_a_methods_rates_that_an_optimizer_replaces_are_named(run: Any) -> None:
    with pytest.warns(UserWarning, match="'gradual-unfreezing' has a learning rate for each layer"):
        run("gradual-unfreezing", kind=Layered)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*learning rate for each layer.*")
        run("gradual-unfreezing")


@pytest.mark.parametrize("name", ["smart", "sda", "freeat", "self-ensemble"])
def test_a_second_run_starts_the_method_anew(name: str, run: Any, tiny: Tiny) -> None:
    """The second ``train()`` equals the first one of a trainer that is given the weights of that moment."""
    first = run(name, lr_scheduler_type="constant", optim="sgd")
    after = {key: value.clone() for key, value in first.model.state_dict().items()}
    first.train()
    model = tiny()
    model.load_state_dict(after)
    assert same(first.model, run(name, model=model, lr_scheduler_type="constant", optim="sgd").model)


def test_a_second_run_with_lora_goes_on_with_its_additions(run: Any) -> None:
    pytest.importorskip("peft")
    trainer = run("lora")
    query = trainer.model.bert.encoder.layer[0].attention.self.query
    before = query.lora_B["default"].weight.clone()
    trainer.args.learning_rate = 1e-6
    trainer.train()
    again = trainer.model.bert.encoder.layer[0].attention.self.query
    assert again is query
    torch.testing.assert_close(again.lora_B["default"].weight, before, rtol=0, atol=1e-2)
    assert before.abs().sum() > 0


def test_a_retry_with_a_smaller_batch_starts_the_method_anew(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto_find_batch_size``: the third micro-batch of 8 rows does not fit; then batches of 7 and fewer do."""
    sizes: list[int] = []
    original = Method.backward

    def limited(self: Any, model: Any, batch: Any, backward: Any) -> Any:
        sizes.append(len(batch["labels"]))
        if sizes[:3] == [8, 8, 8] and len(sizes) == 3:
            raise RuntimeError("CUDA out of memory.")
        return original(self, model, batch, backward)

    monkeypatch.setattr(Method, "backward", limited)
    trainer = run("bregman", auto_find_batch_size=True, max_steps=3)
    assert max(sizes[3:]) < 8
    assert trainer.state.global_step == 3
    shares = [line["start_share"] for line in trainer.state.log_history if "loss" in line]
    assert shares[0] == 1.0


def test_a_trial_of_a_search_starts_the_method_anew(run: Any, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.integrations.hp_params", dict)  # needs a search library otherwise
    trainer = run("bregman", model_init=lambda trial: tiny(), train=False)
    histories = []
    for _ in range(2):
        trainer.train(trial={"learning_rate": 1e-3})
        histories.append([line["bregman"] for line in trainer.state.log_history if "loss" in line])
    assert histories[0] == histories[1]


def test_one_method_object_in_two_trainers_keeps_two_states(run: Any, tiny: Tiny) -> None:
    """The first trainer's averaged weights are its own, also after the second has trained."""
    method = SelfEnsemble()
    first = run(method)
    expected = [parameter.clone() for parameter in first.eval_model.parameters()]
    second = run(method, model=tiny(seed=1))
    assert not same(first.eval_model, second.eval_model)
    for parameter, value in zip(first.eval_model.parameters(), expected, strict=True):
        assert torch.equal(parameter, value)
    assert first.method is method  # as users expect who read it after training
    assert second.method is not method


@pytest.mark.parametrize("method", [Smart, Smart(), "smart"])
def test_a_method_may_be_given_as_a_class(method: Any, run: Any) -> None:
    assert run(method, train=False).method.config == Smart().config


@pytest.mark.parametrize("method", [None, 3, dict, TrainerCallback])
def test_what_is_no_method_is_refused(method: Any, run: Any) -> None:
    with pytest.raises(ValueError, match="method must be a registered name"):
        run(method, train=False)


# -- rows and batches --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["vanilla", "smart", "freelb", "sda"])
def test_rows_labelled_minus_100_might_as_well_not_be_there(name: str, run: Any, toy: Toy, tiny: Tiny) -> None:
    """16 rows of which each third is unlabelled, in micro-batches of 4, against one batch of the others."""
    rows = examples(toy(16))
    for row in rows[::3]:
        row["labels"] = -100
    labelled = [row for row in rows if row["labels"] != -100]
    cut = run(
        name,
        rows=rows,
        model=tiny(dropout=0.0).double(),
        per_device_train_batch_size=4,
        max_steps=1,
        gradient_accumulation_steps=4,
    )
    whole = run(
        name, rows=labelled, model=tiny(dropout=0.0).double(), per_device_train_batch_size=len(labelled), max_steps=1
    )
    assert losses(cut) == pytest.approx(losses(whole), rel=1e-9)
    for a, b in zip(cut.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


def test_items_are_counted_as_the_trainer_counts_them(run: Any, toy: Toy) -> None:
    rows = examples(toy(16))
    rows[0]["labels"] = rows[5]["labels"] = -100
    counted: dict[type, list[float]] = {}
    for kind in (Trainer, MethodTrainer):
        seen = counted[kind] = []

        class Counting(weighted(kind)):  # type: ignore[misc]
            def compute_loss(self, *args: Any, num_items_in_batch: Any = None, seen: Any = seen, **kwargs: Any) -> Any:
                seen.append(float(num_items_in_batch))
                return super().compute_loss(*args, num_items_in_batch=num_items_in_batch, **kwargs)

        run("vanilla", kind=Counting, rows=rows)
    assert counted[MethodTrainer] == counted[Trainer] == [6.0, 8.0]


def test_a_micro_batch_without_a_label_takes_part_with_weight_zero(run: Any, toy: Toy, tiny: Tiny) -> None:
    rows = examples(toy(8))
    for row in rows[4:]:
        row["labels"] = -100
    runs = [
        run(
            "smart",
            rows=rows[:size],
            model=tiny(dropout=0.0).double(),
            per_device_train_batch_size=4,
            max_steps=1,
            gradient_accumulation_steps=size // 4,
        )
        for size in (4, 8)
    ]
    assert losses(runs[0]) == losses(runs[1])
    assert same(runs[0].model, runs[1].model)


def test_an_update_without_any_label_is_refused(run: Any, toy: Toy) -> None:
    rows = examples(toy(16))
    for row in rows[8:]:
        row["labels"] = -100
    with pytest.raises(ValueError, match="update 2 has no labelled row"):
        run("smart", rows=rows)


@pytest.mark.parametrize("label", [2, -1])
def test_a_label_that_is_no_class_is_refused(label: int, run: Any, toy: Toy) -> None:
    rows = examples(toy(8))
    rows[3]["labels"] = label
    with pytest.raises(ValueError, match=r"labels run from -?\d to \d, but the model has 2 outputs"):
        run("vanilla", rows=rows)


@pytest.mark.parametrize("name", ["freelb", "smoothness", "r3f"])
def test_noise_does_not_depend_on_the_cut(name: str, run: Any, tiny: Tiny) -> None:
    """1 x 16 = 2 x 8 = 4 x 4 without ids and dropout, in float64, to 1e-9."""
    weights = []
    for pieces in (1, 2, 4):
        model = tiny(dropout=0.0).double()
        run(
            name, model=model, per_device_train_batch_size=16 // pieces, gradient_accumulation_steps=pieces, max_steps=1
        )
        weights.append(torch.cat([parameter.detach().flatten() for parameter in model.parameters()]))
    for other in weights[1:]:
        torch.testing.assert_close(other, weights[0], rtol=0, atol=1e-9)


def test_rows_of_an_update_are_numbered_over_all_processes() -> None:
    """Two processes with two micro-batches each take turns; 4 + 3 + 0 + 2 rows."""
    counts = [[4, 0], [3, 2]]
    pieces = {}
    for rank in (0, 1):
        update = Update(counts, rank, step=5)
        assert update.total == 9
        for _ in counts[rank]:
            piece = update.next_piece()
            pieces[piece.index] = (piece.rows, piece.first)
        with pytest.raises(ValueError, match="has to call super"):
            update.next_piece()
    assert pieces == {0: (4, 0), 1: (3, 4), 2: (0, 7), 3: (2, 7)}


def test_regression_targets_are_counted_too() -> None:
    labels = torch.tensor([1.5, -100.0, 7.0])
    assert count_rows([{"labels": labels}, {"labels": labels[:1]}], None) == [2, 1]


def test_batches_of_an_override_that_nobody_counted_are_refused(run: Any) -> None:
    class Grabbing(MethodTrainer):
        def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
            return [next(epoch_iterator)], 8

    with pytest.raises(ValueError, match=r"has to call super\(\)\.get_batch_samples"):
        run("smart", kind=Grabbing)


def test_label_smoothing_of_a_regression_is_refused(run: Any, tiny: Tiny, toy: Toy) -> None:
    with pytest.raises(ValueError, match="label_smoothing_factor applies to classes"):
        run("vanilla", model=tiny(outputs=1), rows=examples(toy(16, outputs=1)), label_smoothing_factor=0.1)


# -- losses that are not finite, skipped steps -------------------------------------------------------------------------
class Poison(TrainerCallback):
    """Sets a weight to infinity after update 2."""

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step == 2:
            with torch.no_grad():
                next(model.parameters())[:] = float("inf")


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda"])
@pytest.mark.parametrize("every", [1, 500])
def test_a_loss_that_is_not_finite_ends_training(name: str, every: int, run: Any, toy: Toy) -> None:
    """Case 05, with the Trainer's filter on, which would show 0."""
    with pytest.raises(NonFiniteLossError, match="the loss is not finite at update 3: loss=nan, task=nan"):
        run(name, callbacks=[Poison()], max_steps=4, logging_steps=every)


def test_a_loss_of_a_subclass_that_is_not_finite_ends_training(run: Any) -> None:
    with pytest.raises(NonFiniteLossError, match="update 3"):
        run("vanilla", kind=weighted(MethodTrainer), callbacks=[Poison()], max_steps=4)


def test_a_step_that_the_scaler_skips_does_not_move_the_teacher(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16's scaler skips updates 1 and 2 of 4: the student stays, and so does its teacher."""
    moved: list[int] = []

    class Watching(Smart):
        def after_step(self, model: nn.Module, step: int) -> None:
            moved.append(step)
            super().after_step(model, step)

    trainer = run(Watching(), train=False, max_steps=4)
    skipped = property(lambda self: trainer.state.global_step < 2)
    monkeypatch.setattr(type(trainer.accelerator), "optimizer_step_was_skipped", skipped)
    trainer.train()
    assert moved == [3, 4]


@pytest.mark.parametrize("options", [{"max_steps": 1}, {"max_steps": 2, "warmup_steps": 2}])
def test_a_first_zero_is_no_missing_signal(options: dict[str, int], run: Any, tiny: Tiny) -> None:
    """The first teacher of ``bregman`` is the student: exactly 0 without dropout, also after an update of rate 0."""
    trainer = run("bregman", model=tiny(dropout=0.0), **options)
    assert [line["bregman"] for line in trainer.state.log_history if "loss" in line] == [0.0] * options["max_steps"]


# -- replays -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_train_epochs": 1.5}, 3),  # 1.5 x 2 updates
        ({"num_train_epochs": 2.5}, 6),  # 5 updates, and the last batch gets all its presentations
        ({"num_train_epochs": 3}, 6),
        ({"max_steps": 4}, 4),
    ],
)
def test_how_long_a_method_with_replays_trains(options: dict[str, Any], expected: int, run: Any) -> None:
    trainer = run("freeat", **{"max_steps": -1, **options})
    assert trainer.state.global_step == expected


def test_replays_cannot_skip_data_when_resuming(run: Any) -> None:
    with pytest.raises(ValueError, match="set ignore_data_skip=False"):
        run("freeat", ignore_data_skip=True, train=False)
    assert run("smart", ignore_data_skip=True, train=False).method.name == "smart"
