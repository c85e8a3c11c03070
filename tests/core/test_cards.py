"""Every method carries its card, and the card says what the code does."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

import pytest

from smart_repro.card import card, option_comments, render
from smart_repro.methods import METHODS, build
from smart_repro.train import TrainConfig


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_a_whole_card(name: str) -> None:
    found = card(name)
    assert found.title.endswith(".")
    assert len(found.title) > 20
    assert re.search(r"\d{4}|baseline", found.paper)
    assert found.equation
    assert found.cost >= 1
    assert [option.name for option in found.options] == [field.name for field in fields(METHODS[name].Config)]
    assert not [option.name for option in found.options if len(option.meaning) < 5]


@pytest.mark.parametrize("name", METHODS)
def test_the_page_names_everything_and_leaves_no_markup_behind(name: str) -> None:
    found, page = card(name), render(card(name))
    assert page.startswith(f"# {name}\n")
    for option in found.options:
        assert f"| `{option.name}` | `{option.default if option.default != '' else chr(34) * 2}` |" in page
    assert f"{found.cost:g} forward passes" in page
    assert ":mod:" not in page
    assert "``" not in page


def test_the_defaults_on_the_card_are_those_of_the_method() -> None:
    for name in METHODS:
        config = build(name).config
        assert {o.name: o.default for o in card(name).options} == {
            f.name: getattr(config, f.name) for f in fields(config)
        }


ATTACK = {"alpha": 0.04, "epsilon": 0.4, "start": 0.64}
BREGMAN = {"mu": 1.0, "beta": 0.999, "beta_early": 0.99, "inner_steps": 1, "teacher": "ema"}
PAST_STUDENTS = {"lambda_d": 1.0, "K": 1, "teacher_lag": 1}
TEACHER = {"teacher_dropout": "off", "evaluate": "student"}
SMOOTHNESS = {
    "lambda_s": 1.0,
    "epsilon": 1e-5,
    "sigma": 1e-5,
    "eta": 1e-3,
    "ascent_steps": 1,
    "dropout": "shared",
    "direction": "ascent",
    "site": "block",
    "norm_scope": "example",
    "ascent": "algorithm-1",
    "p": "inf",
}
DEFAULTS = {
    "bregman": {**BREGMAN, **TEACHER},
    "feature-extraction": {"encoder_dropout": False},
    "freeat": {**ATTACK, "m": 3},
    "freelb": {**ATTACK, "K": 3},
    "freeze-lower": {"frozen": 0.5},
    "gradual-unfreezing": {"opening": 0.5, "decay": 2.6},
    "lora": {"rank": 8, "scale": 2.0, "modules": ""},
    "pgd": {**ATTACK, "K": 3},
    "r-drop": {"alpha": 1.0},
    "r3f": {"lambda_r": 1.0, "sigma": 1e-5, "noise": "normal", "dropout": "independent"},
    "sda": {**PAST_STUDENTS, **TEACHER, "mean": "window"},
    "sdv": {**PAST_STUDENTS, "teacher_dropout": "off"},
    "self-ensemble": {"start": 0.0, "every": "step"},
    "smart": {**BREGMAN, **TEACHER, **SMOOTHNESS},
    "smart+sda": {**PAST_STUDENTS, **BREGMAN, **TEACHER, **SMOOTHNESS, "mean": "window"},
    "smart-released": {
        "lambda_s": 1.0,
        "sigma": 1e-5,
        "eta": 1e-3,
        "ascent_steps": 1,
        "guard": 1e-6,
        "site": "block",
        "embedding": "single",
    },
    "smoothness": SMOOTHNESS,
    "vanilla": {"label_smoothing": 0.0},
}


@pytest.mark.parametrize("name", METHODS)
def test_defaults_change_on_purpose_alone(name: str) -> None:
    """What a method's name means without options is public: published runs and papers' rows rest on it."""
    config = build(name).config
    assert {field.name: getattr(config, field.name) for field in fields(config)} == DEFAULTS[name]


def test_costs_follow_the_options() -> None:
    """In forward passes, a plain step being 3: the theory of the papers' cost."""
    costs = {
        ("vanilla", ()): 3,
        ("smart", ()): 9,
        ("smart", (("ascent", "exact"),)): 8,
        ("smart", (("ascent_steps", 2),)): 11,
        ("smart", (("mu", 0.0),)): 8,
        ("smart", (("lambda_s", 0.0),)): 4,
        ("smart", (("dropout", "off"),)): 12,
        ("smoothness", (("direction", "none"),)): 6,
        ("bregman", ()): 4,
        ("smart-released", ()): 8,
        ("r-drop", ()): 6,
        ("r3f", ()): 6,
        ("sda", (("K", "all"),)): 4,
        ("sdv", (("K", 5),)): 8,
        ("smart+sda", ()): 10,
        ("smart+sda", (("lambda_d", 0.0),)): 9,
        ("freelb", ()): 9,
        ("pgd", ()): 9,
        ("freeat", ()): 3,
        ("freeze-lower", (("frozen", 0.5),)): 2,
        ("lora", ()): 2,
    }
    for (name, options), cost in costs.items():
        assert METHODS[name].cost(build(name, **dict(options)).config) == cost, (name, options)


def test_smarts_card_lists_the_readings_of_both_its_terms() -> None:
    found = card("smart")
    assert any(deviation.startswith("smoothness: ``dropout``") for deviation in found.deviations)
    assert any(deviation.startswith("bregman: ") for deviation in found.deviations)
    assert not any(deviation.startswith("smart: ") for deviation in found.deviations)


def test_the_card_of_vbpp_says_when_its_gradient_vanishes() -> None:
    assert any("zero if and only if dropout is off or shared" in reading for reading in card("bregman").deviations)


@dataclass(frozen=True, kw_only=True)
class Base:
    first: int = 1  # from the base
    second: str = "a # b"  # a hash inside a string
    third: int = 3


@dataclass(frozen=True, kw_only=True)
class Derived(Base):
    third: int = 4  # now with a comment
    # that goes on here
    fourth: float = 1.0  # last


def test_comments_are_read_beside_the_fields() -> None:
    assert option_comments(Derived) == {
        "first": "from the base",
        "second": "a hash inside a string",
        "third": "now with a comment that goes on here",
        "fourth": "last",
    }


def test_a_config_without_a_source_file_has_no_comments() -> None:
    scope: dict[str, type] = {"dataclass": dataclass}
    exec("@dataclass\nclass Typed:\n    x: int = 1  # lost\n", scope)
    assert option_comments(scope["Typed"]) == {}


def test_unknown_names_get_a_suggestion() -> None:
    with pytest.raises(KeyError, match="did you mean 'smoothness'"):
        card("smoothnes")


TINY = 1e-9
SIGNALS = {  # parts of the loss that may not stay at 0 in a run; no other method has one
    "bregman": {"bregman"},
    "freeat": {"adversarial"},
    "freelb": {"adversarial"},
    "pgd": {"adversarial"},
    "r-drop": {"consistency"},
    "r3f": {"consistency"},
    "sda": {"distillation"},
    "sdv": {"distillation"},
    "smart": {"bregman", "smoothness"},
    "smart+sda": {"bregman", "distillation", "smoothness"},
    "smart-released": {"smoothness"},
    "smoothness": {"smoothness"},
}


@pytest.mark.parametrize("name", METHODS)
def test_parts_that_may_not_stay_at_0(name: str) -> None:
    assert build(name).expected_signals() == SIGNALS.get(name, set())


def test_settings_of_the_loop_change_on_purpose_alone() -> None:
    settings = {field.name: field.default for field in fields(TrainConfig)}
    assert settings == {
        "epochs": 3,
        "max_steps": None,
        "batch_size": 16,
        "accumulation": 1,
        "learning_rate": 2e-5,
        "head_learning_rate": None,
        "weight_decay": 0.01,
        "optimizer": "adamw",
        "schedule": "linear",
        "warmup": 0.1,
        "clip": 1.0,
        "precision": "fp32",
        "seed_order": 0,
        "seed_dropout": 0,
        "seed_noise": 0,
    }


@pytest.mark.parametrize(
    ("name", "option", "least", "refused"),
    [
        ("vanilla", "label_smoothing", 0.0, -TINY),
        *(("freelb", option, TINY, 0.0) for option in ("alpha", "epsilon")),
        ("freelb", "start", 0.0, -TINY),
        ("freelb", "K", 1, 0),
        ("pgd", "K", 1, 0),
        ("freeat", "m", 1, 0),
        ("lora", "rank", 1, 0),
        ("lora", "scale", TINY, 0.0),
        ("r-drop", "alpha", 0.0, -TINY),
        ("r3f", "lambda_r", 0.0, -TINY),
        ("r3f", "sigma", TINY, 0.0),
        ("bregman", "mu", 0.0, -TINY),
        ("bregman", "inner_steps", 1, 0),
        *((name, "lambda_s", 0.0, -TINY) for name in ("smart", "smoothness", "smart-released")),
        *((name, "ascent_steps", 1, 0) for name in ("smart", "smart-released")),
        *(("smart", option, TINY, 0.0) for option in ("epsilon", "sigma", "eta")),
        *(("smart-released", option, TINY, 0.0) for option in ("sigma", "eta", "guard")),
        *((name, "lambda_d", 0.0, -TINY) for name in ("sda", "sdv", "smart+sda")),
        ("sda", "K", 1, 0),
        ("sda", "teacher_lag", 0, -1),
        ("sda", "teacher_lag", 1, 2),
        ("self-ensemble", "start", 0.0, -TINY),
        ("gradual-unfreezing", "opening", 0.0, -TINY),
        ("gradual-unfreezing", "opening", 1.0, 1 + TINY),
        ("gradual-unfreezing", "decay", 1.0, 1 - TINY),
        ("freeze-lower", "frozen", 1.0, 1 + TINY),
    ],
)
def test_options_end_at_their_least_value(name: str, option: str, least: float, refused: float) -> None:
    assert getattr(build(name, **{option: least}).config, option) == least
    with pytest.raises(ValueError, match=option):
        build(name, **{option: refused})
