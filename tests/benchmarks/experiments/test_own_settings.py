"""What a user says stays: tasks and settings of a plug-in's experiment, and settings that are typed."""

from __future__ import annotations

import pytest

from benchmarks.errors import NotInProfileError
from benchmarks.experiments import EXPERIMENTS, Claim, Contrast, Experiment, MethodRow, TaskColumn, method
from benchmarks.experiments.planning.request import Request
from benchmarks.spec import RunSpec
from benchmarks.tasks import TASKS
from smart_repro.registry import UnknownNameError


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> str:
    """Register an experiment of another package: of this module."""
    claim = Claim(id="x-helps", sentence="It helps.", contrast=Contrast("smart", "vanilla"), tasks=("rte",))
    experiment = Experiment(
        name="of-a-plug-in",
        title="Of a plug-in",
        rows=(
            MethodRow("vanilla", "plain", method("vanilla")),
            MethodRow("smart", "SMART", method("smart"), settings={"model": "minilm"}),
        ),
        columns=(TaskColumn("rte", "accuracy"), TaskColumn("demo-cola", "matthews")),
        seeds=(0, 1, 2, 3, 4),
        baseline="vanilla",
        settings={"model": "tiny", "epochs": 40, "batch_size": 8},
        task_settings={"rte": {"max_length": 300}},
        claims=(claim,),
        not_in={"paper": "there is no paper"},
    )
    monkeypatch.setattr(EXPERIMENTS, "_entries", dict(EXPERIMENTS._entries))
    monkeypatch.setattr(EXPERIMENTS, "_origins", dict(EXPERIMENTS._origins))
    EXPERIMENTS.add("of-a-plug-in", lambda: experiment)
    return "of-a-plug-in"


def specs(request: Request) -> dict[tuple[str, str, int], RunSpec]:
    return {(row, place, seed): spec for row, place, seed, spec in request.experiment().specs()}


@pytest.mark.parametrize("profile", [None, "demo", "small"])
def test_a_profile_keeps_an_experiment_of_a_plug_in_as_it_was_written(plug_in: str, profile: str | None) -> None:
    written = EXPERIMENTS[plug_in]()
    experiment = Request(name=plug_in, profile=profile, data_dir=None).experiment()
    for part in ("rows", "columns", "seeds", "claims", "task_settings", "baseline"):
        assert getattr(experiment, part) == getattr(written, part)
    for (row, place, _), spec in specs(Request(name=plug_in, profile=profile)).items():
        assert (spec.epochs, spec.batch_size, spec.max_steps) == (40, 8, None)
        assert spec.model == ("minilm" if row == "smart" else "tiny")
        assert spec.max_length == (300 if place == "rte" else TASKS[place].max_length)
    rates = {spec.learning_rate for spec in specs(Request(name=plug_in, profile=profile)).values()}
    assert rates == {{None: 2e-5, "demo": 2e-3, "small": 5e-5}[profile]}  # what it leaves open


def test_its_own_word_on_profiles_counts(plug_in: str) -> None:
    with pytest.raises(NotInProfileError, match="there is no paper"):
        Request(name=plug_in, profile="paper").experiment()
    with pytest.raises(UnknownNameError, match="no profile named 'smal'"):
        Request(name=plug_in, profile="smal").experiment()


def test_built_in_experiments_still_have_their_stand_ins() -> None:
    assert all(task.startswith("demo-") for task in Request(name="smart-table3").experiment().tasks)


@pytest.mark.parametrize("name", ["compare", "smart-table3"])
def test_epochs_that_are_typed_are_not_cut_by_the_demonstrations_limit(name: str) -> None:
    grid = {"tasks": "demo-rte", "methods": "vanilla", "seeds": "1"}
    (plain,) = specs(Request(name=name, **grid)).values()  # type: ignore[arg-type]
    assert plain.max_steps == 300
    (longer,) = specs(Request(name=name, epochs=50, **grid)).values()  # type: ignore[arg-type]
    assert (longer.epochs, longer.max_steps) == (50, None)
    both = Request(name=name, epochs=50, settings=["max_steps=9"], **grid)  # type: ignore[arg-type]
    assert next(iter(specs(both).values())).max_steps == 9
    (other,) = specs(Request(name=name, settings=["batch_size=8"], **grid)).values()  # type: ignore[arg-type]
    assert other.max_steps == 300


def test_a_length_that_is_typed_is_not_cut_by_the_small_profile() -> None:
    request = Request(name="sda-table3", profile="small", tasks="imdb", methods="vanilla", seeds="1")
    assert {spec.max_length for spec in specs(request).values()} == {256}
    typed = Request(
        name="sda-table3", profile="small", tasks="imdb", methods="vanilla", seeds="1", settings=["max_length=400"]
    )
    assert {spec.max_length for spec in specs(typed).values()} == {400}


def test_settings_that_are_typed_stand_over_those_of_a_task() -> None:
    request = Request(name="sda-table3", profile="paper", tasks="imdb", methods="vanilla", seeds="1", epochs=2)
    assert {spec.epochs for spec in specs(request).values()} == {2}
