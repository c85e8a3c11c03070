"""Folder of what is made from files and can be made again: ``SMART_REPRO_CACHE``, or the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "SMART_REPRO_CACHE"


def cache_folder() -> Path | None:
    """Return the folder of the cache; None if the user switched it off (``SMART_REPRO_CACHE=off``)."""
    wish = os.environ.get(VARIABLE)
    if wish == "off":
        return None
    return Path(wish) if wish else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "smart-repro"
