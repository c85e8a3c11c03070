"""The scripts of pages, each as one text with the hash that allows a browser to run it and nothing else."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

FOLDER = Path(__file__).parent
TABLES, PAGE = "tables.js", "page.js"
END = "})();\n"


def script_of(*files: str) -> tuple[str, str]:
    """Return the files of a page's script as one text, and its SHA-256 in base 64, as a content policy has it.

    The first file opens the function that holds all of them.
    """
    script = "".join((FOLDER / name).read_text(encoding="utf-8") for name in files) + END
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
