"""The claims of the experiments: a list grouped by experiment, and the card of one claim, each with its verdict."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.schema import READING_WORDS
from benchmarks.cli.experiment_card import experiment_named
from benchmarks.cli.verdicts import NOT_RUN, answers_on, experiments_in, verdicts_on
from benchmarks.options import command, results_words
from smart_repro.registry import Registry

if TYPE_CHECKING:
    from analysis.schema import Claim
    from benchmarks.cli.verdicts import StoredExperiment
    from benchmarks.experiments import Experiment

FEWEST_CHARACTERS = 24  # of a sentence beside its claim's id; where fewer are left, it has a line of its own
INDENT = "    "
WRAPPED: Any = {"initial_indent": INDENT, "subsequent_indent": INDENT}
DATA_FOLDER = "path/to/data"  # stands for the reader's own


def claim_rows(names: Sequence[str], task: str | None, results: Path | None) -> list[dict[str, Any]]:
    """Return a row for each claim of these experiments, with the verdict of stored runs.

    Args:
        names: names of experiments.
        task: name of the task whose claims are returned; None: all.
        results: the results folder; None: no verdict is looked up.
    """
    pairs = [
        (name, claim)
        for name in names
        for claim in experiment_named(name).claims
        if task is None or any(task in statement.tasks for statement in claim.statements)
    ]
    decided = {} if results is None else verdicts_on([claim.id for _, claim in pairs], results)
    rows = []
    for name, claim in pairs:
        verdict, stored = decided.get(claim.id, (None, None))
        rows.append(
            {
                "id": claim.id,
                "experiment": name,
                "table": claim.table,
                "claim": claim.sentence,
                "size": "" if claim.size is None else f"{claim.size:g}",
                "reading": READING_WORDS.get(claim.reading, claim.reading),
                "verdict": verdict.label if verdict else NOT_RUN,
                "short": verdict.short_words(_titles(stored)) if verdict and stored else NOT_RUN,
                "words": verdict.words if verdict else NOT_RUN,
                "runs": stored.basis if stored else "",
            }
        )
    return rows


def _titles(stored: StoredExperiment) -> dict[str, str]:
    """Return the title of each task of a stored experiment."""
    return {column.task: column.title or column.task for column in stored.manifest.columns}


def list_text(rows: Sequence[dict[str, Any]], results: Path, width: int) -> str:
    """Return the rows as a list of at most ``width`` characters: a block per experiment, then the counts."""
    blocks = [_block(name, list(group), width) for name, group in groupby(rows, lambda row: row["experiment"])]
    counts = Counter(row["verdict"] for row in rows)
    words = ", ".join(f"{counts[word]} {word}" for word in _in_order(counts))
    total = f"{_plural(len(rows), 'claim')} in {_plural(len(blocks), 'experiment')}: {words}"
    return "\n".join([*blocks, total, *_demonstrations({row["experiment"] for row in rows}, results)])


def _in_order(verdicts: Iterable[str]) -> list[str]:
    """Return kinds of verdicts in the order in which reports count them."""
    kinds = list(verdicts)
    if set(kinds) <= {NOT_RUN}:
        return kinds  # without loading the libraries of the statistics
    from analysis.claims.words import COUNT_ORDER

    return sorted(kinds, key=lambda kind: (COUNT_ORDER.index(kind.partition(" (")[0]), kind))


def _plural(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def next_claim(rows: Sequence[dict[str, Any]]) -> str:
    """Return the id of the claim to look at next: the first with a verdict, else the first."""
    return str(next((row["id"] for row in rows if row["verdict"] != NOT_RUN), rows[0]["id"]))


def _block(name: str, rows: Sequence[dict[str, Any]], width: int) -> str:
    """Return the lines of one experiment: its title, the runs behind its verdicts, and a line for each claim."""
    runs = dict.fromkeys(row["runs"] for row in rows if row["runs"])
    heading = f"{name}: {experiment_named(name).title}" + (f" (runs: {'; '.join(runs)})" if runs else "")
    verdicts = [row.get("short") or row["verdict"] for row in rows]
    id_width, verdict_width = max(len(row["id"]) for row in rows), max(map(len, verdicts))
    room = width - id_width - verdict_width - 4
    lines = []
    for row, verdict in zip(rows, verdicts, strict=True):
        start = f"{row['id']:<{id_width}}  {verdict:<{verdict_width}}"
        if room >= FEWEST_CHARACTERS:
            lines.append(f"{start}  {_shortened(row['claim'], room)}")
        else:
            fits = len(start.rstrip()) <= width
            lines += [start.rstrip()] if fits else [row["id"], *textwrap.wrap(verdict, width, **WRAPPED)]
            lines += [INDENT + _shortened(row["claim"], width - len(INDENT))]
    return "\n".join([heading, *lines, ""])


def _shortened(sentence: str, width: int) -> str:
    """Return a sentence in at most ``width`` characters, shortened at the end of a word."""
    return textwrap.shorten(sentence, max(width, FEWEST_CHARACTERS), placeholder=" …", break_on_hyphens=False)


def _demonstrations(names: set[str], results: Path) -> Iterator[str]:
    """Yield where the verdicts on generated data are, of the listed experiments: such claims are not in the list."""
    for stored in experiments_in(results):
        manifest = stored.manifest
        if manifest.is_generated and manifest.name in names:
            report = command("report", manifest.name, "--claims", *results_words(results))
            yield f"{manifest.name} was run on generated data, whose claims are others: {report}"


# --- one claim ---


def claim_card(name: str, results: Path) -> tuple[list[tuple[str, Any]], dict[str, Any]]:
    """Return the entries of a claim's card and its content for programs.

    Args:
        name: id of the claim; that of a claim on generated data begins with ``demo-``.
        results: the folder with the runs that may decide it.

    Raises:
        UnknownNameError: there is no such claim.
    """
    experiment, claim = _find(name)
    content = {"experiment": experiment.name, **claim.to_json()}
    found = answers_on(name, results)
    is_decided = any(answer.content["status"] != NOT_RUN for answer in found)
    run = "" if is_decided else run_command(experiment, claim, results)
    entries: list[tuple[str, Any]] = [("sentence", claim.sentence)]
    for answer in found:
        entries += ((key, text) for key, text in answer.entries.items() if text != claim.sentence)
    if not found:
        entries += [("verdict", f"{NOT_RUN}: no run in {results} decides it"), ("command", run)]
    elif run and not any(answer.entries["command"] for answer in found):
        entries.append(("command", run))
    entries.append(("kind", f"{claim.kind}: {(type(claim.test).__doc__ or '').strip().splitlines()[0]}"))
    names = {name for name, _ in entries}
    words = {"reading": READING_WORDS.get(claim.reading, claim.reading)}
    fields = {key: words.get(key) or value for key, value in content.items()}
    entries += [(key, value) for key, value in fields.items() if key != "id" and key not in names]
    return entries, content | {"verdicts": [answer.content for answer in found], "command": run}


def run_command(experiment: Experiment, claim: Claim, results: Path) -> str:
    """Return the command that does the runs of a claim and reports them: of its rows, its tasks and the baseline.

    In the demo these are all runs: they take minutes, and on fewer tasks two claims may become one.
    """
    if experiment.profile == "demo":
        return command("reproduce", experiment.name, *results_words(results))
    options = _profile_options(experiment, claim)
    if claim.plain:
        ids = {row.id for row in experiment.rows}
        rows = [row for row in dict.fromkeys((experiment.baseline, claim.a, claim.b)) if row in ids]
        options += ["--tasks", ",".join(claim.tasks), "--methods", ",".join(rows)]
    return command("reproduce", experiment.name, *options, *results_words(results))


def _profile_options(experiment: Experiment, claim: Claim) -> list[str]:
    """Return the options of the smallest profile on real data that can decide a claim; none where only demo exists."""
    profiles = ("paper",) if claim.model else ("small", "paper")
    possible = [profile for profile in profiles if profile not in experiment.not_in]
    return ["--profile", possible[0], "--data-dir", DATA_FOLDER] if possible else []


def _find(name: str) -> tuple[Experiment, Claim]:
    """Return the claim of that id with its experiment: as published, or the demo's. Raises UnknownNameError."""
    from benchmarks.experiments import EXPERIMENTS
    from benchmarks.experiments.planning.profiles import PROFILES

    claims: Registry[tuple[Experiment, Claim]] = Registry("claim", listing="smart-repro list claims")
    for build in EXPERIMENTS.values():
        published = build()
        is_demo = name.startswith("demo-") and "demo" not in published.not_in  # claims on generated data are not listed
        experiment = PROFILES["demo"](published) if is_demo else published
        for claim in experiment.claims:
            claims.add(claim.id, (experiment, claim))
    return claims[name]
