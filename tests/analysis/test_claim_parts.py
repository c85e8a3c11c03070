"""A sentence with several parts: all must hold, one is enough to contradict, and what was not tested is named."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest

from analysis.claims import (
    CONTRADICTED,
    INCONCLUSIVE,
    NO_EFFECT,
    NO_VERDICT,
    NOT_RUN,
    SUPPORTED,
    Verdict,
    in_words,
    to_json,
)
from analysis.claims.parts import conjunction
from analysis.descriptive import expected_range
from analysis.schema import Statement, against, claim_of

FIRST, SECOND = (Statement(clause=f"{word} holds", contrast=against("x", "y"), tasks=("rte",)) for word in ("A", "B"))
WHOLE = claim_of(FIRST, SECOND, id="c", sentence="A and B hold.", table="t")


def part(number: int, status: str, p: float = 0.01, **changes: object) -> Verdict:
    return Verdict(WHOLE.of_part(WHOLE.statements[number]), status, p=p, n_seeds=5, **changes)  # type: ignore[arg-type]


def whole(*outcomes: tuple[str, float]) -> Verdict:
    return conjunction(WHOLE, [part(number, *outcome) for number, outcome in enumerate(outcomes)])


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([(SUPPORTED, 0.01), (SUPPORTED, 0.04)], (SUPPORTED, 0.04)),
        ([(SUPPORTED, 0.01), (INCONCLUSIVE, 0.5)], (INCONCLUSIVE, None)),
        ([(SUPPORTED, 0.01), (NO_EFFECT, 0.5)], (INCONCLUSIVE, None)),
        ([(SUPPORTED, 0.01), (CONTRADICTED, 0.02)], (CONTRADICTED, 0.04)),  # Holm over two parts
        ([(SUPPORTED, 0.01), (CONTRADICTED, 0.04)], (INCONCLUSIVE, None)),  # 0.08 after Holm
        ([(CONTRADICTED, 0.02), (CONTRADICTED, 0.04)], (CONTRADICTED, 0.04)),
        ([(NOT_RUN, math.nan), (NOT_RUN, math.nan)], (NOT_RUN, None)),
        ([(NOT_RUN, math.nan), (CONTRADICTED, 0.001)], (CONTRADICTED, 0.002)),
        ([(NO_VERDICT, math.nan), (SUPPORTED, 0.01)], (NO_VERDICT, None)),
    ],
)
def test_a_conjunction_is_as_weak_as_its_weakest_part(
    outcomes: list[tuple[str, float]], expected: tuple[str, float | None]
) -> None:
    verdict = whole(*outcomes)
    status, p = expected
    assert verdict.status == status
    assert verdict.p == pytest.approx(p) if p is not None else math.isnan(verdict.p)


def test_seeds_are_the_fewest_of_the_parts_that_were_run() -> None:
    verdicts = [part(0, SUPPORTED), Verdict(WHOLE.of_part(SECOND), NOT_RUN, reason="no GPU")]
    assert conjunction(WHOLE, verdicts).n_seeds == 5
    assert conjunction(WHOLE, verdicts[1:] * 2).n_seeds == 0


def test_it_is_supported_only_if_every_part_is() -> None:
    statuses = (SUPPORTED, INCONCLUSIVE, NO_EFFECT, NO_VERDICT, NOT_RUN, CONTRADICTED)
    for a, b in product(statuses, repeat=2):
        assert (whole((a, 0.01), (b, 0.01)).status == SUPPORTED) == (a == b == SUPPORTED)


def test_a_part_that_was_not_run_is_named_with_its_reason() -> None:
    verdict = conjunction(WHOLE, [part(0, SUPPORTED), part(1, NOT_RUN, math.nan, reason="no GPU")])
    assert verdict.status == INCONCLUSIVE
    assert verdict.reason == 'not tested: "B holds" (no GPU)'
    assert 'not tested: "B holds" (no GPU)' in in_words(verdict)
    assert [each["status"] for each in to_json(verdict)["parts"]] == [SUPPORTED, NOT_RUN]


def test_a_part_smaller_than_claimed_makes_the_whole_so() -> None:
    verdict = conjunction(WHOLE, [part(0, SUPPORTED), part(1, SUPPORTED, suffix="smaller than claimed")])
    assert verdict.words == "supported (smaller than claimed)"


def test_the_expected_range_is_the_mean_over_all_subsets() -> None:
    from itertools import combinations

    values = np.array([3.0, -1.0, 4.0, 1.5, 9.0, 2.6])
    for runs in range(2, 7):
        ranges = [max(subset) - min(subset) for subset in combinations(values, runs)]
        assert expected_range(values, runs) == pytest.approx(np.mean(ranges))
    with pytest.raises(ValueError, match="a range spans 2 to 6 runs, not 7"):
        expected_range(values, 7)
