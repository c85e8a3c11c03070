"""The notebooks run, and print what is stored in them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_docs import module

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def texts(cell: dict) -> list[str]:
    """Return what a cell printed or showed, as plain text; streams are joined."""
    shown = [
        output["text"] if output["output_type"] == "stream" else output["data"].get("text/plain", "")
        for output in cell["outputs"]
    ]
    return "".join(shown).split()


@pytest.fixture
def notebooks(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the script that executes notebooks; it needs the extra ``notebooks``."""
    for name in ("nbclient", "ipykernel"):
        pytest.importorskip(name, reason="the extra notebooks is not installed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SMART_REPRO_CACHE", "off")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return module(ROOT / "docs" / "_scripts" / "notebooks.py")


@pytest.mark.parametrize("name", ["findings", "first-look"])
def test_a_notebook_was_executed_on_the_runs_that_are_published(notebooks: ModuleType, name: str) -> None:
    """The quick half of the test below, for whoever publishes runs."""
    stored = json.loads((ROOT / "docs" / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    parts = notebooks.published_parts()
    if not parts:
        pytest.skip("the published runs are in the repository alone")
    assert stored["metadata"]["published_parts"] == parts, f"run: python docs/_scripts/notebooks.py {name}"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_notebook_prints_what_is_stored_in_it(path: Path, notebooks: ModuleType) -> None:
    """Outputs of cells with the tag ``varies`` (times, results of training here) are only required to exist."""
    import nbformat

    stored, executed = nbformat.read(path, as_version=4), notebooks.execute(path)
    cells = [pair for pair in zip(stored.cells, executed.cells, strict=True) if pair[0].cell_type == "code"]
    assert len(cells) >= 4
    for before, after in cells:
        if "varies" in before.metadata.get("tags", ()):
            assert bool(texts(before)) == bool(texts(after)), before.source
        else:
            assert texts(before) == texts(after), before.source
