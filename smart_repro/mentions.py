"""Sentences with a pronoun and candidates, tokenised as HNN reads them: all sequences of an example in one row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smart_repro.encoding import Encoded
from smart_repro.hnn.mention import Mention
from smart_repro.hnn.model import CANDIDATE, NO_TARGET, PRONOUN

_PADDING = {
    "input_ids": 0,
    "token_type_ids": 0,
    "position_ids": 0,
    "sequence": -1,
    "role": 0,
    "lm_target": NO_TARGET,
    "candidate_class": 0,
}
_SHORTEST_CONTEXT = 2  # pieces that a candidate must leave for the sentence


@dataclass(frozen=True)
class _Tokens:
    """One sequence of tokens.

    Attributes:
        pieces: numbers of the word pieces.
        types: token type of each piece.
        roles: role of each piece: pronoun, candidate or none.
        targets: number of the word piece that is right at a mask token, else a negative number.
    """

    pieces: list[int]
    types: list[int]
    roles: list[int]
    targets: list[int]


def encode_mentions(
    tokenizer: Any, mentions: Sequence[Mention], labels: np.ndarray, max_length: int, ids: np.ndarray | None = None
) -> Encoded:
    """Tokenise mentions; a sentence that is too long loses its ends, so that the pronoun stays.

    Args:
        tokenizer: of a masked language model: with a mask token.
        mentions: the n examples.
        labels: ``(n,)`` class of the right candidate; -1: hidden.
        max_length: pieces of one sequence, special ones included; an example has two sequences per candidate.
        ids: ``(n,)`` example numbers; default 0..n-1.
    Raises: ValueError: for a tokenizer without a mask token, or a candidate that leaves no room for its sentence.
    """
    if tokenizer.mask_token_id is None:
        raise ValueError("HNN needs a tokenizer with a mask token: use a masked language model such as BERT")
    columns: dict[str, list[int]] = {name: [] for name in _PADDING}
    offsets = [0]
    for mention in mentions:
        for number, (group, tokens) in enumerate(_sequences(tokenizer, mention, max_length)):
            count = len(tokens.pieces)
            columns["input_ids"] += tokens.pieces
            columns["token_type_ids"] += tokens.types
            columns["position_ids"] += range(count)
            columns["sequence"] += [number] * count
            columns["role"] += tokens.roles
            columns["lm_target"] += tokens.targets
            columns["candidate_class"] += [group] * count
        offsets.append(len(columns["input_ids"]))
    padding = {**_PADDING, "input_ids": tokenizer.pad_token_id or 0}
    if "token_type_ids" not in tokenizer.model_input_names:
        del columns["token_type_ids"], padding["token_type_ids"]
    return Encoded(
        columns={name: np.array(values, dtype=np.int32) for name, values in columns.items()},
        offsets=np.array(offsets),
        padding=padding,
        ids=np.arange(len(mentions)) if ids is None else np.asarray(ids, dtype=np.int64),
        labels=labels,
    )


def _sequences(tokenizer: Any, mention: Mention, max_length: int) -> Iterator[tuple[int, _Tokens]]:
    """Yield class and tokens of each sequence: per candidate first the language model's, then the similarity's."""
    left, right = _pieces(tokenizer, mention.left.strip()), _pieces(tokenizer, mention.right.rstrip())
    pronoun = _pieces(tokenizer, f" {mention.pronoun}")
    for group, names in enumerate(mention.candidates):
        for name in names:
            candidate = _pieces(tokenizer, f" {name}")
            room = max_length - 3 - len(candidate) - max(len(pronoun), len(candidate))
            if not candidate or room < _SHORTEST_CONTEXT:
                raise ValueError(
                    f"the candidate {name!r} has {len(candidate)} word pieces, which leaves no room for its sentence "
                    f"within max_length {max_length}: raise max_length, or leave the example out"
                )
            before, after = _around(left, right, room)
            yield group, _masked(tokenizer, before, after, candidate)
            yield group, _paired(tokenizer, before, pronoun, after, candidate)


def _pieces(tokenizer: Any, text: str) -> list[int]:
    pieces: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return pieces


def _around(left: list[int], right: list[int], room: int) -> tuple[list[int], list[int]]:
    """Cut a context to ``room`` pieces: half of it on each side of the pronoun, more where the other side is short."""
    kept_right = min(len(right), max(room // 2, room - len(left)))
    kept_left = min(len(left), room - kept_right)
    return left[len(left) - kept_left :], right[:kept_right]


def _masked(tokenizer: Any, left: list[int], right: list[int], candidate: list[int]) -> _Tokens:
    """Build the sentence with a mask token for each piece of the candidate."""
    masks = [tokenizer.mask_token_id] * len(candidate)
    pieces = [tokenizer.cls_token_id, *left, *masks, *right, tokenizer.sep_token_id]
    zeros = [0] * len(pieces)
    targets = [NO_TARGET] * (1 + len(left)) + candidate + [NO_TARGET] * (len(right) + 1)
    return _Tokens(pieces, zeros, zeros, targets)


def _paired(tokenizer: Any, left: list[int], pronoun: list[int], right: list[int], candidate: list[int]) -> _Tokens:
    """Build the sentence and, behind it, the candidate."""
    sentence = [tokenizer.cls_token_id, *left, *pronoun, *right, tokenizer.sep_token_id]
    second = [*candidate, tokenizer.sep_token_id]
    roles = [0] * len(sentence) + [CANDIDATE] * len(candidate) + [0]
    roles[1 + len(left)] = PRONOUN
    pieces = sentence + second
    return _Tokens(pieces, [0] * len(sentence) + [1] * len(second), roles, [NO_TARGET] * len(pieces))


__all__ = ["encode_mentions"]
