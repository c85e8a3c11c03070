"""Fills the numbers of docs/FINDINGS.md from the published runs: ``python docs/findings.py``. A test compares.

Written anew are blocks from ``<!-- table NAME -->`` (also ``claims``, ``cost``) to ``<!-- end -->``, and
single numbers with their source behind them, ``+1.2<!--= claim/ID/estimate -->``. Every other word is an author's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from statistics import median

from analysis import claims, tables
from analysis.comparison import compare
from analysis.load import Manifest, is_done, latest_manifest, load, read_run

HERE = Path(__file__).parent
PUBLISHED = HERE.parent / "results" / "published"
PAGE = HERE / "FINDINGS.md"
_BLOCK = re.compile(r"(<!-- (table|claims|cost) ([\w-]+) -->\n).*?(<!-- end -->)", re.S)
_NUMBER = re.compile(r"[+\u2212]?[\d,]*\d(?:\.\d+)?(<!--= (\S+) -->)")


def page() -> str:
    """The page with every number as the published runs give it."""
    text = PAGE.read_text(encoding="utf-8")
    text = _BLOCK.sub(lambda m: f"{m[1]}\n{BLOCKS[m[2]](_manifest(m[3]))}\n{m[4]}", text)
    return _NUMBER.sub(lambda m: facts()[m[2]] + m[1], text)


@lru_cache
def facts() -> dict[str, str]:
    """Name -> number as it is printed: of cells (``together/cola.matthews/sda[K=1]/mean``), of claims, of all runs."""
    frame = load(PUBLISHED)
    once = frame.drop_duplicates("key")
    found = {"runs": f"{len(once):,}", "hours": tables.number(float(once["seconds"].sum()) / 3600)}
    for name in _names():
        manifest = _manifest(name)
        found[f"{name}/runs"] = f"{sum(is_done(PUBLISHED, key) for key in manifest.all_keys()):,}"
        for cell in tables.records(compare(PUBLISHED, manifest)):
            about = f"{name}/{cell.column}/{cell.row}"
            found |= {f"{about}/{each}": tables.number(getattr(cell, each)) for each in ("mean", "sd", "visible")}
            signed = ("difference", "low", "high")
            found |= {f"{about}/{each}": tables.number(getattr(cell, each), signed=True) for each in signed}
        for verdict in claims.decide_all(PUBLISHED, manifest):
            if verdict.interval is not None:
                about, digits = f"claim/{verdict.claim.id}", 1 if verdict.unit == claims.POINTS else 2
                signed = verdict.unit == claims.POINTS
                for each in ("estimate", "low", "high"):
                    found[f"{about}/{each}"] = tables.number(getattr(verdict.interval, each), digits, signed=signed)
    return found


def table(manifest: Manifest) -> str:
    """The experiment's table, as papers print it."""
    return tables.github(tables.matrix(compare(PUBLISHED, manifest)), texts=1)


def verdicts(manifest: Manifest) -> str:
    """The experiment's claims that were decided, each with its numbers; then how many were not run."""
    found = claims.decide_all(PUBLISHED, manifest)
    decided = [verdict for verdict in found if verdict.status != claims.NOT_RUN]
    lines = [("claim", "verdict", "numbers")]
    for verdict in decided:
        told = claims.in_words(verdict)[len(verdict.words) + 2 :]
        lines.append((f"{verdict.claim.sentence} (`{verdict.claim.id}`)", f"**{verdict.words}**", told))
    text = tables.github(lines)
    left = [f"`{verdict.claim.id}`" for verdict in found if verdict.status == claims.NOT_RUN]
    return text + (f"\n\nNot run: {', '.join(left)}." if left else "")


def cost(manifest: Manifest) -> str:
    """Seconds an update takes under each method, and that as a multiple of the baseline's: medians over runs."""
    lines = [("method", "task", "seconds an update", "times plain", "runs")]
    for task in dict.fromkeys(column.task for column in manifest.columns):
        seconds = {}
        for row in manifest.rows:
            keys = [key for key in manifest.cells[row.id].get(task, []) if is_done(PUBLISHED, key)]
            timings = [read_run(PUBLISHED, key).result["timing"] for key in keys]
            seconds[row] = [timing["training"] / timing["updates"] for timing in timings if timing.get("updates")]
        plain = next(median(s) for row, s in seconds.items() if row.id == manifest.baseline_row)
        lines += [
            (row.title, task, tables.number(median(s), 2), tables.number(median(s) / plain, 2), str(len(s)))
            for row, s in seconds.items()
            if s
        ]
    return tables.github(lines, texts=2)


BLOCKS: dict[str, Callable[[Manifest], str]] = {"table": table, "claims": verdicts, "cost": cost}


@lru_cache
def _manifest(name: str) -> Manifest:
    return latest_manifest(PUBLISHED, name)


def _names() -> list[str]:
    return sorted(path.name for path in (PUBLISHED / "experiments").iterdir())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
