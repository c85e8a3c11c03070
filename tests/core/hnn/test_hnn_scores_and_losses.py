"""HNN's pure functions against closed forms, and each term of its loss by hand on a two-candidate example."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from smart_repro.divergence import symmetric_kl
from smart_repro.hnn.losses import additive_margin, hnn_loss, language_model_loss, matching_loss
from smart_repro.hnn.options import PRESETS, HnnOptions, Margin
from smart_repro.hnn.scores import attention_pool, cosine, mean_log_probability, similarity_score

RIGHT = torch.tensor([1])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def test_pooling_with_a_query_of_zero_is_the_mean_of_the_states_that_take_part() -> None:
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    mask = torch.tensor([[True, True, False]])
    torch.testing.assert_close(attention_pool(torch.zeros(1, 2), states, mask), torch.tensor([[2.0, 4.0]]))


def test_pooling_weighs_by_the_softmax_of_the_scaled_products() -> None:
    """Products 0 and sqrt(2) log 3 over sqrt(width) are logits 0 and log 3: weights 1/4 and 3/4."""
    states = torch.tensor([[[0.0, 4.0], [1.0, 0.0]]])
    query = torch.tensor([[math.sqrt(2) * math.log(3), 0.0]])
    pooled = attention_pool(query, states, torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(pooled, torch.tensor([[0.75, 1.0]]))


def test_pooling_nothing_gives_zero_and_a_finite_gradient() -> None:
    states = torch.ones(1, 2, 3, requires_grad=True)
    pooled = attention_pool(torch.ones(1, 3), states, torch.zeros(1, 2, dtype=torch.bool))
    pooled.sum().backward()
    assert pooled.abs().max() == 0
    assert states.grad is not None
    assert torch.isfinite(states.grad).all()


def test_the_cosine_of_known_vectors() -> None:
    a = torch.tensor([[3.0, 4.0], [1.0, 0.0], [2.0, 0.0]])
    b = torch.tensor([[4.0, 3.0], [0.0, 5.0], [-1.0, 0.0]])
    raw = cosine(a, b)
    torch.testing.assert_close(raw, torch.tensor([24 / 25, 0.0, -1.0]))
    torch.testing.assert_close(similarity_score(raw, "cosine"), torch.tensor([49 / 50, 0.5, 0.0]))
    torch.testing.assert_close(
        similarity_score(torch.tensor([0.0, math.log(3)]), "bilinear"), torch.tensor([0.5, 0.75])
    )


def test_the_language_models_score_is_the_geometric_mean_of_the_pieces_probabilities() -> None:
    """Candidate 0 has pieces of probability 1/2 and 1/8 (mean 1/4), candidate 1 one piece of 1/8."""
    probabilities = torch.tensor([[0.5, 0.5, 0.0], [0.125, 0.5, 0.375], [0.125, 0.5, 0.375]])
    scores = mean_log_probability(probabilities.log(), torch.tensor([0, 0, 0]), torch.tensor([0, 0, 1]), 3)
    torch.testing.assert_close(scores[:2].exp(), torch.tensor([0.25, 0.125]))
    assert scores[2] == 0  # a candidate that this example does not have


def test_the_additive_margin_by_hand() -> None:
    """Scores 0.3 (wrong) and 0.6 (right): log(1 + exp(gamma (0.3 + beta - 0.6)))."""
    scores = torch.tensor([[0.3, 0.6]], dtype=torch.float64)
    for margin in (Margin(), Margin(beta=0.6, gamma=10.0), Margin(beta=0.0)):
        expected = softplus(margin.gamma * (0.3 + margin.beta - 0.6))
        assert additive_margin(scores, RIGHT, margin).item() == pytest.approx(expected, abs=1e-12)


def test_the_language_models_loss_by_hand() -> None:
    log_scores = torch.tensor([[math.log(0.1), math.log(0.4)]], dtype=torch.float64)
    margin = Margin(beta=0.5, gamma=2.0)
    expected = -math.log(0.4) + 10 * softplus(2 * (0.1 + 0.5 - 0.4))
    assert language_model_loss(log_scores, RIGHT, margin, 10.0).item() == pytest.approx(expected, abs=1e-12)
    assert language_model_loss(log_scores, RIGHT, margin, 0.0).item() == pytest.approx(-math.log(0.4), abs=1e-12)


def test_the_matching_loss_by_hand() -> None:
    """Similarities -0.2 (wrong) and 0.7 (right), gamma 3, beta 0.5."""
    raw = torch.tensor([[-0.2, 0.7]], dtype=torch.float64)
    expected = -(math.log(sigmoid(3 * 0.7)) + math.log(sigmoid(-3 * (-0.2 + 0.5)))) / 2
    assert matching_loss(raw, RIGHT, Margin(beta=0.5, gamma=3.0)).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_the_whole_loss_is_the_sum_of_its_terms(name: str) -> None:
    options = PRESETS[name]
    log_scores, raw = torch.tensor([[-2.0, -1.0], [-0.5, -3.0]]), torch.tensor([[0.1, 0.9], [0.4, -0.4]])
    right = torch.tensor([1, 0])
    mean = (log_scores.exp() + similarity_score(raw, options.similarity)) / 2
    parts = (
        language_model_loss(log_scores, right, options.lm, options.alpha),
        matching_loss(raw, right, options.matching),
        additive_margin(mean, right, options.rank),
    )
    assert hnn_loss(log_scores, raw, mean, right, options).item() == pytest.approx(sum(map(float, parts)), rel=1e-6)


def test_two_named_sets_of_options() -> None:
    """The constructor's defaults; the script's alpha 0,0,0, beta 0,0,0.6, gamma 1,1,10, bilinear."""
    plain, released = PRESETS["hnn"], PRESETS["hnn-released"]
    assert plain == HnnOptions()
    assert (plain.similarity, plain.alpha) == ("cosine", 10.0)
    assert plain.lm == plain.matching == plain.rank == Margin(beta=0.5, gamma=1.0)
    assert (released.similarity, released.alpha) == ("bilinear", 0.0)
    assert released.lm == released.matching == Margin(beta=0.0, gamma=1.0)
    assert released.rank == Margin(beta=0.6, gamma=10.0)


@pytest.mark.parametrize("fields", [{"similarity": "dot"}, {"alpha": -1.0}, {"rank": Margin(gamma=0.0)}])
def test_options_that_mean_nothing_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        HnnOptions(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("scores", [torch.tensor([[0.3, 0.6]]), torch.tensor([[0.0, 0.0]])])
def test_the_divergence_over_candidates_is_zero_at_equal_scores_and_of_the_closed_form_elsewhere(
    scores: Tensor,
) -> None:
    """Two candidates are a Bernoulli: (p - q)(logit p - logit q), with p = sigmoid of the scores' difference."""
    assert symmetric_kl(scores, scores).item() == 0
    other = torch.tensor([[0.5, 0.1]])
    a, b = float(scores[0, 1] - scores[0, 0]), float(other[0, 1] - other[0, 0])
    assert symmetric_kl(scores, other).item() == pytest.approx((sigmoid(a) - sigmoid(b)) * (a - b), rel=1e-5)
