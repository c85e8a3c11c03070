"""What a report shows, all of it computed from the finished runs of an experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from analysis import claims, curves
from analysis.comparison import compare
from analysis.report import answer
from analysis.report.ablation import part_answers
from analysis.report.card.content import Card, card_of
from analysis.report.damage import damage_notes, disagreements
from analysis.report.facts import FactTable, fact_tables
from analysis.report.items import Items, by_item
from analysis.report.order import deciding_tasks_first
from analysis.report.own_data import own_answers
from analysis.report.unpublished import without_published
from analysis.results import Log, Results, Run
from analysis.schema import Manifest

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Content:
    """The content of a report.

    Attributes:
        manifest: the experiment, its tasks in the order of the report.
        runs: the finished runs, without damaged ones.
        cells: frame of :func:`analysis.comparison.compare`.
        verdicts: the verdict on each claim.
        logs: log of each run, by key.
        items: sections on single items.
        card: the first screen.
        extra: further tables of the experiment.
        warnings, remarks: sentences for the reader; warnings are about what may be wrong.
    """

    manifest: Manifest
    runs: Sequence[Run]
    cells: pd.DataFrame
    verdicts: Sequence[claims.Verdict]
    logs: Mapping[str, Log]
    items: Items
    card: Card
    extra: Sequence[FactTable]
    warnings: Sequence[str]
    remarks: Sequence[str]

    @property
    def titles(self) -> dict[str, str]:
        """The title of each row, by its id."""
        return {row.id: row.title for row in self.manifest.rows}


def content_of(results: Results, name: str) -> Content:
    """Return the content of an experiment's report; damaged runs are left out and named in its warnings.

    Raises:
        analysis.ResultsError: there is no such experiment, or one of its files cannot be read.
    """
    manifest = results.manifest(name)
    damage = results.leave_out_damaged(manifest.all_keys())
    runs = results.finished(manifest)
    cells = compare(results, manifest)
    verdicts: list[claims.Verdict] = claims.decide_all(results, manifest)
    own = own_answers(results, manifest, cells, runs)
    if manifest.is_generated or any(run.task.get("generated") for run in runs):
        manifest, cells, verdicts = without_published(manifest, cells, verdicts)
    manifest, cells = deciding_tasks_first(manifest, cells)
    logs = curves.read_logs(results, manifest)
    divergence = answer.diverged(manifest, curves.diverged(logs, manifest))
    card = replace(card_of(results, manifest, cells, verdicts, runs, own), parts=part_answers(results, manifest, logs))
    return Content(
        manifest,
        runs,
        cells,
        verdicts,
        logs,
        by_item(results, manifest, runs),
        card,
        fact_tables(results, manifest),
        answer.warnings(manifest, cells, runs) + divergence + disagreements(cells, runs) + damage_notes(damage),
        answer.remarks(manifest, runs),
    )
