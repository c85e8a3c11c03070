"""The examples run as they are shown, learn what they are given, and compute what they say."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from smart_repro.methods import METHODS, Method, build
from smart_repro.methods.terms import Clean
from smart_repro.seeding import Streams

ROOT = Path(__file__).resolve().parents[1]


def example(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    return example("plain_torch")


def run(name: str, *options: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "examples" / f"{name}.py"), *options]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300).stdout


def test_the_plain_loop_learns() -> None:
    accuracy, term = run("plain_torch").splitlines()
    assert int(re.findall(r"(\d+) of 64", accuracy)[0]) >= 60
    assert 0 < float(term.rsplit(maxsplit=1)[-1]) < 1e-6


def test_the_trainer_script_learns(tmp_path: Path) -> None:
    lines = run("trainer", "--output", str(tmp_path)).splitlines()
    assert float(re.findall(r"'eval_accuracy': '?([\d.]+)", lines[-1])[0]) >= 0.9
    assert sorted(tmp_path.glob("checkpoint-*/method_state.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in METHODS if name != "lora"])
def test_the_plain_loop_takes_every_method(name: str, plain: ModuleType) -> None:
    model = plain.toy_model()
    before = torch.cat([parameter.detach().flatten() for parameter in model.parameters()])
    result = plain.fine_tune(model, plain.toy_loader(2), build(name), epochs=2, lr=1e-3)
    after = torch.cat([parameter.detach().flatten() for parameter in result.parameters()])
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)


def readme(number: int) -> str:
    """Return the README's Python, block by block."""
    return re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M | re.S)[
        number
    ]


def test_the_ten_lines_of_the_readme_learn(plain: ModuleType) -> None:
    code = readme(1)
    assert len([line for line in code.splitlines() if line and not line.startswith("from")]) <= 10
    loader = plain.toy_loader(4)
    names = {"torch": torch, "model": plain.toy_model(), "loader": loader, "epochs": 10, "lr": 1e-3}
    exec(code, names)
    model = names["model"].eval()
    right = sum(int((model(batch["input_ids"]).logits.argmax(-1) == batch["labels"]).sum()) for batch in loader)
    assert right >= 30  # of 32


def test_the_three_lines_of_the_readme_train(plain: ModuleType, tmp_path: Path) -> None:
    from transformers import TrainingArguments

    rows = [{name: values[row] for name, values in batch.items()} for batch in plain.toy_loader(2) for row in range(8)]
    arguments = TrainingArguments(str(tmp_path), use_cpu=True, report_to="none", save_strategy="no", max_steps=2)
    names = {"model": plain.toy_model(), "arguments": arguments, "train": rows, "dev": rows}
    exec(readme(0), names)
    assert names["trainer"].state.global_step == 2
    assert names["trainer"].method.name == "smart"


def test_the_numbers_of_the_readme_are_those_of_the_page_that_is_measured() -> None:
    """docs/why-r-drop.md, which a slow test measures again."""
    rows = re.findall(r"^\|[^|]+(\|.*e-.*\|)$", (ROOT / "README.md").read_text("utf-8"), flags=re.M)
    page = (ROOT / "docs" / "why-r-drop.md").read_text("utf-8")
    assert len(rows) == 3
    assert all(row in page for row in rows)


def test_r_s_by_hand_is_r_s_of_the_class(plain: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same starting noise, dropout off: the same number and the same gradient."""
    model, batch = plain.toy_model().eval(), plain.toy_loader(1)[0]
    method = build("smoothness", dropout="off", epsilon=1e-2, sigma=1e-2, eta=1.0)
    method.setup(model, 1)
    passes = method.open_passes(model, batch)
    noise = passes.noise(32, torch.float32)
    monkeypatch.setattr(Streams, "normal", lambda *_: noise)
    monkeypatch.setattr(torch, "randn_like", lambda _: noise)
    ((_, term),) = method.terms
    value = term(passes, Clean(*passes.embedded("clean", "block"))).value
    by_hand = plain.smoothness(model, batch, epsilon=1e-2, sigma=1e-2, eta=1.0)
    assert by_hand.item() == pytest.approx(value.item(), rel=1e-6)
    ours, theirs = gradient(model, by_hand), gradient(model, value)
    assert ours.norm() > 0
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5 * theirs.norm().item())


def gradient(model: torch.nn.Module, value: Tensor) -> Tensor:
    slopes = torch.autograd.grad(value, [p for p in model.parameters() if p.requires_grad], allow_unused=True)
    return torch.cat([slope.flatten() for slope in slopes if slope is not None])


def test_a_method_object_is_all_a_loop_needs(plain: ModuleType) -> None:
    """The hooks the ten lines call are the whole interface: no other is needed to get the loss parts."""
    model, method = plain.toy_model(), build("smart")
    assert isinstance(method, Method)
    method.setup(model, 4)
    loss = method.loss(model, plain.toy_loader(1)[0])
    assert set(loss.parts) == {"task", "smoothness", "bregman"}
    assert loss.total.requires_grad
