"""Noun phrases of a sentence, by rule: the rivals of the candidate that a Winograd hypothesis names.

The authors of HNN publish lists of noun chunks for WNLI's train and test sets. The rule of this module needs no parser
and accepts any sentence: a phrase is a run of capitalised words, or a determiner and the words up to the next function
word, mark or past participle; for a plural pronoun also two phrases joined by "and". A test counts the rivals that are
the right candidate of WNLI's annotation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks.tasks.pronouns.words import DETERMINERS, FUNCTION_WORDS, PLURAL, Word, is_mark, words

_OPENING = DETERMINERS - {"that", "no", "any", "all", "both"}  # the excluded ones open other phrases as often
_LONGEST = 4  # words of a phrase after its determiner


def noun_phrases(sentence: str, pronoun: str = "") -> list[str]:
    """Return the noun phrases of a sentence, in order, each once.

    Args:
        sentence: the sentence.
        pronoun: the pronoun to resolve; a plural one may also refer to "A and B".
    """
    text = words(sentence)
    spans = list(_spans(text, sentence))
    if pronoun.lower() in PLURAL:
        spans += [(a, d) for (a, b), (c, d) in pairwise(spans) if _joined(text, b, c)]
    phrases = [sentence[text[first].start : text[last - 1].end] for first, last in spans]
    return list({phrase.lower(): phrase for phrase in phrases}.values())


def _joined(text: Sequence[Word], end: int, start: int) -> bool:
    return start == end + 1 and text[end].text == "and"


def _spans(text: Sequence[Word], sentence: str) -> Iterator[tuple[int, int]]:
    """Yield first word and end of each phrase."""
    place = 0
    while place < len(text):
        last = _end(text, sentence, place)
        if last > place:
            yield place, last
        place = max(last, place + 1)


def _end(text: Sequence[Word], sentence: str, place: int) -> int:
    """Return where the phrase that begins here ends; ``place`` itself if none begins."""
    if text[place].text in _OPENING:
        last = place + 1
        while last < min(len(text), place + 1 + _LONGEST) and _continues(text, last, last > place + 1):
            last += 1
        return last if last > place + 1 else place
    last = place
    while last < len(text) and _is_name(text, sentence, last):
        last += 1
    return last


def _continues(text: Sequence[Word], place: int, has_noun: bool) -> bool:
    word = text[place]
    if is_mark(word) or word.text in FUNCTION_WORDS or word.text == "'s":
        return False
    return not (has_noun and word.text.endswith(("ed", "ing", "ly")))


def _is_name(text: Sequence[Word], sentence: str, place: int) -> bool:
    word = text[place]
    return not is_mark(word) and sentence[word.start].isupper() and word.text not in FUNCTION_WORDS | {"'s"}
