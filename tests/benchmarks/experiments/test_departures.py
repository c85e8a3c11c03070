"""Departures from the papers are computed from the runs' own settings and the printed ones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.experiments import EXPERIMENTS
from benchmarks.experiments.planning.departures import departures, printed_settings
from benchmarks.experiments.planning.profiles import PROFILES
from benchmarks.experiments.planning.request import Request
from benchmarks.spec import RunSpec
from benchmarks.training import models


def of(name: str, profile: str = "paper", **settings: object) -> str:
    experiment = PROFILES[profile](EXPERIMENTS[name]())
    return "\n".join(departures(replace(experiment, settings={**experiment.settings, **settings})))


def test_the_papers_profile_departs_where_it_is_known_to() -> None:
    assert of("smart-table1") == (
        "Departures from SMART's printed settings: optimizer adamw with weight decay 0.01 (printed: Adam; RAdam); "
        "epochs 3 (printed: at most 6)."
    )
    assert of("sda-table3") == ""


def test_settings_as_printed_are_no_departure() -> None:
    assert of("smart-table1", optimizer="radam", weight_decay=0.0, epochs=6) == ""
    assert "optimizer adam with weight decay 0.01" in of("smart-table1", optimizer="adam")


def test_the_small_profile_lacks_what_it_drops_with_the_model() -> None:
    smart, sda = of("smart-table1", "small"), of("sda-table3", "small")
    assert "head dropout" not in smart  # the head is the paper's, whatever the encoder: its settings stay
    assert "longest text 128 (printed: 512)" in smart
    assert "head learning rate" not in sda
    assert "learning rate 5e-05 (printed: 2e-5)" in sda


def test_sda_in_a_control_study_runs_under_smarts_settings() -> None:
    text = of("what-drives-sda")
    assert text.startswith("Departures from SDA's printed settings: learning rate 3e-05 (printed: 2e-5)")
    assert "head learning rate 3e-05 (printed: 1e-3)" in text
    assert "batch size 32 (printed: 16)" in text
    assert [line.split("'")[0] for line in of("together").splitlines()] == [
        "Departures from SMART",
        "Departures from SDA",
    ]


def test_generated_data_stand_for_no_paper() -> None:
    assert all(of(name, "demo") == "" for name in ("smart-table1", "sda-table3", "together"))


@pytest.mark.parametrize("paper", ["SMART", "SDA"])
def test_every_printed_setting_tells_values_apart(paper: str) -> None:
    odd = RunSpec(
        task="mnli",
        optimizer="adam-uncorrected",
        learning_rate=7e-5,
        batch_size=7,
        epochs=4,
        head_dropout=0.77,
        warmup=0.3,
        max_length=77,
    )
    assert not [setting.name for setting in printed_settings(paper) if setting.holds(odd)]


def test_departures_stand_in_the_notes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "layers", lambda _: 12)  # of a model that only the hub has
    request = Request(name="together", profile="paper", source="hub", settings=["weight_decay=0.02"])
    experiment, _ = request.found()
    assert any("adamw with weight decay 0.02" in note for note in experiment.notes)
    assert any("weight decay 0.02" in warning for warning in experiment.manifest({}, {}).warnings)
