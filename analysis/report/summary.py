"""The summary of a report, which the site over all reports reads: ``summary.json`` beside the page."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.claims import Verdict
from analysis.records import ResultsError, read_json
from analysis.report.answer import chip, chip_of
from analysis.report.card.content import READINGS, Card
from analysis.report.card.sentences import found, titles_of
from analysis.report.remedy import seconds_by_device
from analysis.results import Run
from analysis.schema import Manifest
from analysis.scores import METRICS
from analysis.tables import digits_of, heading, interval, kind_of, mean_and_spread, number, records

if TYPE_CHECKING:
    import pandas as pd

FILE = "summary.json"
VERSION = 1


@dataclass(frozen=True)
class Summary:
    """What the site shows of one report.

    Attributes:
        name: name of the experiment; its report is in the folder of this name.
        title: its title.
        basis: data, model, tasks and runs, in words.
        group: data and model: only methods of one group stand in one leaderboard.
        counts: number of claims of each verdict, with the colour of the verdict.
        claims: each claim: sentence, verdict, colour, finding and source.
        cells: each cell: method, task, score, difference, interval, colour, number of seeds, the mean as a number that
            is greater where it is better, a digest of its runs' keys, and the mean seconds of a run on each device.
        seconds: computing time of all runs.
        runs: finished and planned runs.
    """

    name: str
    title: str
    basis: str
    group: str
    counts: Mapping[str, Any]
    claims: Sequence[Mapping[str, Any]]
    cells: Sequence[Mapping[str, Any]]
    seconds: float
    runs: Sequence[int]

    @classmethod
    def of(
        cls, manifest: Manifest, cells: pd.DataFrame, verdicts: Sequence[Verdict], runs: Sequence[Run], card: Card
    ) -> Summary:
        """Return the summary of a report from what its page shows."""
        titles = titles_of(manifest)
        counts: dict[str, Any] = {}
        for verdict in verdicts:
            before = counts.get(verdict.label, {"n": 0})["n"]
            counts[verdict.label] = {"n": before + 1, "chip": chip_of(verdict)}
        models = sorted({str(run.spec.get("model")) for run in runs})
        by_key = {run.key: run for run in runs}
        data = "generated data" if manifest.is_generated else f"profile {manifest.profile or 'of its own'}"
        return cls(
            manifest.name,
            manifest.title,
            card.basis,
            ", ".join([data, *models]),
            counts,
            [_claim(verdict, titles) for verdict in verdicts],
            [_score(cell, by_key) for cell in records(cells) if cell.n_seeds],
            sum(float(run.result.get("seconds") or 0.0) for run in runs),
            [len(runs), len(manifest.all_keys())],
        )


def write_summary(summary: Summary, folder: Path) -> Path:
    """Write ``summary.json`` of a report and return its path."""
    path = folder / FILE
    text = json.dumps({"schema": VERSION, **asdict(summary)}, indent=1, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def read_summary(path: Path) -> Summary:
    """Read a summary.

    Raises:
        ResultsError: the file cannot be read, or another version of the suite wrote it.
    """
    content = read_json(path)
    names = {field.name for field in fields(Summary)}
    if content.get("schema") != VERSION or not names <= content.keys():
        raise ResultsError(f"{path}: not a summary of version {VERSION}; write the report again")
    return Summary(**{name: content[name] for name in names})


def _claim(verdict: Verdict, titles: Mapping[str, str]) -> dict[str, str]:
    claim = verdict.claim
    return {
        "id": claim.id,
        "sentence": claim.sentence,
        "source": claim.table,
        "reading": READINGS.get(claim.reading, claim.reading),
        "word": verdict.words_with(titles),
        "chip": chip_of(verdict),
        "found": found(verdict, titles),
    }


def _score(cell: Any, by_key: Mapping[str, Run]) -> dict[str, Any]:
    times = seconds_by_device(by_key[key] for key in cell.keys if key in by_key)
    scoring = METRICS.get(cell.metric)
    has_difference = not math.isnan(cell.difference)
    return {
        "row": cell.row,
        "method": cell.row_title,
        "task": heading(cell),
        "score": mean_and_spread(cell),
        "mean": cell.mean,
        "rank": cell.mean if scoring is None or scoring.greater_is_better else -cell.mean,
        "difference": number(cell.difference, digits_of(cell.metric), signed=True),
        "interval": interval(cell),
        "chip": chip(cell) if has_difference else "",
        "note": kind_of(cell.undecided),
        "n": cell.n_seeds,
        "runs": hashlib.sha256(" ".join(sorted(cell.keys)).encode()).hexdigest()[:16],
        "seconds": {device: round(sum(seconds) / len(seconds), 1) for device, seconds in times.items()},
    }
