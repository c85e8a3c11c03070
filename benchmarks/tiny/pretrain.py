"""Pre-training of the shipped ``tiny`` model: masked language modelling on generated text, minutes on one core.

    python -m benchmarks.tiny.pretrain FOLDER

The text states the kinds of nouns ("the vilan is frosty ."), and joins sentences by a particle that states their
relation ("so", "and", "but"), which the texts of tasks never do. Its pairs of nouns occur in no split of any task.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import tokenizers
import torch
import transformers
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
# Steps, share of facts, number of SHAPES in the other texts, share of "never". Without this order, or with BERT's small
# initial weights, the model learns the kinds but not the relations between two of them (a plateau of over 6,000 steps).
STAGES = ((600, 1.0, 0, 0.0), (1_000, 0.2, 1, 0.0), (700, 0.1, 3, 0.0), (1_200, 0.05, 8, 0.0), (3_500, 0.05, 8, 0.3))
BATCH, LEARNING_RATE, WARMUP = 64, 2e-3, 200
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
MASK_RATE, MASK_RATE_TELLING, MASK_RATE_PARTICLE = 0.1, 0.3, 0.6  # words that depend on a kind are chosen more often
TELLING = [word for group in (ADJECTIVES, MARKERS) for words in group.values() for word in words]

Text = tuple[str, ...]


def fact(scenes: Scenes) -> Text:
    """Draw a true statement about a noun: ``the vilan is never icy .``."""
    kind = (WARM, COLD, PLAIN)[scenes.rng.integers(3)]
    return (f"{scenes.remark(kind).text('the ' + scenes.agent(kind))} .",)


def claim(scenes: Scenes, label: int) -> Text:
    """Draw a statement that is true (1) or not: ``well the vilan is icy .``."""
    kind = scenes.side()
    return forms.texts(scenes.remark(kind if label else -kind).text("the " + scenes.agent(kind)))


# Shapes of text, the easiest first, each with the sign of the particle for each of its labels.
SHAPES: list[tuple[Callable[[Scenes, int], Text], tuple[int, ...]]] = [
    (claim, (-1, 1)),
    (forms.inference, (1, 0, -1)),
    (forms.sentiment, (-1, 1)),
    (forms.similarity, (1, 0, -1)),
    (forms.equivalence, (-1, 1)),
    (forms.answer, (1, -1)),
    (forms.agreement, (-1, 1)),
    (forms.reference, (-1, 1)),
]


def related(scenes: Scenes, shapes: int) -> Text:
    """Draw a text in one of the first ``shapes`` shapes; its particle shows the relation of its sentences."""
    form, signs = SHAPES[scenes.rng.integers(shapes)]
    label = int(scenes.rng.integers(len(signs)))
    return tuple(text.replace(BLANK, PARTICLES[signs[label]]) for text in form(scenes, label))


def hedged(rng: np.random.Generator, text: Text) -> Text:
    """Put a hedge in front of half of the texts, where it has no meaning."""
    return (f"{choice(rng, HEDGES[rng.integers(len(HEDGES))])} {text[0]}", *text[1:]) if coin(rng) else text


def batches(rng: np.random.Generator) -> Iterator[list[Text]]:
    """Yield all batches of texts, stage by stage."""
    for steps, facts, shapes, negation_rate in STAGES:
        scenes = Scenes(rng, "pretrain", negation_rate=negation_rate)
        for _ in range(steps):
            yield [hedged(rng, fact(scenes) if coin(rng, facts) else related(scenes, shapes)) for _ in range(BATCH)]


def tokenizer() -> BertTokenizer:
    """Return a tokenizer of whole words: every word of the generated world is one token."""
    words = {word: i for i, word in enumerate(SPECIAL + vocabulary())}
    return BertTokenizer(vocab=words, do_lower_case=True, model_max_length=32)


def encode(tok: BertTokenizer, texts: list[Text]) -> dict[str, Tensor]:
    """Encode a batch with single texts and pairs, which the tokenizer itself does not mix."""
    tok.backend_tokenizer.enable_padding()
    rows = tok.backend_tokenizer.encode_batch([text if len(text) > 1 else text[0] for text in texts])
    return {
        "input_ids": torch.tensor([row.ids for row in rows]),
        "token_type_ids": torch.tensor([row.type_ids for row in rows]),
        "attention_mask": torch.tensor([row.attention_mask for row in rows]),
    }


class Corruption:
    """BERT's corruption: of the chosen words 80 % become [MASK], 10 % a random word, 10 % stay; particles become BLANK.

    So the model learns to work out how things stand in the place where every task has BLANK.
    """

    def __init__(self, tok: BertTokenizer) -> None:
        words = tok.get_vocab()
        self.size = len(words)
        particles = [words[word] for word in PARTICLES.values()]
        self.rate = torch.full((self.size,), MASK_RATE)
        self.rate[[words[word] for word in TELLING]] = MASK_RATE_TELLING
        self.rate[particles] = MASK_RATE_PARTICLE
        self.rate[tok.all_special_ids] = 0.0
        self.hidden = torch.full((self.size,), tok.mask_token_id)
        self.hidden[particles] = int(words[BLANK])
        self.particle = torch.isin(torch.arange(self.size), torch.tensor(particles))

    def __call__(self, input_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return the corrupted tokens and the mask of the words to restore."""
        is_chosen = torch.rand(input_ids.shape) < self.rate[input_ids]
        fate = torch.rand(input_ids.shape)
        at_random = torch.randint(len(SPECIAL), self.size, input_ids.shape)
        visible = torch.where(is_chosen & ((fate < 0.8) | self.particle[input_ids]), self.hidden[input_ids], input_ids)
        return torch.where(is_chosen & (fate > 0.9) & ~self.particle[input_ids], at_random, visible), is_chosen


def losses(model: BertForMaskedLM, batch: dict[str, Tensor], corrupt: Corruption) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of the hidden words over two readings of the particles, and the correct particles.

    A hidden particle has to be restored in its place and, by a linear layer alone, from the mean of all states: what
    next-sentence prediction does for BERT at [CLS], done here where classifiers on this model read.
    """
    words = batch["input_ids"]
    visible, hidden = corrupt(words)
    states = model.bert(**{**batch, "input_ids": visible}).last_hidden_state
    particles = hidden & corrupt.particle[words]
    weights = batch["attention_mask"].unsqueeze(-1).to(states.dtype)
    means = ((states * weights).sum(1) / weights.sum(1))[particles.any(1)]
    in_place, in_mean = model.cls(states[hidden]), model.cls.predictions.decoder(means)
    loss = cross_entropy(in_place, words[hidden])
    if len(means):
        loss = loss + cross_entropy(in_mean, words[particles])
    return loss, in_mean.argmax(-1) == words[particles]


def pretrain(folder: Path, report: Callable[[str], None]) -> None:
    """Train, report every 500 steps, and save weights, configuration and tokenizer into ``folder``."""
    torch.manual_seed(SEED)
    tok = tokenizer()
    corrupt = Corruption(tok)
    model = BertForMaskedLM(shape(len(tok)))
    steps = sum(stage[0] for stage in STAGES)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=0.01, betas=(0.9, 0.98), fused=True
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min((s + 1) / WARMUP, 1.0, 2 * (1 - s / steps)))
    recent_losses: list[float] = []
    hits: list[bool] = []
    for step, texts in enumerate(batches(np.random.default_rng(SEED)), start=1):
        loss, right = losses(model, encode(tok, texts), corrupt)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        recent_losses.append(loss.item())
        hits += right.tolist()
        if step % 500 == 0:
            report(f"step {step:5d}  loss {np.mean(recent_losses):.4f}  particles right {np.mean(hits or [False]):.3f}")
            recent_losses, hits = [], []
    save(model, folder)


def save(model: BertForMaskedLM, folder: Path) -> None:
    """Save the encoder, with an untrained pooler so that it loads completely, and with dropout on for fine-tuning."""
    config = model.config
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.1
    encoder = BertModel(config)
    encoder.load_state_dict(model.bert.state_dict(), strict=False)
    encoder.save_pretrained(folder)
    tokenizer().save_pretrained(folder)


def shape(vocab_size: int) -> BertConfig:
    """Return the configuration: two layers, 64 wide; dropout is off in pre-training, and 0.1 in the saved one."""
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=32,
        initializer_range=0.1,  # about 1 / sqrt(64); at BERT's 0.02, made for 768, kinds stay too faint to be combined
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def main(folder: str) -> None:
    """Pre-train into ``folder`` and write ``pretrain.log`` there."""
    torch.set_num_threads(1)
    target, start = Path(folder), time.monotonic()
    target.mkdir(parents=True, exist_ok=True)
    with (target / "pretrain.log").open("w") as log:

        def report(line: str) -> None:
            print(line, flush=True)
            print(line, file=log, flush=True)

        report(f"python -m benchmarks.tiny.pretrain FOLDER  # seed {SEED}, one thread")
        libraries = {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}
        libraries |= {"transformers": transformers.__version__, "tokenizers": tokenizers.__version__}
        report("  ".join(f"{name} {version}" for name, version in libraries.items()))
        pretrain(target, report)
        seconds, weights = time.monotonic() - start, (target / "model.safetensors").read_bytes()
        report(f"{seconds:.0f} s; model.safetensors {len(weights)} bytes, sha256 {sha256(weights).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
