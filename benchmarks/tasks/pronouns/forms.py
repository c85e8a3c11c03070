"""Mentions: the pronoun and the candidates of a row, one function per form of text. Class 1 of a pair is "entailed"."""

from __future__ import annotations

import re

from benchmarks.tasks.pronouns.alignment import align
from benchmarks.tasks.pronouns.phrases import noun_phrases
from benchmarks.tasks.pronouns.words import BEFORE_NOUN, strip_possessive
from smart_repro.hnn.mention import Mention

SEPARATOR = " | "  # between the candidates of one text
_MARKED = re.compile(r"([^\[\]]*)\[([^\[\]]+)\]([^\[\]]*)")
_NOUN = re.compile(r"\bthe (\w+)")


def mark(left: str, pronoun: str, right: str) -> str:
    """Return a sentence with its pronoun in brackets, as :func:`choice` reads it."""
    return f"{left}[{pronoun}]{right}"


def choice(sentence: str, candidates: str) -> Mention | None:
    """Read ``The trophy does not fit into the suitcase because [it] is too large. | the trophy | the suitcase``.

    The first candidate is class 0, the second class 1.
    """
    marked, names = _MARKED.fullmatch(sentence), candidates.split(SEPARATOR)
    if marked is None or len(names) != 2:
        return None
    return Mention(marked[1], marked[2], marked[3], ((names[0],), (names[1],)))


def entailment(premise: str, hypothesis: str) -> Mention | None:
    """Read a WNLI row: class 1 is the phrase that the hypothesis puts in the pronoun's place, class 0 its rivals.

    Rivals are the premise's other noun phrases; where the rule finds none, the pronoun itself is the rival.
    """
    alignment = align(premise, hypothesis)
    if alignment is None:
        return None
    pronoun = premise[alignment.start : alignment.end]
    candidates = (rivals(premise, alignment.candidate, pronoun), (alignment.candidate,))
    return Mention(premise[: alignment.start], pronoun, premise[alignment.end :], candidates)


def rivals(premise: str, candidate: str, pronoun: str) -> tuple[str, ...]:
    """Return the noun phrases of a premise that do not name the candidate; ``(pronoun,)`` if there is none.

    In a possessive's place they are possessives too.
    """
    ending = "'s" if strip_possessive(candidate) != candidate else ""
    phrases = [strip_possessive(phrase) for phrase in noun_phrases(premise, pronoun)]
    rival_phrases = [phrase + ending for phrase in phrases if not same_phrase(phrase, candidate)]
    return tuple(rival_phrases) or (pronoun,)


def same_phrase(first: str, second: str) -> bool:
    """Return whether two phrases agree but for their determiner, a possessive ending and capitals."""
    return plain_phrase(first) == plain_phrase(second)


def plain_phrase(phrase: str) -> str:
    """Return a phrase in lower case without its determiner and a possessive ending."""
    first, *rest = strip_possessive(phrase).lower().split() or [""]
    return " ".join(rest if rest and first in BEFORE_NOUN else [first, *rest])


def generated_reference(premise: str, hypothesis: str) -> Mention | None:
    """Read a demo-wnli row: ``... because it is icy .`` / ``well it is the vilan .``; the second noun is the rival."""
    left, pronoun, right = premise.rpartition(" it ")
    named = _NOUN.search(hypothesis)
    nouns = _NOUN.findall(premise)
    if not pronoun or named is None or named[1] not in nouns:
        return None
    rival_phrases = tuple(f"the {noun}" for noun in nouns if noun != named[1])
    return Mention(f"{left} ", "it", f" {right}", (rival_phrases, (f"the {named[1]}",)))
