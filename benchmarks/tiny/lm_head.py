"""Training of the masked-language head of the shipped ``tiny`` model, which HNN needs, on its frozen encoder.

    python -m benchmarks.tiny.lm_head FOLDER

The encoder was shipped without the head it was pre-trained with, and pre-training again gives the same weights on the
same processor only. So the head is trained anew, on the text of the last stage of pre-training and with the encoder as
it is. It lies in a folder of its own: the encoder's file, and with it the key of every run on ``tiny``, stays the same.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import BertModel

from benchmarks.tasks.generated.scenes import Scenes
from benchmarks.tiny.pretrain import BATCH, SEED, STAGES, Corruption, encode, fact, hedged, related, tokenizer
from smart_repro.hnn.lm_head import LmHead
from smart_repro.hnn.options import FILE, SUBFOLDER

STEPS, LEARNING_RATE = 2_000, 3e-3


def train(folder: Path, report: Callable[[str], None]) -> LmHead:
    """Train the head on the encoder in ``folder``; report its loss on the hidden words every 500 steps."""
    torch.manual_seed(SEED)
    encoder = BertModel.from_pretrained(folder).eval().requires_grad_(False)
    words, corrupt = tokenizer(), Corruption(tokenizer())
    head = LmHead(encoder.config.hidden_size, encoder.config.vocab_size, encoder.config.hidden_act)
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    rng, losses = np.random.default_rng(SEED), []
    *_, (_, facts, shapes, negation_rate) = STAGES
    scenes = Scenes(rng, "pretrain", negation_rate=negation_rate)
    for step in range(1, STEPS + 1):
        texts = [hedged(rng, fact(scenes) if rng.random() < facts else related(scenes, shapes)) for _ in range(BATCH)]
        batch = encode(words, texts)
        visible, hidden = corrupt(batch["input_ids"])
        states = encoder(**{**batch, "input_ids": visible}).last_hidden_state
        logits = head(states[hidden], encoder.get_input_embeddings().weight)
        loss = cross_entropy(logits, batch["input_ids"][hidden])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
        if step % 500 == 0:
            report(f"step {step:5d}  loss {np.mean(losses):.4f}")
            losses.clear()
    return head


def main(folder: str) -> None:
    """Train into the subfolder of the model in ``folder`` and write ``lm_head.log`` there."""
    torch.set_num_threads(1)
    target, start = Path(folder) / SUBFOLDER, time.monotonic()
    target.mkdir(exist_ok=True)
    with (target / "lm_head.log").open("w") as log:

        def report(line: str) -> None:
            print(line, flush=True)
            print(line, file=log, flush=True)

        report(f"python -m benchmarks.tiny.lm_head FOLDER  # seed {SEED}, one thread, torch {torch.__version__}")
        head = train(Path(folder), report)
        save_file({name: value.contiguous() for name, value in head.state_dict().items()}, target / FILE)
        weights = (target / FILE).read_bytes()
        seconds = time.monotonic() - start
        report(f"{seconds:.0f} s; {FILE} {len(weights)} bytes, sha256 {sha256(weights).hexdigest()}")


if __name__ == "__main__":
    main(*sys.argv[1:])
