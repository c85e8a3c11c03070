"""A sentence with a pronoun, and what it may refer to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mention:
    """A pronoun in its sentence, and what it may refer to.

    Attributes:
        left, pronoun, right: the sentence, cut around the pronoun.
        candidates: of class 0 and of class 1; the best of a class counts.
    """

    left: str
    pronoun: str
    right: str
    candidates: tuple[tuple[str, ...], tuple[str, ...]]


__all__ = ["Mention"]
