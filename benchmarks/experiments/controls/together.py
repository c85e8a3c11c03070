"""Control study: SMART and SDA in one run, against each of them and against plain fine-tuning."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.schema import Claim
from benchmarks.experiments.controls import small_sets
from benchmarks.experiments.planning import method_rows
from benchmarks.experiments.planning.base import EXPERIMENTS, Experiment
from benchmarks.experiments.sda import settings as sda


@EXPERIMENTS.register("together")
def together() -> Experiment:
    """Both papers' methods together: SMART, SDA, and both at once.

    Runs: 192 paper, 192 small, 120 demo.
    """
    rows = (
        small_sets.VANILLA,
        sda.sda(1),
        *method_rows.smart("SMART"),
        *method_rows.smart("SMART + SDA", prefix="smart+sda", name="smart+sda"),
    )
    return small_sets.study(
        name="together",
        title="SMART and SDA together",
        rows=rows,
        claims=(*_against_alone(), *_against_vanilla()),
    )


def _against_alone() -> Iterator[Claim]:
    for reading in method_rows.READINGS:
        for name, words, row in (("smart", "SMART", f"smart[{reading}]"), ("sda", "SDA", "sda[K=1]")):
            sentence = f"SMART and SDA together are better than {words} alone."
            yield small_sets.claim(
                f"together-{name}-{reading}", sentence, f"smart+sda[{reading}]", row, reading=reading
            )


def _against_vanilla() -> Iterator[Claim]:
    for name, words, row, reading in (
        *((f"smart-{reading}", "SMART", f"smart[{reading}]", reading) for reading in method_rows.READINGS),
        ("sda", "SDA (K = 1)", "sda[K=1]", ""),
    ):
        sentence = f"{words} is better than plain fine-tuning."
        yield small_sets.claim(f"{name}-beats-vanilla", sentence, row, "vanilla", reading=reading)
