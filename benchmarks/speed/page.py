"""The page with the measured tables: each part of it is written by one command."""

from __future__ import annotations

from pathlib import Path

PAGE = Path("docs/bench.md")


def put(text: str, page: Path, part: str) -> None:
    """Write the text between the page's two markers; text outside them is kept. Without markers it becomes the page.

    Args:
        text: the text.
        page: the page.
        part: module of :mod:`benchmarks.speed` that the markers name.
    """
    begin, end = markers(part)
    text_before, marker, text_after = page.read_text().partition(begin) if page.exists() else ("", "", "")
    if marker:
        text = f"{text_before}{begin}\n\n{text}\n{end}{text_after.partition(end)[2]}"
    page.write_text(text)


def markers(part: str) -> tuple[str, str]:
    """Return the markers before and after a part of the page."""
    return f"<!-- {part}: written by python -m benchmarks.speed.{part} -->", f"<!-- end of {part} -->"
