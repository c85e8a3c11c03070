"""The style of every page: the written rules, and the colours of methods for light and dark screens."""

from __future__ import annotations

from pathlib import Path

from analysis.figures.palette import on_dark, variables

FILE = Path(__file__).with_name("style.css")
GREYS = ("ink", "soft", "grid")  # which the written rules set


def stylesheet() -> str:
    """Return the style of a page."""
    colours = {name: colour for colour, name in variables().items() if name not in GREYS}
    light = "".join(f"--{name}:{colour};" for name, colour in colours.items())
    dark = "".join(f"--{name}:{on_dark(colour)};" for name, colour in colours.items())
    methods = f":root{{{light}}}\n@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}\n"
    return methods + FILE.read_text(encoding="utf-8")
