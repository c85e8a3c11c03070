"""The page with the measured tables: each part of it is written by one command."""

from __future__ import annotations

from pathlib import Path

PAGE = Path("docs/bench.md")


def put(text: str, page: Path, part: str) -> None:
    """Write the text between the page's two markers; text outside them is kept.

    A page that has no such markers gets them, with the text, at its end; a new page is the text alone.

    Args:
        text: the text.
        page: the page.
        part: module of :mod:`benchmarks.speed` that the markers name.
    """
    begin, end = markers(part)
    if page.exists():
        whole = page.read_text()
        if begin not in whole:
            whole = f"{whole.rstrip()}\n\n{begin}\n{end}\n"
        before, _, after = whole.partition(begin)
        text = f"{before}{begin}\n\n{text}\n{end}{after.partition(end)[2]}"
    page.write_text(text)


def markers(part: str) -> tuple[str, str]:
    """Return the markers before and after a part of the page."""
    return f"<!-- {part}: written by python -m benchmarks.speed.{part} -->", f"<!-- end of {part} -->"
