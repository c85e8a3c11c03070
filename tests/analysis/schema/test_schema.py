"""Manifests and claims as JSON and back: nothing unknown is read, nothing old is lost, nothing new is guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import get_args

import pytest

from analysis import schema
from analysis.results import load_manifest
from analysis.schema import (
    Claim,
    Contrast,
    Kind,
    Manifest,
    SchemaError,
    Statement,
    Sweep,
    against,
    claim_of,
    migrations,
)
from smart_repro.methods.base import PARTS

PUBLISHED = sorted(Path("results/published/experiments").glob("*/*.json"))


def minimal(**changes: object) -> dict[str, object]:
    return {
        "schema": schema.VERSION,
        "name": "compare",
        "title": "A comparison",
        "rows": [{"id": "vanilla", "title": "BERT"}],
        "columns": [{"id": "rte.accuracy", "task": "rte", "metric": "accuracy"}],
        "seeds": [0, 1],
        "cells": {"vanilla": {"rte": ["k0", "k1"]}},
    } | changes


def claim(**changes: object) -> dict[str, object]:
    return {"id": "c", "sentence": "s", "contrast": {"a": "x", "b": "y"}, "tasks": ["rte"]} | changes


OF_VERSION_1 = [path for path in PUBLISHED if json.loads(path.read_text())["schema"] == 1]


@pytest.mark.parametrize("path", OF_VERSION_1, ids=lambda path: path.parent.name)
def test_published_manifests_of_version_1_load_whole_and_survive_a_round_trip(path: Path) -> None:
    content = json.loads(path.read_text())
    manifest = Manifest.from_json(content)
    for name in ("rows", "columns", "published", "points", "omitted"):
        for value, raw in zip(getattr(manifest, name), content[name], strict=True):
            for key, expected in raw.items():
                stored = getattr(value, key)
                assert (list(stored) if isinstance(stored, tuple) else stored) == expected, (name, key)
    assert {r: {c: list(k) for c, k in cells.items()} for r, cells in manifest.cells.items()} == content["cells"]
    raw_claims = [*content["claims"], *content["further_claims"]]
    assert [each.id for each in manifest.claims] == [raw["id"] for raw in raw_claims]
    for each, raw in zip(manifest.claims, raw_claims, strict=True):
        for key in (
            "sentence",
            "table",
            "metric",
            "direction",
            "size",
            "quantifier",
            "reading",
            "min_seeds",
            "partial",
        ):
            assert getattr(each, key) == raw[key], (each.id, key)
    assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_published_manifests_survive_a_round_trip() -> None:
    assert (len(OF_VERSION_1), len(PUBLISHED)) == (8, 17)
    for path in PUBLISHED:
        manifest = load_manifest(path)
        assert Manifest.from_json(json.loads(json.dumps(manifest.to_json()))) == manifest


def test_migrating_changes_nothing_in_place() -> None:
    for path in PUBLISHED:
        content = json.loads(path.read_text())
        before = json.dumps(content)
        migrations.migrated(content)
        assert json.dumps(content) == before


def test_every_older_version_has_one_step() -> None:
    assert sorted(migrations.STEPS) == list(range(1, schema.VERSION))


@pytest.mark.parametrize(
    ("old", "test", "margin"),
    [
        ({"kind": "difference", "about": {}}, {"kind": "difference"}, None),
        (
            {"about": {"baseline": "parents", "columns": ["c"]}},
            {"kind": "difference", "columns": ["c"], "against_parents": True},
            None,
        ),
        ({"direction": "no less", "size": 2.0}, {"kind": "difference"}, 1.0),
        ({"direction": "the same", "bound": 0.2}, {"kind": "difference"}, 0.2),
        (
            {"kind": "interaction", "about": {"against": ["sst2"]}},
            {"kind": "interaction", "against_tasks": ["sst2"]},
            None,
        ),
        (
            {"kind": "agreement", "about": {"buckets": ["3/1/1"], "labels": "votes", "beside": "vanilla"}},
            {"kind": "agreement", "buckets": ["3/1/1"]},
            None,
        ),
        ({"kind": "variance", "about": {"printed": "range"}}, {"kind": "variance"}, None),
        (
            {"kind": "cost", "bound": 0.5, "size": 3.0, "about": {"quantity": "memory"}},
            {"kind": "cost", "quantity": "memory"},
            0.5,
        ),
        ({"kind": "sweep", "about": {"identical": True}, "bound": 0.01}, {"kind": "sweep"}, 0.01),
        (
            {"kind": "sweep", "about": {"curve": "mu", "between": [1, 10]}},
            {"kind": "sweep", "curve": "mu", "between": [1, 10]},
            0.5,
        ),
        ({"kind": "history", "about": {"epoch": 1, "quantity": "accuracy"}}, {"kind": "epoch", "epoch": 1}, None),
        ({"kind": "history", "size": 0.1, "about": {"constant": 91.6}}, {"kind": "constant", "value": 91.6}, 0.1),
        (
            {"kind": "history", "about": {"selections": ["best-dev", "best-holdout"]}},
            {"kind": "selection", "best": "best-dev", "reference": "best-holdout"},
            None,
        ),
        (
            {"kind": "history", "about": {"quantity": "task", "between": [0.1, 0.2], "after": 0.5}},
            {"kind": "loss-between", "part": "task", "low": 0.1, "high": 0.2, "after": 0.5},
            None,
        ),
        (
            {"kind": "history", "about": {"quantity": "r_s", "epsilon": 0.01}},
            {"kind": "measured", "quantity": "r_s", "radius": 0.01},
            None,
        ),
    ],
)
def test_each_kind_of_version_1_becomes_a_typed_test(old: dict, test: dict, margin: float | None) -> None:
    migrated = migrations.claim_from_1(claim(**old))
    assert migrated["test"] == test
    read = Claim.from_json(migrated)
    assert read.margin == margin
    assert read.bound is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            minimal(schema=99),
            r"schema 99 was written by a newer version of smart-repro \(this one reads 2\): update it",
        ),
        (minimal(schema="2"), "manifest.schema is '2', expected a version from 1 to 2"),
        (minimal(title=None), "manifest.title is None, expected str"),
        (minimal(seed=[1]), "manifest has the unknown key 'seed': did you mean 'seeds'?"),
        (minimal(seeds=[0, "1"]), r"manifest.seeds\[1\] is '1', expected int"),
        (minimal(seeds=[True]), r"manifest.seeds\[0\] is True, expected int"),
        (minimal(rows=[{"id": "x"}]), r"manifest.rows\[0\] lacks title"),
        (minimal(cells={"x": {"rte": "k"}}), r"manifest.cells\['x'\]\['rte'\] is 'k', expected list"),
        (minimal(points=[{"x": []}]), r"manifest.points\[0\] lacks row, column"),
        (
            minimal(claims=[claim(test={"kind": "guess"})]),
            r"claims\[0\].test is of the unknown kind 'guess'; there are",
        ),
        (minimal(claims=[claim(test={"kind": "cost"})]), r"claims\[0\].test lacks quantity"),
        (
            minimal(claims=[claim(test={"kind": "cost", "quantity": "seconds", "identical": True})]),
            r"claims\[0\].test has the unknown key 'identical': it has quantity",
        ),
        (minimal(claims=[claim(size=-1)]), r"claims\[0\]: claim 'c': size is a magnitude"),
        ({**minimal(schema=1), "about": {"fact": []}}, "manifest.about has the unknown key 'fact'"),
        (minimal(schema=1, claims=[claim(kind="guess")]), "claim 'c' is of the unknown kind 'guess' of schema 1"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(content: dict, message: str) -> None:
    with pytest.raises(SchemaError, match=message):
        Manifest.from_json(content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "more"}, "direction must be one of"),
        ({"quantifier": "most"}, "quantifier must be one of"),
        ({"reading": "mine"}, "reading must be one of"),
        ({"tasks": ()}, "tasks is empty"),
        ({"direction": "no less"}, "needs a margin"),
        ({"test": Sweep()}, "needs a margin"),
        ({"direction": "the same", "margin": 0.5, "quantifier": "every"}, "average difference of two rows only"),
        ({"partial": True, "quantifier": "every"}, "only an average over tasks"),
        ({"parts": (Statement(contrast=against("x", "y"), tasks=("rte",)),)}, "needs a clause for each"),
    ],
)
def test_a_claim_that_cannot_be_decided_is_refused(changes: dict, message: str) -> None:
    good = {"id": "c", "sentence": "s", "contrast": Contrast("x", "y"), "tasks": ("rte",)}
    with pytest.raises(ValueError, match=f"claim 'c': .*{message}"):
        Claim(**{**good, **changes})


def test_a_claim_of_parts_holds_every_statement_once() -> None:
    first, second = (Statement(clause=word, contrast=against("x", word), tasks=("rte",)) for word in ("y", "z"))
    whole = claim_of(first, second, id="c", sentence="s", table="t", min_seeds=7)
    assert [part.b for part in whole.statements] == ["y", "z"]
    alone = whole.of_part(second)
    assert (alone.b, alone.clause, alone.min_seeds, alone.parts) == ("z", "z", 7, ())
    assert Claim.from_json(json.loads(json.dumps(whole.to_json()))) == whole


def test_the_core_has_the_same_loss_parts() -> None:
    assert PARTS == schema.LOSS_PARTS


def test_every_kind_is_a_frozen_dataclass_with_a_name_of_its_own() -> None:
    kinds = get_args(Kind)
    assert len({kind.kind for kind in kinds}) == len(kinds)
    for kind in kinds:
        assert is_dataclass(kind)
        assert "kind" not in {field.name for field in fields(kind)}
        assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]


def test_the_schema_needs_the_standard_library_alone() -> None:
    """Listings read it: numpy or pandas here would cost each of them a second."""
    code = "import sys, analysis.schema; print(sorted({'numpy', 'pandas', 'torch', 'scipy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
