"""A small world on disk: GLUE files of invented sentences and a random two-layer BERT that reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

_NOUNS = ("dog", "cat", "bird", "horse", "child", "nurse", "farmer", "pilot")
_VERBS = ("sees", "likes", "fears", "follows")
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


@pytest.fixture(scope="session")
def glue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RTE, CoLA and STS-B in their official TSV layouts: 60 training rows and 30 dev rows each."""
    folder = tmp_path_factory.mktemp("glue_data")
    rng = np.random.default_rng(0)
    for name, header, line in (
        ("RTE", "index\tsentence1\tsentence2\tlabel", _rte),
        ("CoLA", None, _cola),
        ("STS-B", _STSB, _stsb),
    ):
        (folder / name).mkdir()
        for split, rows in (("train", 60), ("dev", 30)):
            lines = [] if header is None else [header]
            lines += [line(i, rng) for i in range(rows)]
            (folder / name / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def little_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder as ``save_pretrained`` writes it: random weights, 16 wide, a vocabulary of the words above."""
    folder = tmp_path_factory.mktemp("little_bert")
    words = [*_SPECIAL, "the", "a", ".", "not", *_NOUNS, *_VERBS]
    vocabulary = {word: i for i, word in enumerate(words)}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder)
    return folder


_STSB = "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore"


def _sentence(rng: np.random.Generator) -> str:
    subject, other = rng.choice(_NOUNS, 2)
    return f"the {subject} {rng.choice(_VERBS)} {'not ' if rng.random() < 0.5 else ''}a {other} ."


def _rte(index: int, rng: np.random.Generator) -> str:
    return f"{index}\t{_sentence(rng)}\t{_sentence(rng)}\t{rng.choice(['entailment', 'not_entailment'])}"


def _cola(_index: int, rng: np.random.Generator) -> str:
    good = int(rng.random() < 0.7)
    return f"gj04\t{good}\t{'' if good else '*'}\t{_sentence(rng)}"


def _stsb(index: int, rng: np.random.Generator) -> str:
    score = f"{5 * rng.random():.3f}"
    return f"{index}\tmain\tfile\t2012\t{index:04d}\tnone\tnone\t{_sentence(rng)}\t{_sentence(rng)}\t{score}"
