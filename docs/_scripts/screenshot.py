"""Takes the README's picture, the first screen of a demonstration's report, and writes ``docs/images/report.png``.

Usage, after the README's first command: ``python docs/_scripts/screenshot.py [RESULTS [NAME]]``, by default of
``results`` and ``smart-table1``. It writes the report anew, in a temporary folder, and needs playwright and Chromium
(``CHROMIUM`` names another one).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from analysis.report import write_report
from analysis.results import Results
from benchmarks.cli.catalogue import method_sentences

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "docs" / "images" / "report.png"
SCREEN = {"width": 1280, "height": 800}


def main(results: str = "results", name: str = "smart-table1") -> None:
    """Write the report in a copy of the results folder made of links, and take the picture of its first screen."""
    if not Results(Path(results)).manifest(name).is_generated:
        raise SystemExit(f"{name} in {results} is no demonstration: run it with --profile demo")
    browser_path = os.environ.get("CHROMIUM") or which("chromium") or which("google-chrome")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        for part in ("experiments", "runs"):
            Path(folder, part).symlink_to(Path(results, part).resolve())
        copied = Results(Path(folder))
        page = write_report(copied, name, methods=method_sentences(copied.manifest(name).rows))
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=SCREEN, color_scheme="light")
        tab.goto(page.as_uri())
        tab.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main(*sys.argv[1:3])
