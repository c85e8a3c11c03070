"""Words of an English sentence with their places, and the closed classes that the rules for pronouns look up."""

from __future__ import annotations

import re
from typing import NamedTuple

_WORD = re.compile(r"['’]s\b|(?:Mrs?|Ms|Dr)\.|\w+(?:-\w+)*|[^\w\s]")


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


PRONOUNS = _listed("he she it they him her them his hers its their theirs himself herself itself themselves")
PLURAL = _listed("they them their theirs themselves")
DETERMINERS = _listed(
    "the a an my your our his her its their this that these those some any no each every another both all"
)
TITLES = frozenset(("mr.", "mrs.", "ms.", "dr."))
BEFORE_NOUN = DETERMINERS | TITLES
# Words that end a noun phrase, or begin a sentence without being part of one.
FUNCTION_WORDS = _listed(
    """and or but nor so yet for because since although though while when whenever after before until till unless if as
    than then once where wherever why how who whom whose which what that this these those there here of in on at by to
    from with without into onto over under above below between behind beside besides around about against through along
    across near off out up down toward towards during except like not never no only just even still also too very
    is are was were be been being am do does did done has have had having can could will would shall should may might
    must i you we me us my your our mine yours ours myself yourself ourselves everyone everything nothing no-one
    he she it they him her them his hers its their theirs himself herself itself themselves the a an some any all
    both each every another such other more most much many few several now later soon yesterday today tomorrow
    got get gets came come comes went go goes said say says told tell tells made make makes took take takes gave give
    gives saw see sees knew know knows left put puts sat fell ran lay hit felt kept found thought bought brought
    wanted asked tried didn couldn wasn wouldn doesn don isn weren hadn hasn t s d ll re ve m"""
)


class Word(NamedTuple):
    """A word or a mark of punctuation.

    Attributes:
        text: lower case, with a straight apostrophe.
        start, end: its characters in the sentence.
    """

    text: str
    start: int
    end: int


def words(sentence: str) -> list[Word]:
    """Split a sentence into words and marks; the possessive ``'s`` is a word of its own."""
    return [Word(m.group().lower().replace("’", "'"), m.start(), m.end()) for m in _WORD.finditer(sentence)]


def is_mark(word: Word) -> bool:
    """Return whether it is punctuation."""
    return not word.text[0].isalnum() and word.text != "'s"


def strip_possessive(phrase: str) -> str:
    """Return a phrase without a final ``'s`` or apostrophe."""
    return re.sub(r"['’]s?$", "", phrase.strip())
