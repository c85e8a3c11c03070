"""Show where an update's time goes, now and at an older commit; writes a table of docs/bench.md.

``python -m benchmarks.speed.parts``: plain fine-tuning, SMART and SDA of MiniLM on texts as long as those of CoLA (11
tokens in the mean) and RTE (66). A part is what is spent in it and in no part below it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.speed.against_commit import unpack_commit
from benchmarks.speed.page import PAGE, put
from benchmarks.speed.side import PARTS
from benchmarks.speed.versions import OLDER, Side, measure

LENGTHS = {"CoLA": ("--length", "11", "--spread", "0.4"), "RTE": ("--length", "66", "--spread", "0.5")}
METHODS = ("vanilla", "smart", "sda")
Times = Sequence[Mapping[str, float]]  # seconds per part, an update each


def table(times: Mapping[str, tuple[Times, Times]]) -> list[str]:
    """Markdown lines: a row a part, and per case its median milliseconds then and now, with the share of now.

    Args:
        times: case -> updates of the older version and of the newer one.
    """
    lines = [f"| part | {' | '.join(times)} |", f"|{(1 + len(times)) * '---|'}"]
    whole = {case: _median(sides[1], PARTS) for case, sides in times.items()}
    for part in PARTS:
        cells = []
        for case, (older, newer) in times.items():
            now = _median(newer, (part,))
            cells.append(f"{_median(older, (part,)):.1f} > {now:.1f} ({now / whole[case]:.1%})")
        lines.append(f"| {part} | {' | '.join(cells)} |")
    totals = [f"{_median(older, PARTS):.1f} > {whole[case]:.1f}" for case, (older, _) in times.items()]
    return [*lines, f"| all | {' | '.join(totals)} |"]


def _median(updates: Times, parts: Sequence[str]) -> float:
    return float(1000 * np.median([sum(update.get(part, 0.0) for part in parts) for update in updates]))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.parts", description=__doc__)
    parser.add_argument("older", nargs="?", default=OLDER, help=f"commit to compare with; default {OLDER}")
    parser.add_argument("newer", nargs="?", default="HEAD", help="commit that is timed; default HEAD")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--lengths", default=",".join(LENGTHS), help="of which data sets")
    parser.add_argument("--output", type=Path, default=PAGE, help=f"file to write, - for the terminal; default {PAGE}")
    options = parser.parse_args(arguments)
    times: dict[str, tuple[Times, Times]] = {}
    with tempfile.TemporaryDirectory(prefix="parts-") as folder:
        trees = [unpack_commit(commit, Path(folder, commit)) for commit in (options.older, options.newer)]
        for name in options.lengths.split(","):
            for method in METHODS:
                sides = [Side(tree, ("--method", method, *LENGTHS[name], "--parts")) for tree in trees]
                updates = measure(sides, options.rounds)
                times[f"{method}, {name}"] = ([each[0] for each in updates], [each[1] for each in updates])
    text = "\n".join(
        [
            f"CPU milliseconds of an update of 16 texts, {options.older} > {options.newer}, and the latter's share:",
            f"medians of {options.rounds} updates, both in turn.",
            "",
            *table(times),
        ]
    )
    print(text)
    if str(options.output) != "-":
        put(text, options.output, "parts")


if __name__ == "__main__":
    main()
