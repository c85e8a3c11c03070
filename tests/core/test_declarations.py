"""What methods declare is read from their files without torch, and equals what the loaded classes say."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from smart_repro import optim, precision, source
from smart_repro.card import card
from smart_repro.declarations import configure, from_source
from smart_repro.methods import METHODS, build
from smart_repro.models import HEADS

ROOT = Path(__file__).resolve().parents[2]
_CARDS = """
import json, sys
from dataclasses import asdict
sys.modules["torch"] = None  # importing it is an error from here on
from smart_repro.card import card
from smart_repro.declarations import methods
print(json.dumps({name: asdict(card(name)) for name in methods()}))
"""


def test_cards_read_from_source_equal_those_of_the_loaded_classes() -> None:
    done = subprocess.run([sys.executable, "-c", _CARDS], cwd=ROOT, capture_output=True, text=True, check=True)
    cards = json.loads(done.stdout)
    assert list(cards) == list(METHODS)
    for name in METHODS:
        assert cards[name] == json.loads(json.dumps(asdict(card(name)))), name


@pytest.mark.parametrize("name", METHODS)
def test_configurations_read_from_source_compute_what_the_classes_do(name: str) -> None:
    declaration, method = from_source()[name], METHODS[name]
    assert (declaration.name, declaration.version) == (name, method.version)
    ours, theirs = declaration.Config(), method.Config()
    assert asdict(ours) == asdict(theirs)
    assert declaration.cost(ours) == method.cost(theirs)


def test_options_change_the_cost_alike() -> None:
    for name, options in [
        ("smart", {"ascent_steps": 3, "dropout": "off"}),
        ("smart+sda", {"mu": 0}),
        ("pgd", {"K": 5}),
    ]:
        declaration = from_source()[name]
        assert declaration.cost(configure(declaration, options)) == METHODS[name].cost(build(name, **options).config)


def test_names_of_optimizers_schedules_heads_and_precisions_are_read_without_torch() -> None:
    assert source.keys("smart_repro.optim", "OPTIMIZERS") == tuple(optim.OPTIMIZERS)
    assert source.value("smart_repro.optim", "SCHEDULES") == optim.SCHEDULES
    assert source.value("smart_repro.models", "HEADS") == HEADS
    assert source.value("smart_repro.precision", "PRECISIONS") == precision.PRECISIONS


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("smart", {"epsilon": float("nan")}, "epsilon of method 'smart' must be a finite number, got nan"),
        ("smart", {"epsilon": float("inf")}, "a finite number, got inf"),
        ("smart", {"lambda_s": "1|3|5"}, "lambda_s of method 'smart' must be a finite number, got '1|3|5'"),
        ("smart", {"sigma": "eps"}, "must be a finite number, got 'eps'; did you mean 'epsilon'?"),
        ("smart", {"sigma": "epsilon"}, "got 'epsilon'; to follow epsilon, give epsilon a number too"),
        ("smart", {"lambda_s": (1, 3)}, "a finite number"),
        ("smart", {"lambda_s": True}, "a finite number, got True"),
        ("smart", {"lambda_s": None}, "a finite number, got None"),
        ("smart", {"lambda_s": 10**400}, "must lie within"),
        ("smart", {"ascent_steps": 1.5}, "a whole number, got 1.5"),
        ("smart", {"ascent_steps": 10**20}, r"must lie within \+-1,000,000"),
        ("smart", {"dropout": 3}, "a word, got 3"),
        ("sda", {"K": 1.5}, "a whole number or a word"),
        ("sda", {"K": True}, "a whole number or a word"),
        ("feature-extraction", {"encoder_dropout": 1}, "true or false, got 1"),
        ("smart", {"lamda_s": 1}, "did you mean 'lambda_s'"),
        ("smart", {"lambda_s": -1}, "lambda_s must be >= 0"),
    ],
)
def test_an_option_of_another_kind_is_refused(name: str, options: dict[str, Any], complaint: str) -> None:
    for refuse in (lambda: build(name, **options), lambda: configure(from_source()[name], options)):
        with pytest.raises(ValueError, match=complaint):
            refuse()


def test_every_option_of_every_method_refuses_nan_and_words_where_numbers_are_meant() -> None:
    for name, method in METHODS.items():
        for option in fields(method.Config):
            if option.type in ("int", "float"):
                for value in (float("nan"), "x", None, [1]):
                    with pytest.raises(ValueError, match=option.name):
                        build(name, **{option.name: value})


def test_a_name_that_no_module_defines_is_an_error() -> None:
    with pytest.raises(AttributeError, match="defines no 'NOTHING'"):
        source.value("smart_repro.optim", "NOTHING")
    with pytest.raises(TypeError, match="no dictionary"):
        source.keys("smart_repro.optim", "SCHEDULES")
    with pytest.raises(ValueError, match="no module of smart_repro"):
        source.tree("torch.nn")
