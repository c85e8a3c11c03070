"""What goes with any method: labels shuffled at the end, measurements, classes joined for transfer; missing data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.errors import MissingData, UsageError
from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.available import available
from benchmarks.experiments.planning.base import TaskColumn
from benchmarks.experiments.smart.boundary import boundary, moons
from benchmarks.experiments.smart.fig1 import RADIUS
from benchmarks.spec import RunSpec
from benchmarks.store.store import Store
from benchmarks.tasks import TASKS
from benchmarks.tasks.sources import Source
from benchmarks.tasks.transfer import join, joined
from benchmarks.training import execute as running
from benchmarks.training import instruments
from benchmarks.training.execute import execute
from benchmarks.training.job import make_job
from benchmarks.training.prepared import prepare
from smart_repro.methods import METHODS, build
from smart_repro.models import load


@pytest.fixture
def spec(little_bert: Path) -> RunSpec:
    return RunSpec(task="rte", model=str(little_bert), epochs=2, learning_rate=1e-3)


@pytest.fixture
def source(glue: Path) -> Source:
    return Source("local", glue)


def done(spec: RunSpec, source: Source, root: Path) -> Path:
    store, job = Store(root), make_job(spec, source)
    store.prepare()
    outcome = execute(job, store)
    assert outcome.state in ("done", "skipped"), outcome.message
    return store.runs / job.key


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def test_late_noise_changes_the_last_updates_only(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    clean = losses(done(spec, source, tmp_path))
    noisy = losses(done(replace(spec, late_noise=0.25), source, tmp_path))
    assert len(clean) == 8
    assert noisy[:6] == clean[:6]
    assert noisy[6:] != clean[6:]


@pytest.mark.parametrize("name", ["freelb", "freeat", "sda", "smart", "self-ensemble"])
def test_late_noise_goes_with_methods_that_order_their_own_passes(
    name: str, spec: RunSpec, source: Source, tmp_path: Path
) -> None:
    folder = done(replace(spec, method=name, late_noise=0.5, epochs=3), source, tmp_path)
    assert json.loads((folder / "spec.json").read_text())["spec"]["late_noise"] == 0.5


def test_labels_are_shuffled_within_the_batch_and_never_changed_in_number() -> None:
    seen: list[torch.Tensor] = []

    class Watching(METHODS["vanilla"]):  # type: ignore[misc]
        def backward(self, model: object, batch: dict[str, torch.Tensor], backward: object) -> object:
            seen.append(batch["labels"])

    noisy = instruments.late_noise(Watching(), 0.5, seed=3)
    noisy.setup(torch.nn.Linear(1, 1), 4)
    labels = torch.arange(16)
    for step in range(4):
        noisy.begin(0, 0, step)
        noisy.backward(None, {"labels": labels}, None)
    assert [bool((each == labels).all()) for each in seen] == [True, True, False, False]
    assert all(each.sort().values.tolist() == labels.tolist() for each in seen)
    assert not torch.equal(seen[2], seen[3])


@pytest.mark.parametrize("name", ["vanilla", "smart", "sda"])
def test_measuring_does_not_change_the_run(name: str, spec: RunSpec, source: Source, tmp_path: Path) -> None:
    plain = done(replace(spec, method=name), source, tmp_path)
    measured = done(replace(spec, method=name, measure=True), source, tmp_path)
    assert losses(plain) == losses(measured)
    predictions = [(folder / "predictions" / "rte.dev.parquet").read_bytes() for folder in (plain, measured)]
    assert predictions[0] == predictions[1]
    assert not (plain / "measures.json").exists()


def test_measurements_say_how_far_the_model_went(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    slow, fast = (
        json.loads(
            (done(replace(spec, measure=True, learning_rate=rate), source, tmp_path) / "measures.json").read_text()
        )
        for rate in (1e-5, 3e-3)
    )
    for found in (slow, fast):
        assert [each["step"] for each in found["moments"]] == [2, 4, 6, 8]
        assert all(each["step_divergence"] >= 0 for each in found["moments"])
        r_s = [each["r_s"] for each in found["smoothness"]]
        assert r_s == sorted(r_s)
        assert r_s[0] >= 0
        assert [each["radius"] for each in found["smoothness"]] == list(instruments.RADII)
    for name in ("step_divergence", "distance"):
        assert slow["moments"][2][name] < fast["moments"][2][name]


def test_r_s_at_common_radii_leaves_the_training_as_it_is(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    """Losses and predictions to the last bit; the stored R_s is that of the trained model in evaluation mode."""
    plain = done(replace(spec, method="smart"), source, tmp_path)
    measured = done(replace(spec, method="smart", smoothness_radii=(0.01, 1.0)), source, tmp_path)
    assert losses(plain) == losses(measured)
    predictions = [(folder / "predictions" / "rte.dev.parquet").read_bytes() for folder in (plain, measured)]
    assert predictions[0] == predictions[1]
    assert not (plain / "measures.json").exists()
    content = json.loads((measured / "measures.json").read_text())
    assert content["moments"] == []
    near, far = content["smoothness"]
    assert (near["radius"], far["radius"]) == (0.01, 1.0)
    assert far["epsilon"] == pytest.approx(100 * near["epsilon"], rel=1e-6)
    assert 0 < near["r_s"] < far["r_s"]


def test_r_s_needs_a_split_to_look_at(spec: RunSpec, source: Source, tmp_path: Path) -> None:
    store, job = Store(tmp_path), make_job(replace(spec, predict=("holdout",), smoothness_radii=(0.1,)), source)
    store.prepare()
    assert "leave dev among the splits to predict" in execute(job, store).message


def test_label_noise_reaches_what_is_trained_on_and_nothing_that_is_scored(spec: RunSpec, source: Source) -> None:
    noisy = replace(spec, label_noise=0.4, predict=("dev", "holdout", "train"))
    clean, wrong = (prepare(each, source) for each in (replace(noisy, label_noise=0.0), noisy))
    changed = np.asarray(clean.train.labels) != np.asarray(wrong.train.labels)
    assert changed.sum() == round(0.4 * len(clean.train))
    for before, after in zip(clean.evaluated, wrong.evaluated, strict=True):
        assert np.array_equal(before.rows.labels, after.rows.labels), after.name


def test_a_holdout_outside_leaves_all_drawn_examples_to_train_on(spec: RunSpec, source: Source) -> None:
    whole = prepare(replace(spec, holdout=0.0, predict=("dev",)), source)
    most = len(whole.train) // 2
    run = replace(spec, holdout=0.0, holdout_rows=7, max_train_samples=most, tuning_rows=9)
    data = prepare(replace(run, predict=("dev", "holdout", "tuning")), source)
    kept = {each.split: set(each.rows.ids) for each in data.evaluated}
    assert len(data.train) == most
    assert (len(kept["holdout"]), len(kept["tuning"])) == (7, 9)
    assert not kept["holdout"] & kept["tuning"]
    inside = prepare(replace(run, tuning_rows=0, predict=("dev", "train")), source)
    assert not kept["holdout"] & {i for each in inside.evaluated if each.split == "train" for i in each.rows.ids}


def test_a_measured_run_resumes_with_its_measurements(spec: RunSpec, source: Source) -> None:
    data = running.prepare(spec, source)
    model = load(spec.model, num_labels=2)
    first = instruments.measured(build("sda"), data.train)
    first.setup(model, 8)
    for step in (1, 2, 3):
        first.after_step(model, step)
    second = instruments.measured(build("sda"), data.train)
    second.setup(model, 8)
    second.load_state_dict(first.state_dict())
    second.after_step(model, 4)
    assert [each["step"] for each in second.moments] == [2, 4]
    assert second.moments[1]["step_divergence"] == 0.0  # nothing moved between the two looks


def test_r_s_of_a_model_agrees_with_its_quadratic_growth(spec: RunSpec, source: Source) -> None:
    """Under small perturbations the divergence grows with the square of the radius."""
    data = running.prepare(spec, source)
    model = load(spec.model, num_labels=2)
    small, large = instruments.smoothness(model, data.train, radii=(1e-3, 2e-3))
    assert large["r_s"] / small["r_s"] == pytest.approx(4.0, rel=0.05)


# --- transfer ---


def test_mnli_judged_on_scitail_joins_neutral_and_contradiction() -> None:
    classes = joined(TASKS["mnli"], TASKS["scitail"])
    assert classes == ((1, 2), (0,))
    p = np.array([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]])
    assert np.exp(join(np.log(p), classes)) == pytest.approx(np.array([[0.5, 0.5], [0.9, 0.1]]))


def test_equal_classes_are_left_alone_and_foreign_ones_refused() -> None:
    assert joined(TASKS["mnli"], TASKS["snli"]) is None
    assert joined(TASKS["rte"], TASKS["rte"]) is None
    assert joined(TASKS["mnli"], TASKS["rte"]) == ((0,), (1, 2))
    for trained, evaluated in (("cola", "mnli"), ("mnli", "stsb"), ("imdb", "yelp-full")):
        with pytest.raises(UsageError, match="cannot predict"):
            joined(TASKS[trained], TASKS[evaluated])


# --- parts of a training set, and data that are not there ---


def test_rows_per_class(spec: RunSpec, source: Source) -> None:
    data = running.prepare(replace(spec, per_class=10, holdout=0.0), source)
    assert np.bincount(data.train.labels).tolist() == [10, 10]
    with pytest.raises(UsageError, match="not both"):
        replace(spec, per_class=10, max_train_samples=20)


def test_columns_without_data_are_left_out_with_the_reason(source: Source) -> None:
    whole = EXPERIMENTS["smart-table1"]()
    left = available(whole, source)
    assert left.tasks == ("rte", "cola", "stsb")
    assert "no" in left.missing["*|sst2.accuracy"].lower()
    assert {row for row, *_ in left.specs()} == {row.id for row in whole.rows}


def test_an_experiment_without_any_data_is_an_error(source: Source) -> None:
    with pytest.raises(MissingData, match="sda-table2"):
        available(EXPERIMENTS["sda-table2"](), source)


def test_a_column_can_be_filled_by_another_tasks_runs() -> None:
    column = TaskColumn("scitail", "accuracy", trained_on="mnli", variant="from MNLI")
    whole = replace(EXPERIMENTS["mechanism"](), columns=(column,))
    (spec,) = {spec for row, _, seed, spec in whole.specs() if row == "vanilla" and seed == 0}
    assert (spec.task, spec.predict) == ("mnli", ("dev", "holdout", "scitail:dev"))


# --- Figure 1 ---


def test_the_toy_boundary_is_smoother_with_r_s() -> None:
    rows = {row.id: row for row in EXPERIMENTS["smart-fig1"]().rows}
    plain, smooth = (boundary(rows[name], 0, radius=RADIUS, steps=120, grid=21) for name in ("vanilla", "smoothness"))
    assert plain.probability.shape == (21, 21)
    assert smooth.flipped < plain.flipped
    assert plain.accuracy > 0.85


def test_the_moons_are_what_they_say() -> None:
    points, labels, wrong = moons(4000, 0, wrong=0.1)
    assert points.shape == (4000, 2)
    assert wrong.mean() == pytest.approx(0.1, abs=0.02)
    _, clean, none = moons(4000, 0)
    assert not none.any()
    assert ((labels != clean) == wrong).all()
