"""The main table as text to copy: what the page shows, the notes that belong to it, and lines of tasks where turned."""

from __future__ import annotations

import re

import pytest
from world import Arm, Exam, World

from analysis.comparison import compare
from analysis.report.grid import grid_of
from analysis.report.page.copies import copies
from analysis.results import Results
from analysis.tables import to_csv, to_latex, to_markdown


def put_together(form: dict, lines: set[int]) -> str:
    """Return the text that the page's script copies when these lines are shown."""
    chosen = [piece["text"] for piece in form["pieces"] if lines & set(piece["lines"])]
    notes = [note["text"] for note in form["notes"] if lines & set(note["lines"])]
    return form["head"] + form["between"].join(chosen) + form["end"] + "".join(notes) + form["foot"]


@pytest.fixture(scope="module")
def opened(small_world):
    results = Results.open(small_world)
    manifest = results.manifest("compare")
    return manifest, compare(results, manifest)


def test_every_number_of_the_page_is_in_the_copies_and_each_note_with_its_mark(opened):
    manifest, cells = opened
    grid = grid_of(manifest, cells)
    forms = copies(manifest, cells, ["A warning."])
    for name in ("Markdown", "LaTeX"):
        text = put_together(forms[name], {0, 1, 2}).replace("$-$", "−").replace("$\\pm$", "±").replace("\\", "")
        for _, line in grid.lines[:3]:
            for cell in line:
                assert f"{cell.value} ± {cell.spread}" in text
                assert f"{cell.change} ({cell.interval})" in text or not cell.change
        assert all(f"({mark})" in text for mark, _ in grid.notes)
        assert "A warning." in text


def test_a_note_goes_with_the_lines_that_have_its_mark(opened):
    manifest, cells = opened
    grid = grid_of(manifest, cells)
    markdown = copies(manifest, cells, [])["Markdown"]
    assert any("collapsed" in text for _, text in grid.notes)
    assert "collapsed" in put_together(markdown, {2})
    assert "collapsed" not in put_together(markdown, {0, 1})  # the collapsed run is in the last line


def test_all_cells_make_the_file_of_the_table(opened):
    manifest, cells = opened
    assert put_together(copies(manifest, cells, [])["CSV"], {0, 1, 2}) == to_csv(cells)


def test_lines_that_are_tasks_are_copied_as_tasks(tmp_path):
    exams = [Exam(f"t{n}", items=40) for n in range(8)]
    arms = (Arm("vanilla", "plain"), Arm("smart", "SMART", "smart"))
    results = Results.open(World(tmp_path, arms, exams, seeds=(0, 1), epochs=1, steps=4).write())
    manifest = results.manifest("compare")
    forms = copies(manifest, compare(results, manifest), [])
    assert re.findall(r"^\| (t\d|task)", put_together(forms["Markdown"], {2, 5}), re.MULTILINE) == ["task", "t2", "t5"]
    assert re.findall(r"^\w+,(t\d)", put_together(forms["CSV"], {2, 5}), re.MULTILINE) == ["t2", "t2", "t5", "t5"]


def test_decided_differences_have_their_arrow_and_a_note_that_explains_it(tmp_path):
    arms = (Arm("vanilla", "plain"), Arm("smart", "SMART", "smart", gain=9.0), Arm("sda", "SDA", "sda"))
    results = Results.open(World(tmp_path, arms, [Exam("one")], seeds=range(5), epochs=1, steps=4).write())
    manifest = results.manifest("compare")
    markdown = copies(manifest, compare(results, manifest), [])["Markdown"]
    assert re.search(r"\| SMART \| [\d.]+ ± [\d.]+ ▲ \|", put_together(markdown, {1}))
    assert "▲ (▼): the interval lies above (below) 0." in put_together(markdown, {1})
    assert "▲" not in put_together(markdown, {0, 2})


def test_the_files_leave_out_columns_that_are_empty_in_every_line(opened):
    _, cells = opened
    for text, rule in ((to_markdown(cells), "| ceiling |"), (to_latex(cells), "& ceiling &")):
        assert rule in text  # one task has a ceiling
        assert "published" in text
    bare = cells.assign(ceiling=float("nan"), published=float("nan"), published_difference=float("nan"))
    for text in (to_markdown(bare), to_latex(bare)):
        assert "ceiling" not in text
        assert "published" not in text
