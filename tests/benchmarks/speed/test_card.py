"""Many runs on one GPU: what the script says follows from the runs' own timings. Speed is not tested here."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.speed import card
from benchmarks.speed.card import MeasuredGrid, service, summary, table


def test_an_update_and_a_start_are_medians_over_runs() -> None:
    timings = [{"training": t, "updates": 100, "preparation": p} for t, p in ((1.0, 2.0), (9.0, 3.0), (2.0, 7.0))]
    assert summary("vanilla", True, timings, 30.0) == MeasuredGrid("vanilla", True, 3, 30.0, 20.0, 3.0)


def test_the_table_counts_runs_in_fifteen_minutes_and_judges_plain_ones() -> None:
    lines = table(
        [
            MeasuredGrid("vanilla", False, 64, 90.0, 77.0, 3.0),
            MeasuredGrid("vanilla", True, 64, 45.0, 14.9, 3.0),
            MeasuredGrid("smart", True, 32, 90.0, 40.0, 3.0),
        ]
    )
    assert lines[2:] == [
        "| vanilla | off | 64 | 90 | 3.0 | 77.0 | 640 | 1000 runs: MISSED; 15 ms: MISSED |",
        "| vanilla | on | 64 | 45 | 3.0 | 14.9 | 1280 | 1000 runs: reached; 15 ms: reached |",
        "| smart | on | 32 | 90 | 3.0 | 40.0 | 320 |  |",
    ]


def test_the_service_is_started_in_a_folder_of_its_own_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    control = tmp_path / card.MPS
    control.write_text(f'#!/bin/sh\n[ "$1" = -d ] || read word\necho "$1 $word $CUDA_MPS_PIPE_DIRECTORY" >> {log}\n')
    control.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with service(False) as settings:
        assert settings == {}
    with service(True) as settings:
        folder = settings["CUDA_MPS_PIPE_DIRECTORY"]
        assert Path(folder).is_dir()
    assert log.read_text().splitlines() == [f"-d  {folder}", f" quit {folder}"]
    assert not Path(folder).exists()


@pytest.mark.slow
def test_the_script_measures_runs_of_the_suite(capsys: pytest.CaptureFixture[str]) -> None:
    card.main(["--workers", "1", "--runs", "1", "--updates", "3", "--model", "tiny", "--methods", "vanilla"])
    out = capsys.readouterr().out
    assert "| vanilla | off | 1 |" in out
    assert f"there is no {card.MPS} on this machine" in out
