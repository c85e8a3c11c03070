"""A random two-layer BERT as HNN, and mentions tokenised by words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel, BertTokenizer

from smart_repro.encoding import Encoded
from smart_repro.hnn.lm_head import LmHead
from smart_repro.hnn.mention import Mention
from smart_repro.hnn.model import Hnn
from smart_repro.hnn.options import PRESETS
from smart_repro.mentions import encode_mentions

WORDS = [
    "the",
    "bee",
    "flower",
    "landed",
    "on",
    "because",
    "it",
    "had",
    "pollen",
    "wanted",
    "red",
    "old",
    "a",
    "house",
    "was",
    "big",
    "cat",
    "saw",
]
MENTIONS = (
    Mention("the bee landed on the flower because ", "it", " had pollen", (("the bee",), ("the red flower",))),
    Mention("the bee landed on the flower because ", "it", " wanted pollen", (("the bee",), ("the flower",))),
    Mention("the cat saw a house because ", "it", " was big", (("the cat", "pollen"), ("a house",))),
    Mention("the cat saw the bee because ", "it", " was red", (("the cat",), ("the bee",))),
)


@pytest.fixture(scope="session")
def words() -> BertTokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    return BertTokenizer(vocab={word: i for i, word in enumerate(special + WORDS)}, model_max_length=32)


@pytest.fixture(scope="session")
def examples(words: BertTokenizer) -> Encoded:
    return encode_mentions(words, MENTIONS, np.array([1, 0, 1, 0]), 32)


@pytest.fixture
def little() -> Callable[..., Hnn]:
    """Return a builder of random HNNs in training mode: ``little(head, dropout=0.1)``."""

    def build(head: str = "hnn", dropout: float = 0.1) -> Hnn:
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=5 + len(WORDS),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=32,
            num_labels=2,
            initializer_range=0.2,
            hidden_dropout_prob=dropout,
            attention_probs_dropout_prob=dropout,
        )
        return Hnn(BertModel(config), LmHead(32, config.vocab_size), PRESETS[head]).train()

    return build


@pytest.fixture
def folder(little: Callable[..., Hnn], words: BertTokenizer, tmp_path: Path) -> Path:
    """Return the encoder alone, as a model without a masked-language head is published."""
    little().encoder.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    return tmp_path
