"""What can be decided leads a report: question, tasks and claims; a table with printed numbers keeps its order."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.claims import NO_VERDICT, Verdict, decide_all
from analysis.comparison import compare
from analysis.report.build import write_report
from analysis.report.card.content import card_of
from analysis.report.card.differences import forest_of
from analysis.report.order import decided_first, deciding_tasks_first, question_of
from analysis.results import Results
from tests.analysis.world import Arm, Exam, World

TASKS = ("cola", "sst2")  # plain fine-tuning is near chance on the first
ARMS = (Arm("vanilla", "plain"), Arm("smart[shared]", "SMART", "smart", "shared", gain=6.0), Arm("r-drop", "R-Drop"))


def claim(id: str, sentence: str, tasks: tuple[str, ...]) -> dict[str, object]:
    contrast = {"a": "smart[shared]", "b": "vanilla"}
    return {"id": id, "sentence": sentence, "contrast": contrast, "tasks": list(tasks), "table": "T", "partial": True}


CLAIMS = [claim("floor", "It helps on CoLA.", TASKS[:1]), claim("both", "It helps.", TASKS)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    exams = (Exam("cola", "matthews", items=300, base=0.51), Exam("sst2", items=300, base=0.86))
    extra = {"claims": CLAIMS}
    return World(tmp_path, ARMS, exams, seeds=range(5), name="study", generated=False, extra=extra).write()


def test_the_question_is_the_first_that_can_be_decided(root: Path) -> None:
    results = Results(root)
    verdicts = decide_all(results, results.manifest("study"))
    assert [verdict.status == NO_VERDICT for verdict in verdicts] == [True, False]
    assert [verdict.claim.id for verdict in question_of(verdicts)] == ["both"]
    assert [verdict.claim.id for verdict in question_of(verdicts[:1])] == ["floor"]
    assert [verdict.claim.id for verdict in decided_first(verdicts)] == ["both", "floor"]


def test_the_outcome_does_not_decide_what_leads(root: Path) -> None:
    results = Results(root)
    _, decided = decide_all(results, results.manifest("study"))

    def with_status(status: str, id: str) -> Verdict:
        return replace(decided, status=status, claim=replace(decided.claim, id=id, sentence=id))

    for first, second in (("inconclusive", "supported"), ("contradicted", "supported"), ("supported", "contradicted")):
        verdicts = [with_status(first, "one"), with_status(second, "two")]
        assert question_of(verdicts)[0].claim.id == "one"
        assert decided_first(verdicts) == verdicts


def test_tasks_at_the_floor_are_last_in_the_page(root: Path) -> None:
    page = write_report(root, "study").read_text(encoding="utf-8")
    table = page.partition('id="matrix"')[2].partition("</thead>")[0]
    headings = re.findall(r"<th scope=\"col\">([^<]+)", table)
    assert [heading.partition(",")[0] for heading in headings] == ["method", "sst2", "cola"]
    claims = page.partition('id="claims"')[2]
    assert claims.index("It helps.") < claims.index("It helps on CoLA.")
    lines = (root / "reports" / "study" / "table.csv").read_text(encoding="utf-8").splitlines()
    assert "sst2" in lines[1]


def test_the_answers_figure_and_basis_begin_with_the_task_that_decides(root: Path) -> None:
    results = Results(root)
    manifest = results.manifest("study")
    verdicts = decide_all(results, manifest)
    manifest, cells = deciding_tasks_first(manifest, compare(results, manifest))
    assert [column.task for column in manifest.columns] == ["sst2", "cola"]
    assert list(dict.fromkeys(cells["task"])) == ["sst2", "cola"]
    assert list(cells["row"]) == [arm.id for arm in ARMS] * 2
    frame = forest_of(manifest, cells, question_of(verdicts)).frame
    assert frame["place"].tolist() == ["sst2", "cola"]
    card = card_of(results, manifest, cells, verdicts, results.finished(manifest))
    assert "sst2, cola" in card.basis
    assert card.readings[0].effect.endswith(")")
    assert card.readings[0].sentence.startswith("SMART is ")


def test_a_table_with_printed_numbers_keeps_the_papers_order(root: Path) -> None:
    path = next((root / "experiments" / "study").glob("*.json"))
    content = json.loads(path.read_text())
    content["published"] = [{"row": "vanilla", "column": "cola.matthews", "value": 52.1}]
    path.write_text(json.dumps(content))
    results = Results(root)
    manifest, cells = results.manifest("study"), compare(results, results.manifest("study"))
    ordered, same = deciding_tasks_first(manifest, cells)
    assert ordered is manifest
    assert same is cells
    assert (cells["floor"] != "").any()
