"""What a claim is about: a difference, a ratio, a share or a value, and where the claim puts it."""

from __future__ import annotations

from dataclasses import dataclass

from analysis.schema import Changed, Claim, Cost, LossBetween, Measured, Variance

MEASURED = {
    "r_s": "change under small perturbations (R_s)",
    "distance": "distance from the pre-trained weights",
    "step_divergence": "divergence between successive updates",
}
COSTS = {"seconds": "seconds of an update", "memory": "memory"}


@dataclass(frozen=True)
class Quantity:
    """What a claim's interval is an interval of.

    Attributes:
        name: the quantity as the label of an axis; "" for a difference, whose unit depends on the metric.
        claimed: the values that the interval is compared with, in its unit: 0 for a difference, 1 or the claimed size
            for a ratio, one or both limits of a claimed range.
    """

    name: str = ""
    claimed: tuple[float, ...] = (0.0,)

    @property
    def is_difference(self) -> bool:
        """True if 0 is what the interval is compared with."""
        return self.claimed == (0.0,)


def quantity_of(claim: Claim) -> Quantity:
    """Return what a claim is about."""
    match claim.test:
        case Changed(share=share):
            return Quantity("changed answers, %", (100 * share,))
        case LossBetween(part=part, low=low, high=high):
            return Quantity(f"{part}, mean of the last updates", (low, high))
        case Cost(quantity=name):
            size, margin = claim.size or 1.0, claim.margin
            claimed = (size,) if margin is None else (size - margin, size + margin)
            return Quantity(f"ratio: {COSTS[name]}", claimed)
        case Variance():
            return Quantity("ratio: spread over seeds", (1.0,))
        case Measured(quantity=name):
            return Quantity(f"ratio: {MEASURED[name]}", (1.0,))
    return Quantity()
