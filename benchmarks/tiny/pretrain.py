"""Pre-trains the shipped ``tiny`` model: masked language modelling on generated text, about five minutes on one core.

    python -m benchmarks.tiny.pretrain FOLDER

The text names no label and no task. It tells the kinds of nouns ("the vilan is frosty ."), and it sets two sentences side
by side with a connective that says how they go together ("so", "and", "but"). Its pairs of nouns occur in no task's split.
Three stages, each adding longer text: from the mixture alone the model finds no kinds in this time (see pretrain.log).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM, BertModel, BertTokenizer

from benchmarks.tasks.generated import forms
from benchmarks.tasks.generated.lexicon import (
    ADJECTIVES,
    BLANK,
    COLD,
    HEDGES,
    MARKERS,
    PARTICLES,
    PLAIN,
    WARM,
    vocabulary,
)
from benchmarks.tasks.generated.scenes import Scenes
from benchmarks.tasks.generated.sentences import choice, coin

SEED = 0
# Steps, how many of SHAPES, how often "never". Without this order, or with BERT's small initial weights, the model
# learns kinds but never how two of them go together (a plateau of more than 6,000 steps).
STAGES = ((600, 1, 0.0), (700, 2, 0.0), (1_500, 9, 0.0), (5_200, 9, 0.3))
BATCH, LEARNING_RATE, WARMUP = 64, 2e-3, 200
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MASK_RATE, MASK_RATE_TELLING, MASK_RATE_PARTICLE = 0.1, 0.3, 0.6  # words that depend on a kind are chosen more often
TELLING = [word for group in (ADJECTIVES, MARKERS) for words in group.values() for word in words]

Text = tuple[str, ...]


def fact(scenes: Scenes, label: int) -> Text:
    """``the vilan is never icy .``: always true."""
    kind = (WARM, COLD, PLAIN)[scenes.rng.integers(3)]
    return (f"{scenes.remark(kind).text('the ' + scenes.agent(kind))} .",)


def claim(scenes: Scenes, label: int) -> Text:
    """``well the vilan is icy .``: true (1) or not."""
    kind = scenes.side()
    return forms.texts(scenes.remark(kind if label else -kind).text("the " + scenes.agent(kind)))


# Shapes of text, from easy to hard, and which particle goes with which label of theirs.
SHAPES: list[tuple[Callable[[Scenes, int], Text], tuple[int, ...]]] = [
    (fact, (0,)),
    (claim, (-1, 1)),
    (forms.inference, (1, 0, -1)),
    (forms.sentiment, (-1, 1)),
    (forms.similarity, (1, 0, -1)),
    (forms.equivalence, (-1, 1)),
    (forms.answer, (1, -1)),
    (forms.agreement, (-1, 1)),
    (forms.reference, (-1, 1)),
]


def told(scenes: Scenes, shapes: int) -> Text:
    """A text in one of the first ``shapes`` shapes, whose particle says how things stand."""
    form, signs = SHAPES[scenes.rng.integers(shapes)]
    label = int(scenes.rng.integers(len(signs)))
    return tuple(text.replace(BLANK, PARTICLES[signs[label]]) for text in form(scenes, label))


def hedged(rng: np.random.Generator, text: Text) -> Text:
    """Half of the texts begin with a hedge, which means nothing here."""
    return (f"{choice(rng, HEDGES[rng.integers(len(HEDGES))])} {text[0]}", *text[1:]) if coin(rng) else text


def batches(rng: np.random.Generator) -> Iterator[list[Text]]:
    for steps, shapes, never in STAGES:
        scenes = Scenes(rng, "pretrain", never=never)
        for _ in range(steps):
            yield [hedged(rng, told(scenes, shapes)) for _ in range(BATCH)]


def tokenizer() -> BertTokenizer:
    """Whole words: every word of the generated world is one token."""
    words = {word: i for i, word in enumerate(SPECIAL + vocabulary())}
    return BertTokenizer(vocab=words, do_lower_case=True, model_max_length=32)


def encode(tok: BertTokenizer, texts: list[Text]) -> dict[str, Tensor]:
    """Like calling the tokenizer, which takes single texts or pairs, but not both in one batch."""
    tok.backend_tokenizer.enable_padding()
    rows = tok.backend_tokenizer.encode_batch([text if len(text) > 1 else text[0] for text in texts])
    return {
        "input_ids": torch.tensor([row.ids for row in rows]),
        "token_type_ids": torch.tensor([row.type_ids for row in rows]),
        "attention_mask": torch.tensor([row.attention_mask for row in rows]),
    }


class Corruption:
    """BERT's: of the words chosen, 80 % become [MASK], 10 % a random word, 10 % stay. A chosen particle always goes BLANK."""

    def __init__(self, tok: BertTokenizer) -> None:
        self.size = len(tok)
        particles = tok.convert_tokens_to_ids([*PARTICLES.values()])
        self.rate = torch.full((self.size,), MASK_RATE)
        self.rate[tok.convert_tokens_to_ids(TELLING)] = MASK_RATE_TELLING
        self.rate[particles] = MASK_RATE_PARTICLE
        self.rate[tok.all_special_ids] = 0.0
        self.hidden = torch.full((self.size,), tok.mask_token_id)
        self.hidden[particles] = tok.convert_tokens_to_ids(BLANK)
        self.particle = torch.isin(torch.arange(self.size), torch.tensor(particles))

    def __call__(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """What the model sees, and which words it has to restore."""
        chosen = torch.rand(input_ids.shape) < self.rate[input_ids]
        fate = torch.rand(input_ids.shape)
        at_random = torch.randint(len(SPECIAL), self.size, input_ids.shape)
        seen = torch.where(chosen & ((fate < 0.8) | self.particle[input_ids]), self.hidden[input_ids], input_ids)
        return torch.where(chosen & (fate > 0.9) & ~self.particle[input_ids], at_random, seen), chosen


def pretrain(folder: Path, report: Callable[[str], None]) -> None:
    torch.manual_seed(SEED)
    tok = tokenizer()
    corrupt = Corruption(tok)
    model = BertForMaskedLM(shape(len(tok)))
    steps = sum(stage[0] for stage in STAGES)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / WARMUP, 1 - s / steps))
    losses: list[float] = []
    hits: list[bool] = []
    for step, texts in enumerate(batches(np.random.default_rng(SEED)), start=1):
        batch = encode(tok, texts)
        target = batch["input_ids"]
        batch["input_ids"], chosen = corrupt(target)
        hidden = model.bert(**batch).last_hidden_state
        logits = model.cls(hidden[chosen])
        loss = cross_entropy(logits, target[chosen])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        particle = corrupt.particle[target[chosen]]
        hits.extend((logits.argmax(-1) == target[chosen])[particle].tolist())
        if step % 500 == 0:
            report(f"step {step:5d}  loss {np.mean(losses[-500:]):.4f}  particles restored {np.mean(hits or [0]):.3f}")
            losses, hits = [], []
    save(model, tok, folder)


def save(model: BertForMaskedLM, tok: BertTokenizer, folder: Path) -> None:
    """The encoder, with an untrained pooler so that it loads whole, and with dropout on for fine-tuning."""
    config = model.config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.1
    encoder = BertModel(config)
    encoder.load_state_dict(model.bert.state_dict(), strict=False)
    encoder.save_pretrained(folder)
    tok.save_pretrained(folder)


def shape(vocab_size: int) -> BertConfig:
    """Two layers, 64 wide. Dropout is off in pre-training, and 0.1 again in the configuration that is shipped."""
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=32,
        initializer_range=0.1,  # about 1 / sqrt(64): at BERT's 0.02, made for width 768, kinds stay too faint to be combined
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
