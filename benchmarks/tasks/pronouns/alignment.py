"""Alignment of a Winograd premise with its hypothesis: the pronoun that is resolved, and its candidate.

WNLI's hypotheses repeat the clause around a pronoun of the premise with a candidate in the pronoun's place: "...
because it is too small." / "The suitcase is too small." The rule searches the pronoun and the part of the hypothesis
that replaces it: the words before that part must agree with those before the pronoun, and the words after it with those
after the pronoun. Words that differ in their ending alone (tucked / tucker) count as equal. Words that a hypothesis
adds in front of the candidate are removed if the rest is a phrase of the premise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.tasks.pronouns.words import BEFORE_NOUN, FUNCTION_WORDS, PRONOUNS, Word, is_mark, words

_DIFFERENCE = 3  # cost of one word that is out of place, in words of the candidate
_AGREEMENT = ({"was", "were"}, {"is", "are"}, {"has", "have"}, {"does", "do"})  # with a candidate of another number
_SHORT, _JOINED = 3, 5  # most words of a candidate that is not cut, and of one with "and" in it


@dataclass(frozen=True)
class Alignment:
    """A pronoun and the phrase that the hypothesis puts in its place.

    Attributes:
        start, end: the pronoun's characters in the premise.
        candidate: the phrase of the hypothesis.
        out_of_place: words of the hypothesis outside the candidate that have no partner in the premise.
    """

    start: int
    end: int
    candidate: str
    out_of_place: int

    @property
    def is_sure(self) -> bool:
        """True if the rest of the hypothesis occurs in the premise, word by word."""
        return self.out_of_place == 0


def align(premise: str, hypothesis: str) -> Alignment | None:
    """Return the pronoun and the candidate that explain the hypothesis best; None if the premise has no pronoun.

    Best is the fewest words out of place, then the shortest candidate, then the last pronoun.
    """
    text, claim = (tuple(word for word in words(sentence) if not is_mark(word)) for sentence in (premise, hypothesis))
    best: tuple[tuple[int, int, int], Alignment] | None = None
    for place, word in enumerate(text):
        if word.text not in PRONOUNS:
            continue
        before, after = text[:place][::-1], text[place + 1 :]
        for first in range(len(claim)):
            left = _agreeing(claim[:first][::-1], before)
            for last in range(first + 1, len(claim) + 1):
                out_of_place = first - left + len(claim) - last - _agreeing(claim[last:], after)
                rank = (_DIFFERENCE * out_of_place + last - first, last - first, -place)
                if best is None or rank < best[0]:
                    candidate = hypothesis[claim[first].start : claim[last - 1].end]
                    best = rank, Alignment(word.start, word.end, candidate, out_of_place)
    if best is None:
        return None
    alignment = best[1]
    return Alignment(
        alignment.start, alignment.end, _without_addition(alignment.candidate, text), alignment.out_of_place
    )


def _agreeing(first_words: Sequence[Word], second_words: Sequence[Word]) -> int:
    """Count the leading words on which both sequences agree."""
    count = 0
    for first, second in zip(first_words, second_words, strict=False):
        if not _alike(first.text, second.text):
            break
        count += 1
    return count


def _alike(first: str, second: str) -> bool:
    """Return whether two words are equal, or differ in their ending alone."""
    if first == second or {first, second} in _AGREEMENT:
        return True
    shared = next(
        (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), min(len(first), len(second))
    )
    return shared >= 3 and shared >= min(len(first), len(second)) - 2


def _without_addition(candidate: str, premise: Sequence[Word]) -> str:
    """Return the longest end of the candidate that is a phrase of the premise, with its determiner; else all of it."""
    parts = words(candidate)
    if _is_phrase(parts):
        return candidate
    named = parts[:-1] if parts[-1].text == "'s" else parts
    texts = [word.text for word in premise]
    for first in range(1, len(named)):
        phrase = [word.text for word in named[first:]]
        if phrase[0] != "'s" and any(texts[i : i + len(phrase)] == phrase for i in range(len(texts) - len(phrase) + 1)):
            return candidate[parts[first - (named[first - 1].text in BEFORE_NOUN)].start :]
    return candidate


def _is_phrase(parts: Sequence[Word]) -> bool:
    """Return whether a candidate is a noun phrase: it has a determiner in front, or is short."""
    first, longest = parts[0].text, _JOINED if any(word.text == "and" for word in parts) else _SHORT
    return first in BEFORE_NOUN or (len(parts) <= longest and first not in FUNCTION_WORDS)
