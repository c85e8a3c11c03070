"""HNN's loss: one term per side and one on the mean of both scores (He et al. 2019, section 3.4; public code).

All of them take ``(batch, candidates)`` scores and ``(batch,)`` numbers of the right candidate, and return the mean
over the batch.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from smart_repro.hnn.options import HnnOptions, Margin


def _is_wrong(scores: Tensor, right: Tensor) -> Tensor:
    return 1 - F.one_hot(right, scores.shape[-1]).to(scores.dtype)


def additive_margin(scores: Tensor, right: Tensor, margin: Margin) -> Tensor:
    """Return the cross-entropy of ``softmax(gamma (score + beta [wrong]))``: an additive-margin softmax."""
    return F.cross_entropy(margin.gamma * (scores + margin.beta * _is_wrong(scores, right)), right)


def language_model_loss(log_scores: Tensor, right: Tensor, margin: Margin, alpha: float) -> Tensor:
    """Return ``-log score`` of the right candidate plus ``alpha`` times the additive margin on the scores."""
    likelihood = -log_scores.gather(1, right.unsqueeze(1)).mean()
    return likelihood if alpha == 0 else likelihood + alpha * additive_margin(log_scores.exp(), right, margin)


def matching_loss(raw: Tensor, right: Tensor, margin: Margin) -> Tensor:
    """Return the logistic loss of the raw similarities, wrong ones raised by ``beta``.

    ``-(log sigmoid(gamma x_right) + log sigmoid(-gamma sum over wrong (x + beta))) / 2``, as the public code has it:
    the wrong candidates' similarities are added before the logistic function.
    """
    wrong = _is_wrong(raw, right)
    positive = (raw * (1 - wrong)).sum(-1)
    negative = ((raw + margin.beta) * wrong).sum(-1)
    return -(F.logsigmoid(margin.gamma * positive) + F.logsigmoid(-margin.gamma * negative)).mean() / 2


def hnn_loss(log_scores: Tensor, raw: Tensor, mean: Tensor, right: Tensor, options: HnnOptions) -> Tensor:
    """Return the sum of the three terms.

    Args:
        log_scores: log of the language model's scores.
        raw: similarities before they are scaled into [0, 1].
        mean: mean of both sides' scores.
        right: class of the right candidate.
        options: weights and margins of the terms.
    """
    return (
        language_model_loss(log_scores, right, options.lm, options.alpha)
        + matching_loss(raw, right, options.matching)
        + additive_margin(mean, right, options.rank)
    )


__all__ = ["additive_margin", "hnn_loss", "language_model_loss", "matching_loss"]
