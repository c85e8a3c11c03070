"""Vocabulary compaction: the table of word embeddings without the rows that no text of a run contains.

Such a row changes no logit and gets no gradient, yet it is cleared, clipped, updated and averaged at every step; for a
small encoder on short texts that takes a fifth of the time. Token numbers, configuration and tokenizer do not change:
:class:`CompactEmbedding` maps token numbers to rows.

The optimisers of ``_MULTIPLYING`` only multiply a row without gradient by ``1 - lr weight_decay``, and every mean of
weights is linear. So all rows left out would be multiplied by one and the same number. One extra row that no text
contains, the witness, is trained with the others, and :meth:`Compaction.restore` reads the number from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.spec import RunSpec
from benchmarks.training.prepared import Prepared
from smart_repro.encoding import Mixed
from smart_repro.hnn.options import HNN_HEADS
from smart_repro.methods import METHODS
from smart_repro.models import embedding_site

LARGEST_SHARE = 0.8  # share of rows in use above which compaction saves too little
_MULTIPLYING = ("adamw", "radam", "adam-uncorrected")  # decoupled weight decay, or none


class CompactEmbedding(nn.Embedding):
    """A table of some of the rows, indexed by the token numbers of the full one; its last row is the witness.

    Args:
        table: the full table.
        kept: ``(n,)`` token numbers, ascending. Any other is an IndexError (on a GPU a failed assertion).
    """

    row_of: Tensor

    def __init__(self, table: nn.Embedding, kept: Tensor) -> None:
        row_of = torch.full((table.num_embeddings,), -1)
        row_of[kept] = torch.arange(len(kept))
        weight = torch.cat([table.weight.detach()[kept], witness(table.weight).unsqueeze(0)])
        padding = None if table.padding_idx is None else int(row_of[table.padding_idx])
        super().__init__(weight.shape[0], weight.shape[1], padding_idx=padding, _weight=weight)
        self.register_buffer("row_of", row_of, persistent=False)

    def forward(self, input: Tensor) -> Tensor:
        """Look the tokens' rows up; a token number whose row was left out is an IndexError."""
        return F.embedding(self.row_of[input], self.weight, self.padding_idx)


def witness(like: Tensor) -> Tensor:
    """Return the witness's initial values: all different, so that the rounding of their products averages out."""
    return torch.linspace(1, 2, like.shape[1], dtype=like.dtype, device=like.device)


@dataclass(frozen=True, eq=False)
class Compaction:
    """The full table that :func:`leave_out` replaced, and the rows that it kept.

    Attributes:
        table: the full table, as it was when training began.
        kept: ``(n,)`` token numbers whose rows are trained, ascending.
    """

    table: nn.Embedding
    kept: Tensor

    @property
    def digest(self) -> str:
        """sha256 of the row set."""
        return sha256(np.append(self.kept.numpy(), self.table.num_embeddings).astype("<i8").tobytes()).hexdigest()

    def restore(self, model: nn.Module) -> None:
        """Give a model, or a mean of its weights over training, the full table again, in place."""
        for compact in [module for module in model.modules() if isinstance(module, CompactEmbedding)]:
            weight = compact.weight.detach()
            factor = float((weight[-1].double() / witness(weight).double()).mean())
            full = (self.table.weight.detach().double() * factor).to(weight)
            full[self.kept.to(weight.device)] = weight[:-1]
            table = nn.Embedding(full.shape[0], full.shape[1], padding_idx=self.table.padding_idx, _weight=full)
            _replace(model, compact, table.requires_grad_(compact.weight.requires_grad))


def compact(run: RunSpec, data: Prepared, model: nn.Module) -> Compaction | None:
    """Leave out, in place, the table's rows that a run does not read; None where the table must stay complete."""
    table = _table(model)
    if table is None or not _leaves_unread_rows(run):
        return None
    kept = _read(data, model, table.num_embeddings)
    if len(kept) > LARGEST_SHARE * table.num_embeddings:
        return None
    return leave_out(model, table, torch.from_numpy(kept))


def leave_out(model: nn.Module, table: nn.Embedding, kept: Tensor) -> Compaction:
    """Replace ``table``, wherever ``model`` has it, by its rows ``kept``."""
    _replace(model, table, CompactEmbedding(table, kept))
    return Compaction(table, kept)


def _leaves_unread_rows(run: RunSpec) -> bool:
    """Return whether training only multiplies an unread row by a constant, and no loss or measurement reads it."""
    decoupled = run.optimizer in _MULTIPLYING or (run.optimizer == "adam" and run.weight_decay == 0)
    built_in = METHODS[run.method].__module__.startswith("smart_repro.")  # a plug-in's loss may read all weights
    reads_all = run.measure or run.head in HNN_HEADS  # the distance from theta_0; the scores of all words
    return decoupled and built_in and not reads_all


def _table(model: nn.Module) -> nn.Embedding | None:
    """Return the word embeddings if they are an ordinary trained table that nothing else shares, else None."""
    try:
        table = embedding_site(model, "word")
    except ValueError:
        return None
    if type(table) is not nn.Embedding or table.max_norm is not None or table.scale_grad_by_freq or table.sparse:
        return None
    if not table.weight.requires_grad:
        return None
    uses = sum(value is table.weight for module in model.modules() for value in module._parameters.values())
    return table if uses == 1 else None  # more than one use: an output head is tied to it


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for module in list(model.modules()):
        for name, child in list(module._modules.items()):
            if child is old:
                setattr(module, name, new)


def _read(data: Prepared, model: nn.Module, size: int) -> np.ndarray:
    """Return the token numbers of a run's texts, its padding and all special tokens, ascending."""
    parts = list(data.train.tasks.values()) if isinstance(data.train, Mixed) else [data.train]
    parts += [evaluated.encoded for evaluated in data.evaluated]
    is_used = np.zeros(size, dtype=bool)
    for part in parts:
        is_used[part.columns["input_ids"]] = True
        is_used[part.padding["input_ids"]] = True
    table: Any = embedding_site(model, "word")
    config = getattr(model, "config", None)
    configured = [value for name, value in vars(config).items() if name.endswith("_token_id")] if config else []
    special = [*data.special_ids, *configured, table.padding_idx]
    is_used[[value for value in special if isinstance(value, int) and 0 <= value < size]] = True
    return np.flatnonzero(is_used)
