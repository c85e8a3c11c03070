"""HNN as a classifier over candidates: one row of inputs holds all sequences of an example (He et al. 2019).

An example is a sentence, a pronoun and candidates for what it refers to. Each candidate has two sequences: the sentence
with as many mask tokens as the candidate has pieces in the pronoun's place, which the masked language model scores, and
the sentence beside the candidate, in which the pronoun's first piece and the candidate's pooled pieces are compared.

All sequences of an example are concatenated in one row. Each has its own positions and attends only to itself. For a
method, HNN therefore has the form of any classifier: embeddings ``(batch, length, width)``, whose perturbation covers
all sequences of the example, and logits ``(batch, 2)``. Readings:

- The logits are the rank term's ``gamma`` times the mean of both scores: their softmax is the distribution over
  candidates that the rank term trains, less its margin. R_s and D_Breg compare it, SDA compares the logits.
- A class is one candidate, or several, of which the best counts: WNLI's hypothesis names one candidate (class 1), the
  other phrases of the sentence are its rivals (class 0).
- The public code's dropout in front of the similarity is defined and never applied; here there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig

from smart_repro.hnn.lm_head import LmHead
from smart_repro.hnn.losses import hnn_loss
from smart_repro.hnn.options import HnnOptions
from smart_repro.hnn.scores import attention_pool, cosine, mean_log_probability, similarity_score

PRONOUN, CANDIDATE = 1, 2  # roles of a token
NO_TARGET = -100  # target of a token that is not a mask token
CLASSES = 2


@dataclass(frozen=True)
class HnnOutput:
    """Scores of the two classes, ``(batch, 2)`` each.

    Attributes:
        logits: ``gamma`` times the mean of both scores.
        log_lm: log of the masked language model's score.
        raw: similarity before it is scaled.
        similarity, mean: the similarity's score, and the mean of both.
    """

    logits: Tensor
    log_lm: Tensor
    raw: Tensor
    similarity: Tensor
    mean: Tensor
    options: HnnOptions

    def task_loss(self, labels: Tensor) -> Tensor:
        """Return HNN's loss, which training minimises instead of the cross-entropy of the logits."""
        return hnn_loss(self.log_lm, self.raw, self.mean, labels, self.options)


class Hnn(nn.Module):
    """The two sides over one encoder.

    Args:
        encoder: BERT's or RoBERTa's; an unused pooler is dropped.
        lm_head: on its states.
        options: see :class:`HnnOptions`.
    """

    base_model_prefix = "encoder"

    def __init__(self, encoder: Any, lm_head: LmHead, options: HnnOptions) -> None:
        super().__init__()
        if getattr(encoder, "pooler", None) is not None:
            encoder.pooler = None
        self.encoder = encoder
        self.lm_head = lm_head
        self.options = options
        width, spread = encoder.config.hidden_size, getattr(encoder.config, "initializer_range", 0.02)
        self.bilinear = nn.Linear(width, width, bias=False) if options.similarity == "bilinear" else None
        self.query = nn.Linear(width, width, bias=False)
        for layer in filter(None, (self.bilinear, self.query)):
            nn.init.normal_(layer.weight, std=spread)

    @property
    def config(self) -> PreTrainedConfig:
        """The encoder's configuration."""
        config: PreTrainedConfig = self.encoder.config
        return config

    @property
    def base_model(self) -> Any:
        """The encoder."""
        return self.encoder

    def get_input_embeddings(self) -> nn.Module:
        """Return the encoder's word embeddings."""
        module: nn.Module = self.encoder.get_input_embeddings()
        return module

    def forward(
        self,
        attention_mask: Tensor,
        position_ids: Tensor,
        sequence: Tensor,
        role: Tensor,
        lm_target: Tensor,
        candidate_class: Tensor,
        **inputs: Any,
    ) -> HnnOutput:
        """Score the candidates of each example.

        Args:
            attention_mask: ``(batch, length)``, 0 on padding.
            position_ids: place of each token in its sequence.
            sequence: number of its sequence in the example: 2c is candidate c's for the language model, 2c + 1 that for
                the similarity; -1 on padding.
            role: ``PRONOUN`` for its first piece and ``CANDIDATE`` for the candidate's pieces in odd sequences, else 0.
            lm_target: the piece to restore at a mask token, else ``NO_TARGET``.
            candidate_class: 0 or 1, the class of the token's candidate.
            inputs: ``input_ids`` or ``inputs_embeds``, and ``token_type_ids`` where the encoder has such.
        """
        states = self._states(attention_mask, position_ids, sequence, inputs)
        count = int(sequence.max()) + 1
        numbers = torch.arange(count, device=sequence.device).view(1, -1, 1)
        inside = sequence.unsqueeze(1) == numbers  # (batch, sequences, length)
        present = inside[:, 0::2].any(-1)
        first = inside & (position_ids == 0).unsqueeze(1)
        classes = (first[:, 0::2] * candidate_class.unsqueeze(1)).sum(-1)
        log_lm = self._language_model(states, sequence, lm_target, count // 2)
        raw = self._similarity(states, inside[:, 1::2], first[:, 1::2], role)
        return self._output(log_lm, raw, classes, present)

    def _states(self, mask: Tensor, positions: Tensor, sequence: Tensor, inputs: dict[str, Any]) -> Tensor:
        """Hidden states of a row in which each sequence attends to itself alone."""
        is_same_sequence = sequence.unsqueeze(1) == sequence.unsqueeze(
            2
        )  # padding attends to padding: a row of zeros gives nan
        dtype = next(self.encoder.parameters()).dtype
        blocked = torch.zeros(is_same_sequence.shape, dtype=dtype, device=is_same_sequence.device).masked_fill(
            ~is_same_sequence, torch.finfo(dtype).min
        )
        states: Tensor = self.encoder(
            attention_mask=blocked.unsqueeze(1), position_ids=positions * mask + self._first_position, **inputs
        ).last_hidden_state
        return states

    @property
    def _first_position(self) -> int:
        """RoBERTa counts positions from behind its padding token's number."""
        return int(self.config.pad_token_id) + 1 if "roberta" in self.config.model_type else 0

    def _language_model(self, states: Tensor, sequence: Tensor, target: Tensor, candidates: int) -> Tensor:
        rows, places = (target != NO_TARGET).nonzero(as_tuple=True)
        embeddings: Any = self.get_input_embeddings().weight
        logits = _wide(self.lm_head(states[rows, places], embeddings))
        owner = rows * candidates + sequence[rows, places] // 2
        scores = mean_log_probability(logits, target[rows, places], owner, len(states) * candidates)
        return scores.view(len(states), candidates)

    def _similarity(self, states: Tensor, inside: Tensor, first: Tensor, role: Tensor) -> Tensor:
        """Raw similarities ``(batch, candidates)`` from the sequences of the similarity side."""
        context = first.to(states.dtype) @ states
        pronoun = (inside & (role == PRONOUN).unsqueeze(1)).to(states.dtype) @ states
        candidate = attention_pool(self.query(context), states.unsqueeze(1), inside & (role == CANDIDATE).unsqueeze(1))
        if self.bilinear is not None:
            return _wide((self.bilinear(candidate) * pronoun).sum(-1))
        return cosine(_wide(candidate), _wide(pronoun))

    def _output(self, log_lm: Tensor, raw: Tensor, classes: Tensor, present: Tensor) -> HnnOutput:
        similarity = similarity_score(raw, self.options.similarity)
        mean = (log_lm.exp() + similarity) / 2
        tables = (best_of_class(table, classes, present) for table in (log_lm, raw, similarity, mean))
        log_lm, raw, similarity, mean = tables
        return HnnOutput(self.options.rank.gamma * mean, log_lm, raw, similarity, mean, self.options)


def _wide(values: Tensor) -> Tensor:
    """Return float32 or wider: log-probabilities lose their digits in bf16."""
    return values if values.dtype == torch.float64 else values.float()


def best_of_class(scores: Tensor, classes: Tensor, present: Tensor) -> Tensor:
    """Return ``(batch, 2)``: the best score among each class's candidates.

    Args:
        scores: ``(batch, candidates)``.
        classes: the candidates' classes.
        present: False where an example has fewer candidates than the batch's largest.
    """
    lowest = torch.finfo(scores.dtype).min
    return torch.stack(
        [scores.masked_fill((classes != number) | ~present, lowest).amax(-1) for number in range(CLASSES)], dim=-1
    )


__all__ = ["CANDIDATE", "NO_TARGET", "PRONOUN", "Hnn", "HnnOutput", "best_of_class"]
