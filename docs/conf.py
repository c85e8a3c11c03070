"""Sphinx settings: the same Markdown pages as HTML, ``tox -e docs``. Needs no network; warnings are errors."""

import re
from typing import Any

project = "smart-repro"
author = "The smart-repro authors"
copyright = "The smart-repro authors"
extensions = ["myst_parser"]
root_doc = "index"
html_theme = "furo"
html_title = "smart-repro"
html_static_path = ["_static"]
html_css_files = ["site.css"]
myst_heading_anchors = 4
exclude_patterns = ["_build"]


def _adapted(app: Any, name: str, source: list[str]) -> None:
    """Adapt a page of the checkout to the site.

    Links to the README, which is no page of the site, become text. The sidebar has a group for each section of index.md
    that lists pages in a table, in its order; GitHub would show a directive in the page as code.
    """
    source[0] = re.sub(r"\[([^\]]*)\]\(\.\./README\.md\)", r"\1", source[0])
    if name == root_doc:
        for section in source[0].split("\n## ")[1:]:
            if pages := re.findall(r"^\| \[[\w.-]+\]\(([\w-]+)\.md\)", section, re.MULTILINE):
                caption = section.partition("\n")[0]
                source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"


def setup(app: Any) -> None:
    """Connect the handlers; Sphinx calls this."""
    app.connect("source-read", _adapted)
