"""Specs and keys: equal runs have equal keys, and whatever could change a result changes the key."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from benchmarks.errors import UsageError
from benchmarks.experiments.planning.request import parse_seeds, parse_settings
from benchmarks.spec import Identity, MethodChoice, RunSpec, method, parse_methods, run_key
from smart_repro.methods import METHODS, build

PUBLISHED = Path(__file__).parents[2] / "results" / "published"
IDENTITY = Identity(data={"rte.train": "a", "rte.dev": "b"}, weights="w", task_version=1, method_version=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vanilla", [method("vanilla")]),
        ("smart:lambda_s=3,vanilla", [method("smart", lambda_s=3), method("vanilla")]),
        ("smart:lambda_s=3,dropout=independent", [method("smart", lambda_s=3, dropout="independent")]),
        (
            "smart[independent],smart[shared]:mu=0",
            [method("smart", dropout="independent"), method("smart", dropout="shared", mu=0)],
        ),
        ("smart+sda, sda:K=all", [method("smart+sda"), method("sda", K="all")]),
        ("smoothness:epsilon=1e-4", [method("smoothness", epsilon=1e-4)]),
    ],
)
def test_methods_are_read_as_typed(text: str, expected: list[MethodChoice]) -> None:
    assert parse_methods(text) == expected


@pytest.mark.parametrize(
    "choice", [method("vanilla"), method("smart", dropout="shared", lambda_s=3.0), method("sda", K="all")]
)
def test_a_method_label_reads_back_as_the_method(choice: MethodChoice) -> None:
    assert parse_methods(choice.label) == [choice]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("lambda_s=3", "follows no method"), ("", "empty"), ("smart:3", "option=value"), ("sm art", "method name")],
)
def test_what_is_no_method_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        parse_methods(text)


def test_seeds_are_a_number_a_list_or_a_range() -> None:
    assert parse_seeds("3") == (0, 1, 2)
    assert parse_seeds("3,7") == (3, 7)
    assert parse_seeds("10-13") == (10, 11, 12, 13)
    for wrong in ("0", "a", "3-", ","):
        with pytest.raises(UsageError, match="--seeds"):
            parse_seeds(wrong)


def test_settings_are_fields_of_a_run() -> None:
    assert parse_settings(["batch_size=32", "clip=none", "optimizer=radam"]) == {
        "batch_size": 32,
        "clip": None,
        "optimizer": "radam",
    }
    with pytest.raises(UsageError, match="learning_rate"):
        parse_settings(["lerning_rate=1"])


@pytest.mark.parametrize("typed", ["dev,train", "('dev', 'train')", "dev, train"])
def test_splits_to_predict_are_read_as_a_list(typed):
    assert parse_settings([f"predict={typed}"]) == {"predict": ("dev", "train")}
    assert parse_settings(["predict=mnli-mm:dev"]) == {"predict": ("mnli-mm:dev",)}


@pytest.mark.parametrize("typed", ["devv", "dev,trian", "('dev', 3)"])
def test_a_split_that_is_none_is_refused(typed):
    with pytest.raises(UsageError, match=r"is no split: give some of dev, holdout, train, test"):
        parse_settings([f"predict={typed}"])


def test_a_spec_survives_json() -> None:
    spec = RunSpec(task="rte", method="smart", options=(("lambda_s", 3),), predict=("dev", "mnli-mm:dev"), seed_init=4)
    assert RunSpec.from_json(spec.to_json()) == spec
    at_the_end = replace(spec, predict_each=("holdout",))
    assert RunSpec.from_json(json.loads(json.dumps(at_the_end.to_json()))) == at_the_end
    older = {name: value for name, value in spec.to_json().items() if name != "predict_each"}
    assert RunSpec.from_json(older) == spec


def test_every_field_enters_the_key() -> None:
    base = RunSpec(task="rte")
    other = {
        "task": "sst2",
        "method": "smart",
        "options": (("mu", 2),),
        "model": "minilm",
        "head": "mean",
        "layers": 2,
        "random_weights": True,
        "dropout": 0.2,
        "head_dropout": 0.2,
        "max_length": 64,
        "max_train_samples": 99,
        "per_class": 9,
        "with_tasks": ("cola",),
        "tuning_rows": 9,
        "holdout": 0.2,
        "predict": ("dev",),
        "predict_each": ("holdout",),
        "evaluate_every": 2,
        "epochs": 9,
        "max_steps": 9,
        "batch_size": 9,
        "accumulation": 2,
        "learning_rate": 1e-3,
        "head_learning_rate": 1e-3,
        "weight_decay": 0.0,
        "optimizer": "radam",
        "schedule": "constant",
        "warmup": 0.0,
        "clip": None,
        "precision": "bf16",
        "threads": 2,
        "late_noise": 0.1,
        "measure": True,
    }
    seeds = {field.name: 7 for field in fields(RunSpec) if field.name.startswith("seed")}
    changed = {**other, **seeds}
    elsewhere = {"init_from", "combine", "parents", "head_dropouts"}  # test_engine_parents.py, test_multitask.py
    assert set(changed) | elsewhere == {field.name for field in fields(RunSpec)}
    keys = {name: run_key(replace(base, **{name: value}), IDENTITY) for name, value in changed.items()}
    assert len({run_key(base, IDENTITY), *keys.values()}) == len(keys) + 1


@pytest.mark.parametrize(
    "change",
    [{"data": {"rte.train": "a", "rte.dev": "c"}}, {"weights": "v"}, {"task_version": 2}, {"method_version": 2}],
)
def test_other_data_weights_or_versions_make_another_key(change: dict[str, object]) -> None:
    spec = RunSpec(task="rte")
    assert run_key(spec, IDENTITY) != run_key(spec, replace(IDENTITY, **change))


def test_a_field_at_its_default_is_not_in_the_canonical_form() -> None:
    assert RunSpec(task="rte").canonical() == {"task": "rte"}
    assert RunSpec(task="rte", seed=3, seed_order=3).canonical() == {"task": "rte", "seed": 3}


def test_the_key_of_a_known_run_stays_what_it_is() -> None:
    """Results of earlier versions must be found again; this fails when a default or the format of keys changes."""
    spec = RunSpec(task="rte", method="smart", options=(("dropout", "shared"),), seed=1)
    assert run_key(spec, IDENTITY) == "53533545ce3a1fb29c08c6dc8091b64c"


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published runs are in the repository alone")
def test_every_published_run_has_the_key_that_its_spec_gives_today() -> None:
    """A new option of a method, at its default, leaves the keys of older runs alone; so does a method's code."""
    files = sorted(PUBLISHED.glob("runs/*/spec.json"))
    assert len(files) == 394
    for path in files:
        content = json.loads(path.read_text(encoding="utf-8"))
        run = RunSpec.from_json({name: value for name, value in content["spec"].items() if name != "method_config"})
        hashed, version = content["fingerprints"], METHODS[run.method].version
        identity = Identity(hashed["data"], hashed["weights"], content["task"]["version"], version)
        assert not run.needed
        assert not run.with_tasks
        assert run_key(run, identity) == content["key"] == path.parent.name
        config = asdict(build(run.method, **dict(run.options)).config)
        assert {name: config[name] for name in content["spec"]["method_config"]} == content["spec"]["method_config"]


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"batch_size": 0}, {"accumulation": 17}, {"holdout": 0.9}, {"learning_rate": 0}]
)
def test_a_run_that_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        RunSpec(task="rte", **wrong)
