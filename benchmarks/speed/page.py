"""The page with the measured tables: each part of it is written by one command."""

from __future__ import annotations

from pathlib import Path

PAGE = Path("docs/bench.md")


def put(text: str, page: Path, part: str) -> None:
    """Write the text as the page, or between the page's two markers: what people wrote around them stays.

    Args:
        part: module of :mod:`benchmarks.speed` whose markers they are.
    """
    begin, end = markers(part)
    before, marker, rest = page.read_text().partition(begin) if page.exists() else ("", "", "")
    if marker:
        text = f"{before}{begin}\n\n{text}\n{end}{rest.partition(end)[2]}"
    page.write_text(text)


def markers(part: str) -> tuple[str, str]:
    """Return what stands on the page before and after a part."""
    return f"<!-- {part}: written by python -m benchmarks.speed.{part} -->", f"<!-- end of {part} -->"
