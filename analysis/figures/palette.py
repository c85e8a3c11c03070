"""Colours, marks and dashes of methods: a hue per family of methods, a shade, mark and dash per method.

Methods of a family share their hue in every figure, whatever the other rows are. Marks and dashes differ between all
rows of a figure, so that it can be read in grey and by colour-blind readers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

INK, SOFT, GRID = "#1c2128", "#5b6470", "#d5dae1"
ON_COLOUR = "#101418"  # of text on coloured cells: dark on a dark page too, as the cells keep their colours
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#4aa3d8", "#7f6bb3", "#8c564b")
MARKERS = "os^vPXph8*"  # of methods; the hollow diamond "D" is the paper's
# Dashes, so that a line stays visible below another one.
LINES: Any = ("-", (0, (7, 1.6)), (0, (3.2, 1.2)), (0, (7, 1.4, 1.4, 1.4)))

# Hue of each family: at least 4.4 : 1 against white, and 3 : 1 in the lightest shade.
HUES = {
    "plain": "#4d5560",
    "smart": "#0072b2",
    "smoothness": "#00838f",
    "bregman": "#7256b0",
    "consistency": "#9a6f00",
    "adversarial": "#b8558f",
    "distillation": "#00805c",
    "together": "#c24e00",
    "partial": "#8c564b",
    "combined": "#5f7a1f",
}
# Marks of each family: its first row has the first one in every figure, the next rows the next ones if they are free.
MARKS_OF = {
    "plain": "o8",
    "smart": "sXh",
    "smoothness": "^vp",
    "bregman": "vP",
    "consistency": "P*",
    "adversarial": "Xp",
    "distillation": "ph*",
    "together": "h",
    "partial": "8",
    "combined": "*",
}
FAMILIES = {
    "vanilla": "plain",
    "plain": "plain",
    "label-smoothing": "plain",
    "smart": "smart",
    "smart-released": "smart",
    "smoothness": "smoothness",
    "bregman": "bregman",
    "r-drop": "consistency",
    "r3f": "consistency",
    "pgd": "adversarial",
    "freeat": "adversarial",
    "freelb": "adversarial",
    "sda": "distillation",
    "sdv": "distillation",
    "self-ensemble": "distillation",
    "smart+sda": "together",
    "feature-extraction": "partial",
    "gradual-unfreezing": "partial",
    "freeze-lower": "partial",
    "lora": "partial",
    "vote": "combined",
    "average": "combined",
}
OTHER = ("#3f6fd1", "#a3473b", "#3f7d3f", "#8a5a9e", "#7a6a2f")  # of methods that no family names: a user's own
BLACK, WHITE = "#000000", "#ffffff"
SHADES: tuple[tuple[str, float], ...] = ((BLACK, 0.0), (BLACK, 0.38), (WHITE, 0.22))


OUTLINES = {1: "M", 2: "L", 3: "Q", 4: "C"}  # code of a piece of an outline in matplotlib -> command of an SVG path


@dataclass(frozen=True)
class Look:
    """The look of one method in a figure."""

    colour: str
    marker: str
    dash: Any


def family_of(row: str) -> str:
    """Return the family of a row by the method that its id begins with, or "" for a method that no family names."""
    matches = [name for name in FAMILIES if row == name or (row.startswith(name) and not row[len(name)].isalnum())]
    return FAMILIES[max(matches, key=len)] if matches else ""


def looks(rows: Iterable[str]) -> dict[str, Look]:
    """Return the look of each row, by its id; the order of the rows decides shades, marks and dashes."""
    return dict(_looks(tuple(rows)))


@lru_cache(maxsize=64)
def _looks(rows: tuple[str, ...]) -> Mapping[str, Look]:
    markers = _markers(rows)
    counts: dict[str, int] = {}
    result = {}
    for position, row in enumerate(rows):
        family = family_of(row)
        count = counts[family] = counts.get(family, -1) + 1
        colour = shade(HUES[family], *SHADES[count % len(SHADES)]) if family else OTHER[count % len(OTHER)]
        result[row] = Look(colour, markers[row], LINES[position % len(LINES)])
    return result


def _markers(rows: tuple[str, ...]) -> dict[str, str]:
    """Return the mark of each row: of its family, as far as the rows of one figure then differ."""
    families = {row: family_of(row) for row in rows}
    firsts = {family: row for row, family in reversed(families.items()) if family}
    result = {row: MARKS_OF[family][0] for family, row in firsts.items()}
    members: dict[str, int] = {}
    for row, family in families.items():  # the n-th row of a family: its n-th mark
        marks, n = MARKS_OF.get(family, ""), members.get(family, 0)
        members[family] = n + 1
        if 0 < n < len(marks) and marks[n] not in result.values():
            result[row] = marks[n]
    for row in (row for row in rows if row not in result):
        used = list(result.values())
        fewest = min(used.count(marker) for marker in MARKERS)
        free = [marker for marker in MARKERS if used.count(marker) == fewest]
        preferred = [marker for marker in MARKS_OF.get(families[row], "") if marker in free]
        result[row] = (preferred or free)[0]
    return result


def shade(colour: str, towards: str, share: float) -> str:
    """Return a colour mixed with another one, of which it takes ``share``."""
    mixed = (round(int(colour[i : i + 2], 16) * (1 - share) + int(towards[i : i + 2], 16) * share) for i in (1, 3, 5))
    return "#" + "".join(f"{value:02x}" for value in mixed)


def variables() -> dict[str, str]:
    """Return the page's name of every colour that a figure may have: ``#0072b2`` -> ``smart-0``."""
    names = {INK: "ink", SOFT: "soft", GRID: "grid"}
    names |= {shade(hue, *step): f"{family}-{n}" for family, hue in HUES.items() for n, step in enumerate(SHADES)}
    return (
        names
        | {colour: f"other-{n}" for n, colour in enumerate(OTHER)}
        | {colour: f"c{n}" for n, colour in enumerate(PALETTE) if colour not in names}
    )


def on_dark(colour: str) -> str:
    """Return the colour as a dark page shows it: lighter."""
    return shade(colour, WHITE, 0.42)


def marker_path(marker: str) -> str:
    """Return the outline of a method's mark as the path of an SVG, about one unit high around the origin."""
    from matplotlib.markers import MarkerStyle
    from matplotlib.path import Path

    style = MarkerStyle(marker)
    outline = style.get_path().transformed(style.get_transform())
    parts = []
    for points, code in outline.iter_segments():
        pairs = (f"{x:.3g} {-y:.3g}" for x, y in zip(points[::2], points[1::2], strict=True))
        parts.append("Z" if code == Path.CLOSEPOLY else OUTLINES[int(code)] + " ".join(pairs))
    return "".join(parts)
