"""Specs and keys: equal runs have equal keys, and whatever could change a result changes the key."""

from __future__ import annotations

import json
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import pytest

from analysis.integrity import identity_of, rebuilt, verify_key
from analysis.results import Results
from analysis.run_fields import DEFAULTS, ELSEWHERE
from benchmarks.definition import Definition
from benchmarks.errors import UsageError
from benchmarks.experiments.planning.typed import parse_seeds, parse_settings
from benchmarks.spec import (
    GridPoint,
    Identity,
    MethodChoice,
    RunSpec,
    combined,
    method,
    parse_grid,
    parse_methods,
    run_identity,
    run_key,
)
from smart_repro.methods import METHODS, build

PUBLISHED = Path(__file__).resolve().parents[2] / "results" / "published"
OWN = Definition(
    name="own-a",
    text=("says",),
    label="mood",
    labels=("calm", "sad"),
    metrics=("accuracy",),
    rows=(("train", 8), ("dev", 2)),
    fingerprints=(("train", "f"),),
)
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
        ("smoothness:direction=[none,random]", [method("smoothness", direction=way) for way in ("none", "random")]),
    ],
)
def test_methods_are_read_as_typed(text: str, expected: list[MethodChoice]) -> None:
    assert parse_methods(text) == expected


def test_an_option_with_several_numbers_is_a_curve() -> None:
    text = "vanilla,smoothness[shared]:epsilon=[1e-3,1e-2, 0.1]"
    points = parse_grid(text)
    own = method("smoothness", dropout="shared")
    assert points[0] == GridPoint(method("vanilla"))
    assert points[1:] == [
        GridPoint(method("smoothness", dropout="shared", epsilon=x), "epsilon", x, own) for x in (1e-3, 1e-2, 0.1)
    ]
    assert parse_methods(text) == [point.choice for point in points]


def test_an_option_may_be_a_multiple_of_another_one() -> None:
    points = parse_grid("smoothness:sigma=epsilon,epsilon=[1e-3,3e-2],eta=100*epsilon,direction=ascent")
    assert [dict(point.choice.options) for point in points] == [
        {"direction": "ascent", "sigma": x, "epsilon": x, "eta": 100 * x} for x in (1e-3, 3e-2)
    ]
    own = method("smoothness", sigma="epsilon", eta="100*epsilon", direction="ascent")
    assert [(point.axis, point.x, point.curve) for point in points] == [("epsilon", x, own) for x in (1e-3, 3e-2)]
    chain = "smoothness:epsilon=1e-2,sigma=epsilon,eta=sigma * 100"
    assert dict(parse_methods(chain)[0].options) == {"epsilon": 1e-2, "sigma": 1e-2, "eta": 1.0}
    steps = parse_grid("smoothness:epsilon=1e-2,eta=[10*epsilon,100*epsilon]")
    assert [dict(point.choice.options)["eta"] for point in steps] == [0.1, 1.0]
    assert parse_methods("plug-in:layers=encoder.*,kind=2d") == [method("plug-in", layers="encoder.*", kind="2d")]
    assert parse_methods("sda:K=all,lambda_d=0.5") == [method("sda", K="all", lambda_d=0.5)]


@pytest.mark.parametrize(
    "text",
    [
        "smoothness:eta=100*epsilon",  # epsilon has no number here
        "smoothness:epsilon=1e-2,eta=many*epsilon",
        "smoothness:epsilon=1e-2,eta=100*radius",
        "smoothness:eta=2*eta",
        "smoothness:epsilon=1e-2,sigma=2*eta,eta=100*sigma",
        "smoothness:epsilon=1e-2,eta=100epsilon",
        "smoothness:epsilon=1e-2,eta=[10,100]*epsilon",
    ],
)
def test_a_multiple_of_what_has_no_number_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"(eta|sigma)=.*: expected a number times an option that is named too"):
        parse_grid(text)


def test_several_options_with_several_values_are_every_combination() -> None:
    points = parse_grid("smart:dropout=[shared,off],lambda_s=[1,3]")
    options = [dict(point.choice.options) for point in points]
    assert [(each["dropout"], each["lambda_s"]) for each in options] == [
        ("shared", 1),
        ("shared", 3),
        ("off", 1),
        ("off", 3),
    ]
    assert [(point.axis, point.x) for point in points] == [("lambda_s", 1), ("lambda_s", 3)] * 2
    assert [point.axis for point in parse_grid("smart:dropout=[shared,off]")] == ["", ""]
    assert parse_grid("smart:lambda_s=[3]") == [GridPoint(method("smart", lambda_s=3))]


@pytest.mark.parametrize(
    "choice", [method("vanilla"), method("smart", dropout="shared", lambda_s=3.0), method("sda", K="all")]
)
def test_a_method_label_reads_back_as_the_method(choice: MethodChoice) -> None:
    assert parse_methods(choice.label) == [choice]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lambda_s=3", "follows no method"),
        ("", "empty"),
        ("smart:3", "option=value"),
        ("sm art", "method name"),
        ("smart:mu=[1,2", "brackets do not match"),
        ("smart:mu=1]", "brackets do not match"),
        ("smart:mu=[[1],2]", "brackets do not match"),
        ("smart:mu=[]", "must name values"),
        ("smart:mu=[1,1]", "each once"),
        ("smart[shared,off]", "method name"),
    ],
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
    with pytest.raises(UsageError, match=r"is no split: give some of train, dev, holdout, test"):
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
        "definitions": (OWN,),
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
        "smoothness_radii": (0.1,),
        "label_noise": 0.1,
    }
    seeds = {field.name: 7 for field in fields(RunSpec) if field.name.startswith("seed")}
    changed = {**other, **seeds}
    elsewhere = {"init_from", "combine", "parents", "head_dropouts", "holdout_rows"}  # further tests
    assert set(changed) | elsewhere == {field.name for field in fields(RunSpec)}
    keys = {name: run_key(replace(base, **{name: value}), IDENTITY) for name, value in changed.items()}
    assert len({run_key(base, IDENTITY), *keys.values()}) == len(keys) + 1
    outside = replace(base, holdout=0.0, holdout_rows=9)
    assert run_key(outside, IDENTITY) != run_key(replace(base, holdout=0.0), IDENTITY)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"holdout_rows": 9}, "set holdout=0 beside holdout_rows"),
        ({"measure": True, "smoothness_radii": (0.1,)}, "leave smoothness_radii out"),
        ({"smoothness_radii": (0.1, 0.0)}, "smoothness_radii must be positive"),
        ({"label_noise": 1.5}, "label_noise must lie in"),
        ({"with_tasks": ("cola",), "smoothness_radii": (0.1,)}, "is not measured"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        RunSpec(task="rte", **changes)


def test_a_spec_with_radii_is_read_as_it_was_written() -> None:
    spec = RunSpec(task="rte", smoothness_radii=(0.01, 1.0), label_noise=0.2, holdout=0.0, holdout_rows=50)
    assert RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


def test_every_part_of_a_definition_of_own_data_enters_the_key() -> None:
    other = {
        "name": "own-b",
        "text": ("says", "then"),
        "label": "tone",
        "labels": ("sad", "calm"),
        "low": 0.0,
        "high": 1.0,
        "metrics": ("macro_f1",),
        "group": "who",
        "bad_rows": "drop",
        "cut_dev": True,
        "split_seed": 1,
        "rows": (("train", 7), ("dev", 3)),
        "fingerprints": (("train", "g"),),
        "version": 2,
    }
    assert set(other) == {field.name for field in fields(Definition)}
    specs = [RunSpec(task="own-a", definitions=(replace(OWN, **{name: value}),)) for name, value in other.items()]
    keys = {run_key(spec, IDENTITY) for spec in [RunSpec(task="own-a", definitions=(OWN,)), *specs]}
    assert len(keys) == len(other) + 1
    assert [RunSpec.from_json(json.loads(json.dumps(spec.to_json()))) for spec in specs] == specs


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
    results = Results(PUBLISHED)
    paths = [results.folder(key) / "spec.json" for key in results.run_keys()]
    contents = {path: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    assert sum(content.get("numerics", 1) == 1 for content in contents.values()) == 394  # of the pilot
    for path, content in contents.items():
        run = RunSpec.from_json({name: value for name, value in content["spec"].items() if name != "method_config"})
        hashed, version = content["fingerprints"], METHODS[run.method].version
        numerics = content.get("numerics", 1)
        identity = Identity(hashed["data"], hashed["weights"], content["task"]["version"], version, numerics=numerics)
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


# --- the identity that is hashed, and what `spec.json` stores of it ---


def described(spec: RunSpec, identity: Identity, parents: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the entries of ``spec.json`` that make a key, as JSON gives them back."""
    content = {
        "key": run_key(spec, identity),
        "identity": run_identity(spec, identity),
        "numerics": identity.numerics,
        "spec": {**spec.to_json(), "method_config": {"lambda_s": 1.0}},
        "fingerprints": {"data": dict(identity.data), "weights": identity.weights, "parents": list(parents)},
        "task": {"version": identity.task_version},
        "with_tasks": {task: {"version": 1} for task in spec.with_tasks},
        "method": {"version": identity.method_version},
    }
    read: dict[str, Any] = json.loads(json.dumps(content))
    return read


def test_the_table_of_fields_has_every_field_with_its_default() -> None:
    named = {field.name: field.default for field in fields(RunSpec) if field.name not in ("task", *ELSEWHERE)}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}
    assert {**plain, "options": {}} == dict(DEFAULTS)


def test_what_a_run_stores_gives_the_identity_that_was_hashed() -> None:
    first = RunSpec(task="rte", seed=1)
    of_parents = replace(IDENTITY, extra={"parents": "aa,bb"})
    together = replace(IDENTITY, extra={"task_versions": "cola=1"}, task_version=3)
    for spec, identity, parents in (
        (RunSpec(task="rte", method="smart", options=(("mu", 2), ("K", "all")), seed=3, seed_order=3), IDENTITY, ()),
        (RunSpec(task="rte", predict=("dev",), clip=None, seed_init=4, holdout=0, weight_decay=0), IDENTITY, ()),
        (combined("vote", [first, replace(first, seed=2)]), of_parents, ("aa", "bb")),
        (replace(first, init_from=RunSpec(task="cola")), replace(IDENTITY, extra={"parents": "aa"}), ("aa",)),
        (RunSpec(task="rte", with_tasks=("cola",), head_dropouts=(("cola", 0.1),)), together, ()),
        (RunSpec(task="rte"), replace(IDENTITY, numerics=2), ()),
        (RunSpec(task="own-a", definitions=(OWN,)), IDENTITY, ()),
    ):
        content = described(spec, identity, parents)
        verify_key(content, run_key(spec, identity))
        assert rebuilt(content) == content["identity"]


def test_numerics_1_is_left_out_of_the_key_and_2_enters_it() -> None:
    spec = RunSpec(task="rte")
    assert "numerics" not in run_identity(spec, replace(IDENTITY, numerics=1))
    assert run_identity(spec, replace(IDENTITY, numerics=2))["numerics"] == 2
    assert len({run_key(spec, replace(IDENTITY, numerics=number)) for number in (1, 2, 3)}) == 3


def test_checking_a_run_does_not_change_how_its_values_are_written() -> None:
    spec = RunSpec(task="rte", holdout=0, weight_decay=0, learning_rate=1, warmup=0)
    written = json.dumps(run_identity(spec, IDENTITY)["spec"], sort_keys=True)
    assert written == '{"holdout": 0, "learning_rate": 1, "task": "rte", "warmup": 0, "weight_decay": 0}'
    again = RunSpec.from_json(json.loads(json.dumps(spec.to_json())))
    assert json.dumps(run_identity(again, IDENTITY)["spec"], sort_keys=True) == written


def test_a_published_run_is_read_back_with_the_identity_it_was_hashed_with() -> None:
    results = Results(PUBLISHED)
    for key in results.run_keys()[::40]:
        content = json.loads((results.folder(key) / "spec.json").read_text())
        spec = RunSpec.from_json({name: value for name, value in content["spec"].items() if name != "method_config"})
        prints = content["fingerprints"]
        versions = content["task"]["version"], content["method"]["version"]
        numerics = content.get("numerics", 1)
        identity = Identity(prints["data"], prints["weights"], *versions, numerics=numerics)
        assert json.loads(json.dumps(run_identity(spec, identity))) == identity_of(content)
