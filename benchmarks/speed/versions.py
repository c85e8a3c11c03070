"""Time updates of this version and of an older commit, both from git; writes a table of docs/bench.md.

``python -m benchmarks.speed.versions``, or ``tox -e bench``. Plain fine-tuning and SMART on 16 texts of 12 tokens, as
the suite trains them: its loop, and the table of word embeddings that a run of so many words has. Each is timed twice:
with the allocator settings that a worker of either version has, and with the C library's own.

Ratios are of process CPU times within a round; the median over rounds decides. See :mod:`benchmarks.speed.two_commits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.speed import side
from benchmarks.speed.ratio import ratio
from benchmarks.speed.two_commits import Side, measure, parser, source_trees, write


@dataclass(frozen=True)
class Case:
    """A timed update: its method, the ratio to the older version not to exceed, and the allocator's settings."""

    method: str
    limit: float
    keeps_blocks: bool

    def __str__(self) -> str:
        return f"{self.method}, {'as in a worker' if self.keeps_blocks else 'allocator as it comes'}"


CASES = (
    Case("vanilla", 0.80, keeps_blocks=True),
    Case("smart", 0.88, keeps_blocks=True),
    Case("vanilla", 0.80, keeps_blocks=False),
    Case("smart", 0.88, keeps_blocks=False),
)


def table(cases: Sequence[Case], times: np.ndarray) -> list[str]:
    """Return Markdown lines: a row a case, with its verdict.

    Args:
        cases: the timed updates.
        times: ``(rounds, cases, 2)`` CPU seconds, of the older version and of the newer.
    """
    lines = ["| update | CPU ms, older | newer | ratio, median (95 % interval) | fastest | target |", f"|{6 * '---|'}"]
    for number, case in enumerate(cases):
        older, newer = times[:, number, 0], times[:, number, 1]
        measured = ratio(newer, older)
        cells = [
            str(case),
            f"{1000 * np.median(older):.0f}",
            f"{1000 * np.median(newer):.0f}",
            measured.text(digits=3),
            f"{measured.fastest:.3f}",
            f"{case.limit:.2f}: {measured.verdict(case.limit)}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main(arguments: list[str] | None = None) -> None:
    """Time both commits and write the table."""
    choices = parser("versions", __doc__, rounds=60)
    choices.add_argument("--length", type=int, default=12, help="tokens of each of the 16 texts")
    options = choices.parse_args(arguments)
    with source_trees(options.older, options.newer) as trees:
        length = ("--length", str(options.length))
        sides = [Side(tree, ("--method", case.method, *length), case.keeps_blocks) for case in CASES for tree in trees]
        updates = measure(sides, options.rounds)
    times = np.array([[sum(update.values()) for update in row] for row in updates])
    words = side.WORDS[1] - side.WORDS[0]
    heading = (
        f"MiniLM-L6, 16 x {options.length} tokens, texts of {words:,} words, float32, one thread;",
        f"{options.newer} by {options.older}, both from git, {options.rounds} rounds in random order.",
        "",
    )
    write([*heading, *table(CASES, times.reshape(len(updates), len(CASES), 2))], options.output, "versions")


if __name__ == "__main__":
    main()
