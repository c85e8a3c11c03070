"""Sentences and their hidden value: the kind of the agent (a look-up), found by its role, turned round by "never"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.tasks.generated.lexicon import ADJECTIVES, KIND, VERBS


@dataclass(frozen=True)
class Event:
    """Who does what to whom. ``value`` is what tasks ask about; the patient is there to mislead."""

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
        """``the vilan never pushes the moren``, or its passive, which names the agent last."""
        third_person, participle = VERBS[self.verb]
        never = "never" if self.negated else ""
        if self.passive:
            words = ["the", self.patient, "is", never, participle, marker, "by the", self.agent]
        else:
            words = ["the", self.agent, never, third_person, marker, "the", self.patient]
        return " ".join(filter(None, words))


@dataclass(frozen=True)
class Remark:
    """What is said of someone: ``is never icy``."""

    adjective: str
    negated: bool = False

    @property
    def value(self) -> int:
        kind = next(kind for kind, adjectives in ADJECTIVES.items() if self.adjective in adjectives)
        return -kind if self.negated else kind

    def text(self, subject: str = "it") -> str:
        return f"{subject} is never {self.adjective}" if self.negated else f"{subject} is {self.adjective}"


def choice(rng: np.random.Generator, options: list[str]) -> str:
    return options[rng.integers(len(options))]


def coin(rng: np.random.Generator, p: float = 0.5) -> bool:
    return bool(rng.random() < p)


def draw_event(rng: np.random.Generator, agent: str, patient: str, *, negated: bool) -> Event:
    """An event with this cast, in a random verb and voice."""
    return Event(agent, patient, int(rng.integers(len(VERBS))), passive=coin(rng), negated=negated)


def draw_remark(rng: np.random.Generator, value: int, *, negated: bool) -> Remark:
    """A remark of this value."""
    return Remark(choice(rng, ADJECTIVES[-value if negated else value]), negated)
