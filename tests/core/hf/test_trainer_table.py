"""The table of what becomes of the Trainer's arguments and methods: it is whole, and each line has its proof."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from trainer_table import ARGUMENTS, METHODS, NO_EFFECT, REFUSED, UNTOUCHED, WORKS
from transformers import Trainer, TrainingArguments

from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer
from smart_repro.hf import trainer as module
from smart_repro.methods import build

Tiny = Callable[..., nn.Module]
Toy = Callable[..., Encoded]
# overrides that do not go through the Trainer's own code in every case
REPLACED = {"training_step", "compute_loss", "compute_loss_context_manager", "create_optimizer"}
SHARED = {  # of the properties and functions of TrainingArguments that replaced code reads
    "device",
    "gradient_accumulation_steps",
    "optim",
    "n_gpu",
    "torch_empty_cache_steps",
    "average_tokens_across_devices",
    "weight_decay",
}


def overrides() -> set[str]:
    return {name for name in vars(MethodTrainer) if not name.startswith("__") and name in vars(Trainer)}


def arguments_read_by(function: Any) -> set[str]:
    """Return the attributes of ``self.args`` or ``args`` in a function's source."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    owners = [(node.attr, node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {
        name
        for name, owner in owners
        if (isinstance(owner, ast.Attribute) and owner.attr == "args")
        or (isinstance(owner, ast.Name) and owner.id == "args")
    }


# -- the table is whole ------------------------------------------------------------------------------------------------


def test_every_training_argument_is_listed() -> None:
    assert set(ARGUMENTS) == {field.name for field in dataclasses.fields(TrainingArguments)}


def test_every_public_method_is_listed() -> None:
    assert set(METHODS) == {name for name in dir(Trainer) if not name.startswith("_")}


@pytest.mark.parametrize("table", [ARGUMENTS, METHODS])
def test_every_proof_is_there(table: dict[str, Any]) -> None:
    folder = Path(__file__).parent
    for name, entry in table.items():
        assert entry.status in (WORKS, REFUSED, NO_EFFECT), name
        if entry.proof != UNTOUCHED:
            file, function = entry.proof.split("::")
            assert f"\ndef {function}(" in (folder / file).read_text(encoding="utf-8"), (name, entry.proof)


def test_untouched_arguments_are_read_by_the_trainers_own_code_alone() -> None:
    """Whatever the Trainer reads of them, it reads in functions that run as they are."""
    for name in overrides() - REPLACED:
        source = inspect.getsource(getattr(MethodTrainer, name))
        if name == "_load_from_checkpoint":
            source = inspect.getsource(MethodTrainer.restore_method)  # put off until then
        assert f"super().{name}(" in source, name
    replaced = set().union(*(arguments_read_by(getattr(Trainer, name)) for name in REPLACED))
    assert replaced <= SHARED
    untouched = {name for name, entry in ARGUMENTS.items() if entry.proof == UNTOUCHED}
    assert not untouched & replaced


def test_untouched_methods_are_inherited() -> None:
    for name, entry in METHODS.items():
        if entry.proof == UNTOUCHED:
            assert inspect.getattr_static(MethodTrainer, name) is inspect.getattr_static(Trainer, name), name


# -- single arguments --------------------------------------------------------------------------------------------------
@pytest.fixture
def make(tiny: Tiny, toy: Toy, tmp_path: Path) -> Callable[..., MethodTrainer]:
    """Return a builder of trainers over 16 toy sentences: ``make("smart", max_steps=1)``."""

    def built(method: Any = "smart", model: nn.Module | None = None, **options: Any) -> MethodTrainer:
        settings: dict[str, Any] = {
            "use_cpu": True,
            "report_to": "none",
            "disable_tqdm": True,
            "save_strategy": "no",
            "learning_rate": 1e-3,
            "max_steps": 2,
            "per_device_train_batch_size": 8,
            "logging_steps": 1,
            "remove_unused_columns": False,
        }
        data = toy(16)
        return MethodTrainer(
            tiny() if model is None else model,
            TrainingArguments(str(tmp_path / "out"), **{**settings, **options}),
            train_dataset=list(range(16)),
            eval_dataset=list(range(16)),
            data_collator=lambda rows: data.batch(np.array(rows)),
            method=method,
        )

    return built


def losses(trainer: Trainer) -> list[float]:
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


def weights(trainer: Trainer) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in trainer.model.parameters()])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"torch_compile": True}, "set torch_compile=False"),
        ({"torch_compile_backend": "inductor"}, "set torch_compile=False"),
        ({"torch_compile_mode": "default"}, "set torch_compile=False"),
        ({"use_liger_kernel": True}, "set use_liger_kernel=False"),
        ({"optim": "lomo"}, "optim=lomo updates each layer inside the backward pass"),
        ({"optim": "adalomo"}, "optim=adalomo updates each layer inside the backward pass"),
        ({"label_names": ["target"]}, "rename yours to labels"),
    ],
)
def test_a_refused_argument_says_what_to_do(options: dict[str, Any], said: str, make: Any) -> None:
    with pytest.raises(ValueError, match=said):
        make("vanilla", **options)


@pytest.mark.parametrize(
    ("attribute", "value", "said"),
    [
        ("is_fsdp_enabled", True, "FSDP and DeepSpeed are not supported: use DDP"),
        ("is_deepspeed_enabled", True, "FSDP and DeepSpeed are not supported: use DDP"),
        ("get_tp_size", lambda: 2, "tensor parallelism over 2 devices"),
        ("get_cp_size", lambda: 2, "context parallelism over 2 devices"),
        ("get_sp_size", lambda: 4, "sequence parallelism over 4 devices"),
        ("is_model_parallel", True, "load it without device_map"),
        ("is_distributed_loading_by_transformers", True, "load it without device_map or distributed_config"),
    ],
)
def test_a_model_in_parts_is_refused(attribute: str, value: Any, said: str, make: Any) -> None:
    trainer = make("smart")
    setattr(trainer, attribute, value)
    with pytest.raises(ValueError, match=said):
        trainer.train()


def test_quantised_weights_are_refused_except_for_plain_fine_tuning(make: Any, tiny: Tiny) -> None:
    """The Trainer itself refuses such a model without adapters, so the mark is set afterwards."""
    for method, said in (("sda", "the model's weights are quantised, but method 'sda'"), ("vanilla", None)):
        trainer = make(method)
        trainer.model.is_quantized = True
        if said is None:
            trainer.refuse_arguments()
            continue
        with pytest.raises(ValueError, match=said):
            trainer.refuse_arguments()


def test_rates_and_decay_reach_the_groups(make: Any) -> None:
    trainer = make("smart", learning_rate=3e-3, weight_decay=0.25, lr_scheduler_type="constant", max_steps=1)
    trainer.train()
    groups = trainer.optimizer.param_groups
    assert [(group["lr"], group["weight_decay"]) for group in groups] == [(3e-3, 0.25), (3e-3, 0.0)]
    assert {parameter.dim() > 1 for parameter in groups[0]["params"]} == {True}


@pytest.mark.parametrize(
    ("name", "kind"), [("sgd", "SGD"), ("adafactor", "Adafactor"), ("rmsprop", "RMSprop"), ("adamw_torch", "AdamW")]
)
def test_ordinary_optimizers(name: str, kind: str, make: Any) -> None:
    trainer = make("sda", optim=name)
    trainer.train()
    assert type(trainer.optimizer.optimizer).__name__ == kind
    assert np.isfinite(losses(trainer)).all()


class ScheduleFree(torch.optim.SGD):
    """Two modes, as schedule-free optimisers have them: in evaluation the weights are other ones (here: doubled)."""

    training = False

    def train(self) -> None:
        self._scale(0.5, True)

    def eval(self) -> None:
        self._scale(2.0, False)

    def _scale(self, factor: float, training: bool) -> None:
        if self.training == training:
            return
        self.training = training
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    parameter.mul_(factor)


def test_an_optimizer_with_two_modes_trains_in_its_training_mode(make: Any) -> None:
    """Evaluations in between change neither the updates nor the teacher."""
    results = []
    for every in (1, 100):
        trainer = make("bregman", max_steps=3, eval_strategy="steps", eval_steps=every)
        trainer.optimizer_cls_and_kwargs = (ScheduleFree, {"lr": 1e-2})
        trainer.train()
        results.append([line["bregman"] for line in trainer.state.log_history if "loss" in line])
    assert results[0] == results[1]
    assert results[0][-1] > 0


@pytest.mark.parametrize("options", [{"average_tokens_across_devices": False}, {"liger_kernel_config": {"rope": True}}])
def test_arguments_without_effect(options: dict[str, Any], make: Any) -> None:
    trainers = [make("smart"), make("smart", **options)]
    for trainer in trainers:
        trainer.train()
    assert torch.equal(*map(weights, trainers))


@pytest.mark.parametrize("method", ["smart", "freelb"])
@pytest.mark.parametrize(
    "options",
    [
        {"activation_checkpointing": True},
        {"activation_checkpointing": True, "activation_checkpointing_kwargs": {"use_reentrant": False}},
        {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}},
    ],
)
def test_recomputing_activations_changes_nothing(method: str, options: dict[str, Any], make: Any) -> None:
    """With dropout on: the masks of the second computation are those of the first."""
    plain, saving = make(method), make(method, **options)
    plain.train()
    saving.train()
    assert saving.model.is_gradient_checkpointing
    torch.testing.assert_close(weights(plain), weights(saving), rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["bf16_full_eval", "fp16_full_eval"])
@pytest.mark.parametrize("method", ["smart", "self-ensemble"])
def test_evaluation_in_half_precision(method: str, name: str, make: Any) -> None:
    values = []
    for options in ({}, {name: True}):
        trainer = make(method, **options)
        trainer.train()
        values.append(trainer.evaluate()["eval_loss"])
    assert values[0] != values[1]
    assert values[1] == pytest.approx(values[0], rel=0.05)


def test_the_cache_is_emptied(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied = []
    trainer = make("smart", torch_empty_cache_steps=2, max_steps=4)
    monkeypatch.setattr(module, "clear_device_cache", lambda: emptied.append(trainer.state.global_step))
    trainer.train()
    assert emptied == [0, 2]


def test_saving_the_model_alone(make: Any, tmp_path: Path) -> None:
    make("smart", save_strategy="steps", save_steps=1, save_only_model=True).train()
    folder = tmp_path / "out" / "checkpoint-1"
    assert (folder / "model.safetensors").exists()
    assert not (folder / "method_state.json").exists()
    with pytest.raises(ValueError, match="saved with save_only_model=True"):
        make("smart").train(resume_from_checkpoint=str(folder))


def test_the_seed_is_the_methods(make: Any) -> None:
    parts = []
    for seed in (1, 1, 2):
        trainer = make("r3f", seed=seed, data_seed=0, max_steps=1)
        trainer.train()
        parts.append(trainer.state.log_history[0]["consistency"])
        assert trainer.method.streams.noise == seed
    assert parts[0] == parts[1] != parts[2]


def test_replays_keep_the_loaders_options(make: Any) -> None:
    options = {
        "dataloader_num_workers": 1,
        "dataloader_pin_memory": False,
        "dataloader_persistent_workers": True,
        "dataloader_prefetch_factor": 3,
        "dataloader_multiprocessing_context": "fork",
        "dataloader_in_order": False,
    }
    plain, replayed = (make(method, **options).get_train_dataloader() for method in ("vanilla", "freeat"))
    assert len(replayed) == len(plain) * build("freeat").replays
    for name in options:
        name = name.removeprefix("dataloader_")
        expected, kept = getattr(plain, name), getattr(replayed, name)
        assert kept == expected or type(kept) is type(expected), name
    assert replayed.prefetch_factor == 3
    assert replayed.in_order is False
