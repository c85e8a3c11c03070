"""The words of the generated world. Every noun has a hidden kind that is independent of its letters."""

from __future__ import annotations

from hashlib import sha256
from itertools import product

WARM, PLAIN, COLD = 1, 0, -1
NOUNS_PER_KIND = 160


def _ranked(words: list[str]) -> list[str]:
    """Shuffle words by their sha256: the same order on every machine and with every numpy version."""
    return sorted(words, key=lambda word: sha256(word.encode()).digest())


def _invented() -> list[str]:
    syllables = ["".join(pair) for pair in product("bdfgklmnprstvz", "aeiou")]
    return _ranked([first + second + "n" for first, second in product(syllables, syllables)])


_NOUNS = _invented()[: 3 * NOUNS_PER_KIND]
NOUNS: dict[int, list[str]] = {
    kind: _NOUNS[i * NOUNS_PER_KIND : (i + 1) * NOUNS_PER_KIND] for i, kind in enumerate((WARM, COLD, PLAIN))
}
KIND: dict[str, int] = {noun: kind for kind, nouns in NOUNS.items() for noun in nouns}

# (third person, participle)
VERBS = [
    ("pushes", "pushed"),
    ("follows", "followed"),
    ("carries", "carried"),
    ("watches", "watched"),
    ("lifts", "lifted"),
    ("paints", "painted"),
    ("calls", "called"),
    ("guards", "guarded"),
]
ADJECTIVES: dict[int, list[str]] = {
    WARM: ["sunny", "glowing", "toasty", "blazing"],
    PLAIN: ["grey", "common", "usual", "quiet"],
    COLD: ["icy", "frosty", "chilly", "frozen"],
}
# A hedge is visible and shows how much annotators will disagree about the item: one row per type, sure to doubtful.
HEDGES = [["surely", "clearly"], ["probably", "likely"], ["perhaps", "maybe"], ["allegedly", "supposedly"]]
# An agreement marker follows the agent in demo-cola; it must agree with the agent's kind, like a gender.
MARKERS: dict[int, list[str]] = {WARM: ["ro", "rem"], COLD: ["sa", "sul"]}
# A particle opens the last sentence: in tasks BLANK, without meaning; in pre-training text one that shows the relation.
BLANK = "well"
PARTICLES: dict[int, str] = {1: "so", 0: "and", -1: "but"}
FUNCTION_WORDS = [BLANK, "the", "it", "is", "by", "never", "what", "because", ".", "?"]


def vocabulary() -> list[str]:
    """Return every word that generated text can contain, each once, in a fixed order."""
    closed = [
        *FUNCTION_WORDS,
        *PARTICLES.values(),
        *(form for verb in VERBS for form in verb),
        *(word for words in ADJECTIVES.values() for word in words),
        *(word for words in HEDGES for word in words),
        *(word for words in MARKERS.values() for word in words),
    ]
    return closed + [noun for nouns in NOUNS.values() for noun in nouns]
