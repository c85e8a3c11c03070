"""Settings of HNN's losses and similarity, with the two default sets that its authors give.

The constructor of the public code and the script that was released with it differ; both are named here, because the
paper's text does not say which of them made its table.
"""

from __future__ import annotations

from dataclasses import dataclass

SIMILARITIES = ("cosine", "bilinear")
SUBFOLDER, FILE = "lm_head", "model.safetensors"  # in a model's folder: a masked-language head apart from its encoder


@dataclass(frozen=True, kw_only=True)
class Margin:
    """An additive-margin term: the wrong candidates' scores are raised by ``beta``, all are multiplied by ``gamma``."""

    beta: float = 0.5
    gamma: float = 1.0


@dataclass(frozen=True, kw_only=True)
class HnnOptions:
    """HNN's options; the defaults are those of the public code's constructor.

    Attributes:
        similarity: ``"cosine"``, as ``(cos + 1) / 2``, or ``"bilinear"``, with a sigmoid.
        alpha: weight of the masked language model's additive-margin term.
        lm, matching, rank: margins of the language model's term, the similarity's logistic term and the rank term.
    """

    similarity: str = "cosine"
    alpha: float = 10.0
    lm: Margin = Margin()
    matching: Margin = Margin()
    rank: Margin = Margin()

    def __post_init__(self) -> None:
        if self.similarity not in SIMILARITIES:
            raise ValueError(f"similarity must be one of {', '.join(SIMILARITIES)}, got {self.similarity!r}")
        if self.alpha < 0 or not all(part.gamma > 0 for part in (self.lm, self.matching, self.rank)):
            raise ValueError("alpha must be >= 0 and every gamma positive")


# What the field ``head`` of a run calls them. The script's three values of alpha, beta and gamma are for similarity,
# language model (index 1 of each) and rank (the last); its alpha of 0 drops the language model's margin term.
HNN_HEADS = ("hnn", "hnn-released")
PRESETS = {
    "hnn": HnnOptions(),
    "hnn-released": HnnOptions(
        similarity="bilinear",
        alpha=0.0,
        lm=Margin(beta=0.0),
        matching=Margin(beta=0.0),
        rank=Margin(beta=0.6, gamma=10.0),
    ),
}

__all__ = ["FILE", "HNN_HEADS", "PRESETS", "SIMILARITIES", "SUBFOLDER", "HnnOptions", "Margin"]
