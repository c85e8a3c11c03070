"""Sentences and their hidden value: the kind of the agent, inverted by "never"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.tasks.generated.lexicon import ADJECTIVES, KIND, VERBS


@dataclass(frozen=True)
class Event:
    """An action of an agent on a patient. Tasks ask about ``value``; the patient is a distractor."""

    agent: str
    patient: str
    verb: int
    passive: bool = False
    negated: bool = False

    @property
    def value(self) -> int:
        """Kind of the agent: 1, 0 or -1; its opposite under "never"."""
        return -KIND[self.agent] if self.negated else KIND[self.agent]

    def text(self, marker: str = "") -> str:
        """Return ``the vilan never pushes the moren``, or its passive, which names the agent last."""
        third_person, participle = VERBS[self.verb]
        negation = "never" if self.negated else ""
        if self.passive:
            words = ["the", self.patient, "is", negation, participle, marker, "by the", self.agent]
        else:
            words = ["the", self.agent, negation, third_person, marker, "the", self.patient]
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Remark:
    """A statement about a subject: ``is never icy``."""

    adjective: str
    negated: bool = False

    @property
    def value(self) -> int:
        """Kind of the adjective: 1, 0 or -1; its opposite under "never"."""
        kind = next(kind for kind, adjectives in ADJECTIVES.items() if self.adjective in adjectives)
        return -kind if self.negated else kind

    def text(self, subject: str = "it") -> str:
        """Return the remark as words, without a full stop."""
        return f"{subject} is never {self.adjective}" if self.negated else f"{subject} is {self.adjective}"


def choice(rng: np.random.Generator, options: list[str]) -> str:
    """Draw one option, all equally likely."""
    return options[rng.integers(len(options))]


def coin(rng: np.random.Generator, p: float = 0.5) -> bool:
    """Draw True with probability ``p``."""
    return bool(rng.random() < p)


def draw_event(rng: np.random.Generator, agent: str, patient: str, *, negated: bool) -> Event:
    """Draw verb and voice of an event with these nouns."""
    return Event(agent, patient, int(rng.integers(len(VERBS))), passive=coin(rng), negated=negated)


def draw_remark(rng: np.random.Generator, value: int, *, negated: bool) -> Remark:
    """Draw a remark of this value."""
    return Remark(choice(rng, ADJECTIVES[-value if negated else value]), negated)
