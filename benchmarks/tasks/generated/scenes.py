"""Draws of sentences with a given value. Splits share no pair of nouns, so no text of one occurs in another."""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from benchmarks.tasks.generated.lexicon import COLD, NOUNS, WARM
from benchmarks.tasks.generated.sentences import Event, Remark, choice, coin, draw_event, draw_remark

# Percent of the pairs of nouns. The pre-training text of the model in the package shares no pair with any split either.
SHARES = {"train": range(0, 15), "dev": range(15, 45), "test": range(45, 60), "pretrain": range(60, 100)}


def belongs(agent: str, patient: str, split: str) -> bool:
    """Return whether this pair of nouns is the split's; the sha256 of the pair decides."""
    return int.from_bytes(sha256(f"{agent} {patient}".encode()).digest()[:4], "big") % 100 in SHARES[split]


class Scenes:
    """A split's source of sentences. Agents come from shuffled decks: all nouns of a kind are equally frequent."""

    def __init__(
        self, rng: np.random.Generator, split: str, *, negation_rate: float = 0.3, reasons: float = 0.0
    ) -> None:
        self.rng = rng
        self.split = split
        self.never = negation_rate
        self.reasons = reasons
        self._decks: dict[int, list[str]] = {kind: [] for kind in NOUNS}

    def agent(self, kind: int) -> str:
        """Return the next noun of this kind."""
        if not self._decks[kind]:
            self._decks[kind] = [NOUNS[kind][i] for i in self.rng.permutation(len(NOUNS[kind]))]
        return self._decks[kind].pop()

    def patient(self, agent: str, kinds: tuple[int, ...] = (WARM, COLD)) -> str:
        """Return a second noun, of a kind independent of the agent's, in a pair that is this split's."""
        while True:
            noun = choice(self.rng, NOUNS[kinds[self.rng.integers(len(kinds))]])
            if noun != agent and belongs(agent, noun, self.split):
                return noun

    def event(self, value: int) -> Event:
        """Draw an event of this value."""
        negated = coin(self.rng, self.never)
        agent = self.agent(-value if negated else value)
        return draw_event(self.rng, agent, self.patient(agent), negated=negated)

    def event_text(self, value: int) -> str:
        """Draw the text of an event of this value; some texts give a reason, which is independent of the value."""
        text = self.event(value).text()
        if self.reasons and coin(self.rng, self.reasons):
            text = f"{text} because {self.remark(self.side()).text()}"
        return text

    def remark(self, value: int) -> Remark:
        """Draw a remark of this value."""
        return draw_remark(self.rng, value, negated=coin(self.rng, self.never))

    def side(self) -> int:
        """Draw warm or cold, with equal probability."""
        return WARM if coin(self.rng) else COLD
