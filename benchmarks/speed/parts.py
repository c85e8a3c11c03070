"""Time the parts of an update, at this commit and at an older one; writes a table of docs/bench.md.

``python -m benchmarks.speed.parts``: plain fine-tuning, SMART and SDA of MiniLM on texts as long as those of CoLA (11
tokens in the mean) and RTE (66). The time of a part does not include the parts nested in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.speed.side import PARTS
from benchmarks.speed.two_commits import Side, measure, parser, source_trees, write

LENGTHS = {"CoLA": ("--length", "11", "--spread", "0.4"), "RTE": ("--length", "66", "--spread", "0.5")}
METHODS = ("vanilla", "smart", "sda")
Times = Sequence[Mapping[str, float]]  # seconds per part, an update each


def table(times: Mapping[str, tuple[Times, Times]]) -> list[str]:
    """Return Markdown lines: a row a part, and per case its median milliseconds at both commits and the newer share.

    Args:
        times: case -> updates of the older version and of the newer one.
    """
    lines = [f"| part | {' | '.join(times)} |", f"|{(1 + len(times)) * '---|'}"]
    totals = {case: _median(sides[1], PARTS) for case, sides in times.items()}
    for part in PARTS:
        cells = []
        for case, (older, newer) in times.items():
            milliseconds = _median(newer, (part,))
            cells.append(f"{_median(older, (part,)):.1f} > {milliseconds:.1f} ({milliseconds / totals[case]:.1%})")
        lines.append(f"| {part} | {' | '.join(cells)} |")
    sums = [f"{_median(older, PARTS):.1f} > {totals[case]:.1f}" for case, (older, _) in times.items()]
    return [*lines, f"| all | {' | '.join(sums)} |"]


def _median(updates: Times, parts: Sequence[str]) -> float:
    return float(1000 * np.median([sum(update.get(part, 0.0) for part in parts) for update in updates]))


def main(arguments: list[str] | None = None) -> None:
    """Time the parts of an update at both commits and write the table."""
    choices = parser("parts", __doc__, rounds=15)
    choices.add_argument("--lengths", default=",".join(LENGTHS), help="names of the data sets")
    options = choices.parse_args(arguments)
    times: dict[str, tuple[Times, Times]] = {}
    with source_trees(options.older, options.newer) as trees:
        for name in options.lengths.split(","):
            for method in METHODS:
                sides = [Side(tree, ("--method", method, *LENGTHS[name], "--parts")) for tree in trees]
                updates = measure(sides, options.rounds)
                times[f"{method}, {name}"] = ([older for older, _ in updates], [newer for _, newer in updates])
    heading = (
        f"CPU milliseconds of an update of 16 texts, {options.older} > {options.newer}, and the latter's share:",
        f"medians of {options.rounds} updates, both in turn.",
        "",
    )
    write([*heading, *table(times)], options.output, "parts")


if __name__ == "__main__":
    main()
