"""The ``smart-repro`` command: locate the suite next to this package, or print how to install it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_SUITE = ("cyclopts", "rich", "datasets", "pandas", "pyarrow", "scipy", "matplotlib", "jinja2", "psutil")


def main() -> None:
    """Run the command line of the suite.

    Exit with status 2 if the suite is not installed, or if another package hides a part of it.
    """
    missing = [name for name in _SUITE if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(_fail(f"the command needs {', '.join(missing)}: pip install 'smart-repro[suite]'"))
    home = Path(__file__).resolve().parent.parent
    for package in ("benchmarks", "analysis"):
        spec = importlib.util.find_spec(package)
        origin = Path(spec.origin).resolve().parent if spec and spec.origin else None
        if origin != home / package:
            sys.exit(_fail(_hidden(package, origin, home)))
    from benchmarks.cli.app import main as command

    command()


def _hidden(package: str, origin: Path | None, home: Path) -> str:
    if origin is None:
        return f"the package {package!r} is missing next to {home / 'smart_repro'}: install smart-repro again"
    return (
        f"the package {package!r} of smart-repro is hidden by {origin}; expected {home / package}. "
        "Run from another folder, or remove that path from PYTHONPATH"
    )


def _fail(message: str) -> int:
    print(f"smart-repro: {message}", file=sys.stderr)
    return 2
