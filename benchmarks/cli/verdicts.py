"""Verdicts on claims by the runs of a results folder and by the published runs in it.

Nothing heavy is imported where no run can decide a claim.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.records import ResultsError
from analysis.results import Results

if TYPE_CHECKING:
    from analysis.claims import Verdict
    from analysis.schema import Manifest

NOT_RUN = "not run"


@dataclass(frozen=True)
class StoredExperiment:
    """The newest grid of an experiment in a results folder, with at least one finished run."""

    results: Results
    manifest: Manifest

    @cached_property
    def verdicts(self) -> Mapping[str, Verdict]:
        """The verdict on each claim, by the claim's id; damaged runs are left out, and standard error names them."""
        from analysis.claims import decide_all

        damage = self.results.leave_out_damaged(self.manifest.all_keys())
        if damage:
            print(f"{self.manifest.name}: damaged runs are left out: {', '.join(sorted(damage))}", file=sys.stderr)
        return {verdict.claim.id: verdict for verdict in decide_all(self.results, self.manifest)}

    @property
    def basis(self) -> str:
        """The folder and the profile of the runs, in words."""
        profile = f"profile {self.manifest.profile}" if self.manifest.profile else "own grid"
        return f"{self.results.root}, {profile}"


def stored_experiments(results: Path) -> Iterator[StoredExperiment]:
    """Yield the experiments of a results folder that have a finished run, then those published in it."""
    for folder in (results, results / "published"):
        yield from experiments_in(folder)


def experiments_in(folder: Path) -> Iterator[StoredExperiment]:
    """Yield the experiments of one folder that have a finished run; standard error names a damaged manifest."""
    opened = Results(folder)
    for name in opened.experiments():
        try:
            manifest = opened.manifest(name)
        except ResultsError as error:
            print(f"{name}: left out: {error}", file=sys.stderr)
            continue
        if any(opened.is_done(key) for key in manifest.all_keys()):
            yield StoredExperiment(opened, manifest)


def verdicts_on(claims: Collection[str], results: Path) -> dict[str, tuple[Verdict, StoredExperiment]]:
    """Return the verdict on each of these claims that stored runs decide: on its own runs rather than published ones.

    Claims that the stored experiments cannot decide, because they lack a task or the model, are in it too.

    Args:
        claims: ids of claims.
        results: the results folder.
    """
    decided: dict[str, tuple[Verdict, StoredExperiment]] = {}
    out_of_reach: dict[str, tuple[Verdict, StoredExperiment]] = {}
    for stored in stored_experiments(results):
        open_ids = {claim.id for claim in stored.manifest.claims} & (set(claims) - decided.keys())
        for id in open_ids:
            verdict = stored.verdicts[id]
            if verdict.status != NOT_RUN:
                decided[id] = (verdict, stored)
            elif verdict.is_out_of_reach:
                out_of_reach.setdefault(id, (verdict, stored))
    return out_of_reach | decided


@dataclass(frozen=True)
class Answer:
    """What stored runs say about one claim: entries of its card, and the same for programs."""

    entries: Mapping[str, str]
    content: Mapping[str, Any]


def answers_on(claim: str, results: Path) -> list[Answer]:
    """Return the answer of each stored experiment that has the claim: verdict, effect, and what would decide it."""
    return [
        _answer(stored.verdicts[claim], stored)
        for stored in stored_experiments(results)
        if claim in {stored_claim.id for stored_claim in stored.manifest.claims}
    ]


def _answer(verdict: Verdict, stored: StoredExperiment) -> Answer:
    from analysis.claims import rule_in_words, to_json
    from analysis.claims.words import correction_in_words
    from analysis.report.card.content import reading_of
    from analysis.report.card.sentences import titles_of

    results, manifest = stored.results, stored.manifest
    reading = reading_of(results, manifest, verdict, results.finished(manifest))
    entries = {
        "sentence of these runs": verdict.claim.sentence,
        "verdict": reading.word,
        "effect": reading.effect,
        "p": correction_in_words(verdict),
        "rule": "; ".join(rule_in_words(verdict, titles_of(manifest))),
        "finding": reading.sentence,
        "to decide it": reading.remedy,
        "which takes": reading.time,
        "command": reading.command,
        "runs": f"{manifest.name} in {stored.basis}",
    }
    content = {**to_json(verdict), "experiment": manifest.name, "results": str(results.root)}
    return Answer(entries, content | {name: entries[name] for name in ("effect", "to decide it", "command")})
