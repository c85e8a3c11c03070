"""Takes the README's picture, the first screen of a published study's report: ``python docs/_scripts/screenshot.py``.

It writes the report anew from ``results/published`` and needs playwright and Chromium (``CHROMIUM`` names another).
"""

from __future__ import annotations

import os
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

from playwright.sync_api import sync_playwright

from analysis.report import write_report
from analysis.results import Results

ROOT = Path(__file__).resolve().parents[2]
STUDY = "what-drives-smart"
PICTURE = ROOT / "docs" / "images" / "report.png"
SCREEN = {"width": 1280, "height": 800}


def main() -> None:
    """Write the report in a copy of the results folder made of links, and take the picture of its first screen."""
    browser_path = os.environ.get("CHROMIUM") or which("chromium") or which("google-chrome")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        for name in ("experiments", "runs"):
            Path(folder, name).symlink_to(ROOT / "results" / "published" / name)
        page = write_report(Results(Path(folder)), STUDY)
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport=SCREEN, color_scheme="light")
        tab.goto(page.as_uri())
        tab.screenshot(path=PICTURE)
        browser.close()
    print(PICTURE.relative_to(ROOT))


if __name__ == "__main__":
    main()
