"""HNN's scores of a candidate, as pure functions of hidden states (He et al. 2019, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_GUARD = 1e-9  # of the cosine's denominator, as in the public code


def attention_pool(query: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of some states, weighted by ``softmax(query . state / sqrt(width))``.

    Args:
        query: ``(..., width)``.
        states: ``(..., length, width)``.
        mask: ``(..., length)``, True for the states that take part.
    Returns: ``(..., width)``; zero where no state takes part.
    """
    logits = (states @ query.unsqueeze(-1)).squeeze(-1) / query.shape[-1] ** 0.5
    logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
    weights = logits.softmax(-1) * mask
    pooled: Tensor = (weights.unsqueeze(-2) @ states).squeeze(-2)
    return pooled


def cosine(candidate: Tensor, pronoun: Tensor) -> Tensor:
    """Return the cosine of two vectors along the last dimension."""
    norms = candidate.norm(dim=-1) * pronoun.norm(dim=-1)
    cosine: Tensor = (candidate * pronoun).sum(-1) / (norms + _GUARD)
    return cosine


def similarity_score(raw: Tensor, similarity: str) -> Tensor:
    """Return the score in [0, 1] of a raw similarity: ``(cos + 1) / 2``, or the sigmoid of a bilinear form."""
    return (raw + 1) / 2 if similarity == "cosine" else raw.sigmoid()


def mean_log_probability(logits: Tensor, pieces: Tensor, owner: Tensor, owners: int) -> Tensor:
    """Return each candidate's mean log-probability of its word pieces: the log of the language model's score.

    Args:
        logits: ``(pieces, vocabulary)`` at the mask tokens.
        pieces: ``(pieces,)`` the vocabulary's number of the right piece.
        owner: ``(pieces,)`` the candidate each mask token belongs to.
        owners: number of candidates.
    Returns: ``(owners,)``; 0 for a candidate without pieces.
    """
    log_probability = -F.cross_entropy(logits, pieces, reduction="none")
    total = torch.zeros(owners, dtype=log_probability.dtype, device=log_probability.device).index_add(
        0, owner, log_probability
    )
    count = torch.bincount(owner, minlength=owners).clamp_min(1)
    return total / count


__all__ = ["attention_pool", "cosine", "mean_log_probability", "similarity_score"]
