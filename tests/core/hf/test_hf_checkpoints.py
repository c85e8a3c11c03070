"""MethodTrainer on disk: exact resume for every method, best-model loading, and weights that others can load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import BertForSequenceClassification, EvalPrediction, TrainerCallback, TrainingArguments

from smart_repro.encoding import Encoded
from smart_repro.hf import MethodTrainer
from smart_repro.methods import METHODS, Method, Sda, SelfEnsemble, Smart

Tiny = Callable[..., nn.Module]
Toy = Callable[..., Encoded]
MEMORIES = {  # methods whose state differs in kind: teacher, window, votes, running mean, perturbations, added weights
    "smart",
    "sda",
    "sdv",
    "self-ensemble",
    "freeat",
    "gradual-unfreezing",
    "lora",
}


@pytest.fixture(params=[name if name in MEMORIES else pytest.param(name, marks=pytest.mark.slow) for name in METHODS])
def name(request: pytest.FixtureRequest) -> str:
    if request.param == "lora":
        pytest.importorskip("peft")
    return request.param


class Making:
    """Builds trainers over the same 16 examples, in random order."""

    def __init__(self, tiny: Tiny, data: Encoded, folder: Path) -> None:
        self.tiny, self.data, self.folder = tiny, data, folder

    def __call__(
        self, method: Any, folder: str = "out", model: nn.Module | None = None, **options: Any
    ) -> MethodTrainer:
        given = {key: options.pop(key) for key in ("compute_metrics",) if key in options}
        settings: dict[str, Any] = {
            "use_cpu": True,
            "report_to": "none",
            "disable_tqdm": True,
            "learning_rate": 1e-3,
            "logging_steps": 1,
            "num_train_epochs": 3,
            "per_device_train_batch_size": 4,
            "gradient_accumulation_steps": 2,
            "remove_unused_columns": False,
            "save_strategy": "no",
        }
        args = TrainingArguments(output_dir=str(self.folder / folder), **{**settings, **options})
        return MethodTrainer(
            self.tiny() if model is None else model,
            args,
            train_dataset=list(range(16)),
            eval_dataset=list(range(16)),
            data_collator=lambda rows: self.data.batch(np.array(rows)),
            method=method,
            **given,
        )


@pytest.fixture
def make(tiny: Tiny, toy: Toy, tmp_path: Path) -> Making:
    return Making(tiny, toy(16), tmp_path)


def same(a: nn.Module, b: nn.Module) -> bool:
    first, second = a.state_dict(), b.state_dict()
    return first.keys() == second.keys() and all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.parametrize("stop", [2, 4])
def test_resuming_equals_not_stopping(name: str, stop: int, make: Making) -> None:
    """Compare bit for bit: a new model and a new method, everything from the checkpoint.

    Both stops are within FreeAT's replays or at an epoch's end.
    """
    straight = make(name)
    straight.train()
    first = make(name, "stopped", save_strategy="steps", save_steps=stop)
    first.train()
    torch.manual_seed(123)
    again = make(name, "stopped", model=make.tiny(seed=9))
    again.train(resume_from_checkpoint=str(make.folder / "stopped" / f"checkpoint-{stop}"))
    assert again.state.global_step == 6
    assert same(straight.model, again.model)
    assert same(straight.eval_model, again.eval_model)


def test_a_methods_state_is_json_and_safetensors(make: Making) -> None:
    run = make(Smart(lambda_s=2.0), save_strategy="steps", save_steps=3)
    run.train()
    folder = make.folder / "out" / "checkpoint-3"
    content = json.loads((folder / "method_state.json").read_text())
    assert (content["method"], content["config"]["lambda_s"]) == ("smart", 2.0)
    tensors = load_file(folder / "method_state.safetensors")
    parameters = list(run.model.parameters())
    assert sorted(value.shape for value in tensors.values()) == sorted(value.shape for value in parameters)
    assert not (folder / "student.safetensors").exists()


def test_only_the_same_method_may_resume(make: Making) -> None:
    make(Smart(lambda_s=2.0), save_strategy="steps", save_steps=3, max_steps=3).train()
    folder = make.folder / "out" / "checkpoint-3"
    with pytest.raises(ValueError, match=r"'lambda_s': 2\.0.*'lambda_s': 1\.0.*resume with the same method"):
        make("smart", "other").train(resume_from_checkpoint=str(folder))
    (folder / "method_state.json").unlink()
    with pytest.raises(ValueError, match=r"has no method_state\.json: another trainer wrote it"):
        make(Smart(lambda_s=2.0), "other").train(resume_from_checkpoint=str(folder))


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def from_later(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes((folder.parent / "checkpoint-4" / name).read_bytes()) and None


DAMAGES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "no student": ("self-ensemble", lambda f: (f / "student.safetensors").unlink(), "student.safetensors is missing"),
    "no state": ("smart", lambda f: (f / "method_state.safetensors").unlink(), "method_state.safetensors is missing"),
    "no weights": ("smart", lambda f: (f / "model.safetensors").unlink(), "model.safetensors is missing"),
    "no trainer": ("smart", lambda f: (f / "trainer_state.json").unlink(), "FileNotFoundError.*trainer_state.json"),
    "later state": (
        "smart",
        from_later("method_state.safetensors"),
        "method_state.safetensors is damaged",
    ),
    "later weights": (
        "smart",
        from_later("model.safetensors"),
        "model.safetensors is damaged, or of another",
    ),
    "later student": ("self-ensemble", from_later("student.safetensors"), "student.safetensors is damaged"),
    "later step": (
        "smart",
        from_later("trainer_state.json"),
        "method_state.json is of update 2, .* of update 4",
    ),
    "short JSON": ("smart", lambda f: shorten(f / "method_state.json"), "JSONDecodeError"),
    "short trainer": ("smart", lambda f: shorten(f / "trainer_state.json"), "JSONDecodeError"),
    "short state": ("smart", lambda f: shorten(f / "method_state.safetensors"), "method_state.safetensors is damaged"),
}


@pytest.mark.parametrize(("name", "damage", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused(name: str, damage: Any, reason: str, make: Making) -> None:
    make(name, save_strategy="steps", save_steps=2, num_train_epochs=2).train()
    folder = make.folder / "out" / "checkpoint-2"
    damage(folder)
    with pytest.raises(ValueError, match=rf"checkpoint-2 cannot be read: .*{reason}.*Use an earlier checkpoint"):
        make(name, "other").train(resume_from_checkpoint=str(folder))


@pytest.mark.parametrize("name", ["smart", "self-ensemble"])
def test_a_checkpoint_of_an_earlier_version_is_read(name: str, make: Making) -> None:
    """It lists neither its files nor its update, and is still refused where a file is missing or damaged."""
    straight = make(name, save_strategy="steps", save_steps=2)
    straight.train()
    folder = make.folder / "out" / "checkpoint-2"
    content = json.loads((folder / "method_state.json").read_text())
    earlier = {key: value for key, value in content.items() if key not in ("step", "files")}
    (folder / "method_state.json").write_text(json.dumps(earlier))
    again = make(name, "other", model=make.tiny(seed=9))
    again.train(resume_from_checkpoint=str(folder))
    assert same(straight.model, again.model)
    weights = folder / ("model.safetensors" if name == "smart" else "student.safetensors")
    for damage in (lambda: shorten(weights), weights.unlink):
        damage()
        with pytest.raises(ValueError, match=r"cannot be read|Can't find a valid checkpoint"):
            make(name, "other").train(resume_from_checkpoint=str(folder))


def test_a_second_training_into_the_same_folder_leaves_no_student_of_the_first(make: Making) -> None:
    make("self-ensemble", save_strategy="steps", save_steps=2, num_train_epochs=1).train()
    straight = make("vanilla", save_strategy="steps", save_steps=2)
    straight.train()
    folder = make.folder / "out" / "checkpoint-2"
    assert not (folder / "student.safetensors").exists()
    again = make("vanilla", "other", model=make.tiny(seed=9))
    again.train(resume_from_checkpoint=str(folder))
    assert same(straight.model, again.model)


def test_the_model_is_saved_for_the_hub_without_a_state(make: Making) -> None:
    """``push_to_hub`` saves into the output folder, as an internal call without a folder."""
    run = make("smart", max_steps=1)
    run.train()
    run.save_model(_internal_call=True)
    assert (make.folder / "out" / "model.safetensors").exists()
    assert not list(make.folder.rglob("method_state.*"))


def falling(outcome: EvalPrediction) -> dict[str, float]:
    """Return a metric that is best at the first evaluation."""
    falling.calls += 1  # type: ignore[attr-defined]
    return {"falling": -float(falling.calls)}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["smart", "self-ensemble", "lora"])
def test_the_best_model_is_loaded_evaluated_and_saved(name: str, make: Making) -> None:
    """It is the one that was evaluated: for self-ensemble the average of that time, not the one of the end."""
    if name == "lora":
        pytest.importorskip("peft")
    falling.calls = 0  # type: ignore[attr-defined]
    saving = {"save_strategy": "epoch", "eval_strategy": "epoch", "load_best_model_at_end": True}
    run = make(name, **saving, metric_for_best_model="falling", greater_is_better=True, compute_metrics=falling)
    run.train()
    best = make.folder / "out" / "checkpoint-2"
    assert run.state.best_model_checkpoint == str(best)
    first_loss = next(line["eval_loss"] for line in run.state.log_history if "eval_loss" in line)
    assert run.evaluate()["eval_loss"] == first_loss
    run.save_model(str(make.folder / "saved"))
    assert_loadable(make.folder / "saved", run)
    assert_loadable(best, run)


@pytest.mark.parametrize("name", ["smart", "self-ensemble", "lora"])
def test_saved_weights_are_the_evaluated_ones_and_load_everywhere(name: str, make: Making) -> None:
    if name == "lora":
        pytest.importorskip("peft")
    run = make(name)
    run.train()
    run.save_model()
    assert (run.eval_model is run.model) == (name != "self-ensemble")
    assert_loadable(make.folder / "out", run)


def assert_loadable(folder: Path, run: MethodTrainer) -> None:
    """``from_pretrained`` finds every weight, and predicts what the trainer predicts."""
    loaded, notes = BertForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert not notes["missing_keys"]
    assert not notes["unexpected_keys"]
    expected = run.predict(list(range(16))).predictions
    batch: dict[str, Tensor] = run.data_collator(list(range(16)))
    with torch.no_grad():
        logits = loaded.eval()(batch["input_ids"], batch["attention_mask"]).logits
    np.testing.assert_allclose(logits.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(
    "method",
    [Sda(K=2, evaluate="teacher"), Smart(evaluate="teacher"), SelfEnsemble(every="epoch")],
    ids=["sda", "smart", "self-ensemble"],
)
def test_an_averaged_model_is_evaluated_and_saved(method: Method, make: Making) -> None:
    """The Trainer's result is the mean it should be: of the students its callbacks saw, in float32 to 1e-6."""
    trainer = make(method)
    students: list[list[Tensor]] = [[p.detach().clone() for p in trainer.model.parameters()]]

    class Keep(TrainerCallback):
        def on_optimizer_step(self, *args: Any, model: nn.Module, **kwargs: Any) -> None:
            students.append([p.detach().clone() for p in model.parameters()])

    trainer.add_callback(Keep())
    trainer.train()
    assert len(students) == 7  # 3 epochs of 2 updates
    weights = {"sda": {4: 0.5, 5: 0.5}, "self-ensemble": {2: 1 / 3, 4: 1 / 3, 6: 1 / 3}}.get(method.name)
    if weights is None:  # beta is 0.999 in all 6 updates of so short a run
        weights = {0: 0.999**6, **{t: 0.001 * 0.999 ** (6 - t) for t in range(1, 7)}}
    trainer.save_model(str(make.folder / "kept"))
    saved = load_file(make.folder / "kept" / "model.safetensors")
    for place, (key, _) in enumerate(trainer.model.named_parameters()):
        expected = sum(weight * students[t][place].double() for t, weight in weights.items())
        torch.testing.assert_close(saved[key].double(), expected, rtol=0, atol=1e-6)
