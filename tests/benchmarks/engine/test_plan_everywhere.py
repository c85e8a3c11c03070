"""``plan`` and ``run --dry-run`` work for every experiment, profile and choice of tasks, without any data.

``sizes.json`` holds the rows of every split of a folder with the public data sets, partly subsets, as
``load_split`` reads them; a split that is not in it is missing. Reading is replaced by these sizes and every model
by the tiny one; all else is what the command line does.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import pytest

from benchmarks.cli import actions
from benchmarks.cli.actions import DONE
from benchmarks.cli.options import ExecutionOptions
from benchmarks.cli.plan_text import plan_text
from benchmarks.engine.claim_power import claim_lines
from benchmarks.engine.forecast import Timings, forecast
from benchmarks.engine.plan import Plan
from benchmarks.errors import MissingData, NotInProfileError
from benchmarks.experiments import EXPERIMENTS, narrowed
from benchmarks.experiments.planning import available
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.training import fit, job, models

SIZES = json.loads(Path(__file__).with_name("sizes.json").read_text())


@dataclass(frozen=True)
class Rows:
    """What a plan asks of a split."""

    fingerprint: str
    count: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count


def recorded(task: str, split: str, source: Source) -> Rows:
    if TASKS[task].generated:
        return Rows(f"{task}.{split}", {"train": 400, "dev": 2_000, "test": 1_000}[split])
    if split not in SIZES.get(task, {}):
        raise MissingData(f"{task}: no {split} split")
    return Rows(f"{task}.{split}", SIZES[task][split])


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Make a data folder that is never read."""
    monkeypatch.setattr(job, "split_of", recorded)
    monkeypatch.setattr(available, "split_of", recorded)
    monkeypatch.setattr(fit, "check_texts", lambda run, source: [])  # there are no texts to look at
    tiny = models.resolve("tiny")
    monkeypatch.setattr(models, "resolve", lambda name: models.ModelFiles(name, tiny.folder))
    monkeypatch.setattr(models, "layers", lambda name: None)  # the tiny one has fewer than the model it stands for
    data = tmp_path / "data"
    for name in ("RTE", "CoLA"):
        (data / name).mkdir(parents=True)
        (data / name / "train.tsv").touch()
    return data


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_choice_of_tasks_has_a_plan(name: str, profile: str, folder: Path, tmp_path: Path) -> None:
    """Whole plans of the experiment and of each of its tasks; of every larger choice, what differs: the claims' lines.

    The runs of a choice of tasks are those of its tasks; only claims look at several tasks at once.
    """
    request = Request(name=name, profile=profile, data_dir=None if profile == "demo" else folder, results=tmp_path)
    try:
        experiment, _ = request.found()
    except NotInProfileError:
        assert profile in EXPERIMENTS[name]().not_in
        return
    except MissingData:  # of no column are both sets there
        columns = PROFILES[profile](EXPERIMENTS[name]()).columns
        assert not any(
            {"train"} <= SIZES.get(c.trained, {}).keys() and c.split in SIZES.get(c.task, {}) for c in columns
        )
        return
    store, single = Store(tmp_path), experiment.tasks if len(experiment.tasks) > 1 else ()
    whole = actions.planned_of(request, tmp_path)
    for plan in (whole, *(actions.planned_of(replace(request, tasks=task), tmp_path) for task in single)):
        text = plan_text(plan, forecast(plan, plan.to_do(), Timings.read(store), 2))
        assert_claims_have_lines(plan, text)
    for size in range(2, len(experiment.tasks)):
        for tasks in combinations(experiment.tasks, size):
            plan = replace(whole, experiment=narrowed(experiment, tasks=tasks))
            assert_claims_have_lines(plan, "\n".join(claim_lines(plan)))


def assert_claims_have_lines(plan: Plan, text: str) -> None:
    assert "nan" not in re.findall(r"\w+", text.lower())
    assert all(claim.id in text for claim in plan.experiment.claims)


def test_the_columns_of_a_plan_stand_below_each_other(folder: Path, tmp_path: Path) -> None:
    """Places with a variant are longer than the names of tasks."""
    request = Request(name="epsilon-half-rate", profile="small", results=tmp_path, data_dir=folder)
    plan = actions.planned_of(request, tmp_path)
    lines = plan_text(plan, forecast(plan, plan.to_do(), Timings.read(Store(tmp_path)), 2)).splitlines()
    head = next(line for line in lines if line.startswith("row "))
    rows = [line for line in lines if "sst2@half" in line]
    assert rows
    assert {(line.index("sst2@half"), len(line)) for line in rows} == {(head.index("task"), len(head))}


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", ["smart-table3", "smart-table5", "sda-fig4", "together"])
def test_plan_and_dry_run_are_the_same(
    name: str, profile: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(name=name, profile=profile, data_dir=None if profile == "demo" else folder, results=tmp_path)
    actions.show_plan(request, tmp_path, 1, calibrate=False, as_json=False)
    planned = capsys.readouterr().out
    assert actions.run_each(request, tmp_path, ExecutionOptions(workers=1, dry_run=True)) == DONE
    assert capsys.readouterr().out == planned


def test_a_task_asked_for_by_name_keeps_the_columns_it_has(folder: Path, tmp_path: Path) -> None:
    """ANLI's first round has a dev set here and no test set: it is planned, the second has no training set."""
    request = Request(name="smart-table6", profile="small", tasks="anli-r1", data_dir=folder, results=tmp_path)
    experiment, _ = request.found()
    assert {column.split for column in experiment.columns} == {"dev"}
    assert "no test split" in experiment.missing["*|anli-r1.accuracy.test@mixture"]
    with pytest.raises(MissingData, match="qqp: no"):
        Request(name="smart-table1", profile="small", tasks="rte,qqp", data_dir=folder).found()
