"""Execute the notebooks of ``docs/notebooks`` and store their outputs: ``docs/_scripts/notebooks.py [NAME ...]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "notebooks"
PUBLISHED = ROOT / "results" / "published"


def published_parts() -> list[str]:
    """Return the names of the parts of published runs that a notebook executed now reads."""
    return sorted(part.name for part in PUBLISHED.glob("experiments/*/part-*"))


def execute(path: Path) -> nbformat.NotebookNode:
    """Return the notebook with the outputs of a run in its own folder, without times.

    Raises: CellExecutionError: if a cell raises.
    """
    tools = str(Path(sys.executable).parent)  # `!smart-repro` means the one of this environment
    os.environ["PATH"] = os.pathsep.join([tools, os.environ["PATH"]])
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False).execute(cwd=str(path.parent))
    if any("results/published" in cell.source for cell in notebook.cells if cell.cell_type == "code"):
        notebook.metadata["published_parts"] = published_parts()
    return notebook


def main(names: list[str]) -> None:
    """Execute and store the named notebooks; all without names."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        if not names or path.stem in names:
            nbformat.write(execute(path), path)
            print(path.name)


if __name__ == "__main__":
    main(sys.argv[1:])
