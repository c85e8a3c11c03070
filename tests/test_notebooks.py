"""The notebooks run, and print what is stored in them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def texts(cell: dict) -> list[str]:
    """Return what a cell printed or showed, as plain text; streams are joined."""
    shown = [
        output["text"] if output["output_type"] == "stream" else output["data"].get("text/plain", "")
        for output in cell["outputs"]
    ]
    return "".join(shown).split()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_prints_what_is_stored_in_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outputs of cells with the tag ``varies`` (times, results of training here) are only required to exist."""
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name, reason="the extra notebooks is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import nbformat

    location = importlib.util.spec_from_file_location("notebooks", ROOT / "docs" / "_scripts" / "notebooks.py")
    script = importlib.util.module_from_spec(location)
    monkeypatch.setitem(sys.modules, "notebooks", script)
    location.loader.exec_module(script)
    stored, executed = nbformat.read(path, as_version=4), script.execute(path)
    cells = [pair for pair in zip(stored.cells, executed.cells, strict=True) if pair[0].cell_type == "code"]
    assert len(cells) >= 4
    for before, after in cells:
        if "varies" in before.metadata.get("tags", ()):
            assert bool(texts(before)) == bool(texts(after)), before.source
        else:
            assert texts(before) == texts(after), before.source
