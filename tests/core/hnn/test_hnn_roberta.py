"""HNN on RoBERTa, SMART's backbone: positions that begin behind the padding's, no token types, its own head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import RobertaConfig, RobertaForMaskedLM

from smart_repro.encoding import Encoded
from smart_repro.hnn.model import NO_TARGET, Hnn
from smart_repro.models import inputs, load


@pytest.fixture
def roberta(tmp_path: Path) -> Callable[[], tuple[RobertaForMaskedLM, Hnn]]:
    def build() -> tuple[RobertaForMaskedLM, Hnn]:
        torch.manual_seed(2)
        config = RobertaConfig(
            vocab_size=30,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=40,
            type_vocab_size=1,
            pad_token_id=0,
            initializer_range=0.2,
        )
        whole = RobertaForMaskedLM(config).eval()
        whole.save_pretrained(tmp_path)
        model = load(tmp_path, num_labels=2, head="hnn")
        assert isinstance(model, Hnn)
        return whole, model.eval()

    return build


@torch.no_grad()
def test_the_language_models_scores_are_those_of_the_masked_language_model_itself(
    roberta: Callable[[], tuple[RobertaForMaskedLM, Hnn]], examples: Encoded
) -> None:
    """Of a model that knows nothing of HNN, on each masked sentence alone."""
    whole, model = roberta()
    batch = {name: value for name, value in examples.batch(np.arange(2)).items() if name != "token_type_ids"}
    scores = model(**inputs(model, batch)).log_lm
    for row in range(2):
        for candidate in range(2):
            inside = batch["sequence"][row] == 2 * candidate
            ids, target = batch["input_ids"][row][inside], batch["lm_target"][row][inside]
            places = target != NO_TARGET
            logits = whole(input_ids=ids.unsqueeze(0)).logits[0][places]
            chosen = logits.log_softmax(-1).gather(1, target[places].unsqueeze(1))
            assert float(scores[row, candidate]) == pytest.approx(float(chosen.mean()), abs=1e-5)
