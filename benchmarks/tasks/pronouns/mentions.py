"""The mentions of a whole split, with notes on the quality of their alignment."""

from __future__ import annotations

from benchmarks.errors import DataError, UsageError
from benchmarks.tasks.base import Split, Task
from benchmarks.tasks.pronouns.alignment import align
from benchmarks.tasks.pronouns.forms import entailment
from smart_repro.hnn.mention import Mention


def mentions_of(task: Task, split: Split) -> list[Mention]:
    """Return each row's pronoun and candidates.

    Raises: UsageError: for a task whose rows have none. DataError: for a row without a pronoun.
    """
    if task.mention is None:
        raise UsageError(
            f"{task.name} has no pronouns to resolve: head hnn is for tasks such as dprd and wnli; leave head out"
        )
    mentions = []
    for name, *texts in zip(split.ids, *split.texts, strict=True):
        mention = task.mention(*texts)
        if mention is None:
            raise DataError(
                f"{task.name}, row {name}: no pronoun with candidates in {' / '.join(texts)[:80]!r}; leave the row out"
            )
        mentions.append(mention)
    return mentions


def alignment_notes(task: Task, split: Split) -> list[str]:
    """Return notes on a task that has to be aligned: pronouns with words left over, and rows without a rival."""
    if task.mention is not entailment:
        return []
    alignments = [align(premise, hypothesis) for premise, hypothesis in zip(*split.texts, strict=True)]
    unsure = sum(alignment is not None and not alignment.is_sure for alignment in alignments)
    alone = sum(mention.candidates[0] == (mention.pronoun,) for mention in mentions_of(task, split))
    return [
        f"{task.name}: {unsure} of {len(split)} pronouns found by an alignment that leaves words over; "
        f"{alone} rows without a rival phrase, where the pronoun itself is the rival"
    ]
