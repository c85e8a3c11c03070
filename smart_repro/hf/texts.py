"""Checks of texts before training: the model can read a batch, and data and model agree on the classes.

Without these checks a token or a position without a vector leads to an index error inside the model, on a GPU with a
delay; unknown words and swapped classes lead to a bad score without any error.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from smart_repro import models

NOTED = 0.01  # share of unknown word pieces in the first update from which a warning is given


class Reader:
    """Limits of a model's inputs: its word embeddings, positions and kinds of text.

    Args:
        model: the classifier.
        tokenizer: the Trainer's ``processing_class``, where there is one.
    """

    def __init__(self, model: nn.Module, tokenizer: Any = None) -> None:
        self.words = _word_count(model)
        self.positions = models.position_count(model)
        kinds = getattr(getattr(models.inside_adapters(model), "config", None), "type_vocab_size", None)
        self.kinds = kinds if isinstance(kinds, int) and kinds > 0 else None
        self.unknown = models.unknown_id(tokenizer)

    def check(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """Check that the model has an embedding for every token, position and kind of text.

        Raises:
            ValueError: it has none for a token, a length or a kind of text.
        """
        texts = [ids for batch in batches if isinstance(ids := batch.get("input_ids"), Tensor) and ids.numel()]
        width = max((ids.shape[-1] for ids in texts), default=0)
        if self.positions is not None and width > self.positions:
            raise ValueError(
                f"a text of {width} tokens, but the model has positions for {self.positions}: tokenise with "
                f"truncation=True, max_length={self.positions}"
            )
        self._check_kinds(batches)
        if self.words is None or not texts:
            return
        ends = torch.stack([end for ids in texts for end in (ids.amin(), ids.amax())])
        lowest, highest = torch.stack([ends.amin(), ends.amax()]).tolist()  # one transfer: each read synchronises a GPU
        if lowest < 0 or highest >= self.words:
            raise ValueError(
                f"the texts have tokens from {lowest} to {highest}, but the model has {self.words} word embeddings: "
                "use the tokenizer it was trained with, or, after adding tokens, call "
                "model.resize_token_embeddings(len(tokenizer))"
            )

    def _check_kinds(self, batches: Sequence[Mapping[str, Any]]) -> None:
        marks = [ids for batch in batches if isinstance(ids := batch.get("token_type_ids"), Tensor) and ids.numel()]
        if self.kinds is None or not marks:
            return
        highest = int(torch.stack([ids.amax() for ids in marks]).amax())
        if highest >= self.kinds:
            raise ValueError(
                f"token_type_ids go up to {highest}, but the model knows {self.kinds} kind{'s' * (self.kinds > 1)} of "
                "text: tokenise with return_token_type_ids=False, or use the tokenizer the model was trained with"
            )

    def warn_of_unknown(self, batches: Sequence[Mapping[str, Any]]) -> None:
        """Warn if the tokenizer does not know a noticeable share of the words of an update."""
        if self.unknown is None:
            return
        pieces = n_unknown = 0
        for batch in batches:
            ids, mask = batch.get("input_ids"), batch.get("attention_mask")
            if isinstance(ids, Tensor) and isinstance(mask, Tensor) and ids.shape == mask.shape:
                pieces += int(mask.sum())
                n_unknown += int(((ids == self.unknown) & (mask != 0)).sum())
        if pieces and n_unknown / pieces >= NOTED:
            warnings.warn(
                f"the tokenizer does not know {100 * n_unknown / pieces:.0f} % of the word pieces in the first update: "
                "check that it belongs to the model and to the language of the texts",
                stacklevel=2,
            )


def refuse_empty(dataset: Any, args: Any) -> None:
    """Refuse a training set without a batch.

    Raises:
        ValueError: it has no rows, or less than one whole batch with ``dataloader_drop_last``.
    """
    try:
        rows = len(dataset)
    except (TypeError, NotImplementedError):  # a stream
        return
    if not rows:
        raise ValueError("the training set is empty: look at the filter or the file it comes from")
    if args.dataloader_drop_last and rows < args.train_batch_size:
        raise ValueError(
            f"the training set has {rows} rows, fewer than one batch of {args.train_batch_size}, and "
            "dataloader_drop_last=True drops it: set it to False, or use a smaller batch"
        )


def warn_of_classes(model: nn.Module, dataset: Any) -> None:
    """Warn if the data set and the model name their classes differently; neither has to name them."""
    config = getattr(models.inside_adapters(model), "config", None)
    by_number = getattr(config, "id2label", None)
    in_data = _class_names(dataset)
    if not in_data or not isinstance(by_number, Mapping):
        return
    in_model = [str(by_number.get(number, "")) for number in range(len(by_number))]
    plain = [_plain(name) for name in in_model]
    if plain == [_plain(name) for name in in_data] or any(name.startswith("label") or not name for name in plain):
        return
    warnings.warn(
        f"the data set's classes are {', '.join(in_data)}, the model's {', '.join(in_model)}, in this order: if the "
        "model was fine-tuned on these classes, map the labels to its order; else load it with id2label of your task",
        stacklevel=2,
    )


def _class_names(dataset: Any) -> list[str]:
    features = getattr(dataset, "features", None)
    if not isinstance(features, Mapping):
        return []
    names = (getattr(features.get(column), "names", None) for column in ("labels", "label"))
    return next((list(map(str, listed)) for listed in names if listed), [])


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _word_count(model: nn.Module) -> int | None:
    try:
        words = models.embedding_site(model, "word")
    except ValueError:
        return None
    return words.num_embeddings if isinstance(words, nn.Embedding) else None


__all__ = ["Reader", "refuse_empty", "warn_of_classes"]
