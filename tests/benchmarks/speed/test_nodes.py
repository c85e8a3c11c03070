"""The simulated cluster against sums by hand, and the counts of file operations against a trace made by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmarks.speed import nodes
from benchmarks.speed.nodes import Cluster, Simulation
from benchmarks.speed.operations import count
from smart_repro.checkpoint import SAVING_SHARE

# no failures, no slow nodes, no spread: every run takes 600 s and saves nine times
EVEN = Cluster(4, runs_per_node=3, hours=1 / 6, spread=0.0, days_to_failure=1e9, slow_share=0.0)


def simulated(cluster: Cluster, *, by_hand: bool = False) -> Simulation:
    simulation = Simulation(cluster, by_hand)
    simulation.simulate()
    return simulation


def test_without_failures_the_time_is_the_sum_of_training_saving_and_operations() -> None:
    simulation = simulated(EVEN)
    assert simulation.training == pytest.approx(12 * 600)
    saves = 9 * (nodes.SAVE * EVEN.latency + EVEN.state / EVEN.link)
    run = 600 + nodes.WHOLE_RUN * EVEN.latency + saves
    assert simulation.busy == pytest.approx(12 * run)
    assert simulation.now == pytest.approx(3 * run)
    assert simulation.losses == 0


def test_more_than_the_file_system_can_serve_waits() -> None:
    saves = replace(EVEN, nodes=80, runs_per_node=1, bandwidth=EVEN.link, save_share=1e9)  # 80 nodes share one link
    assert simulated(replace(saves, bandwidth=80 * EVEN.link)).now < 80 * 9 * EVEN.state / EVEN.link
    assert simulated(saves).now >= 80 * 9 * EVEN.state / EVEN.link
    rare = simulated(replace(saves, save_share=SAVING_SHARE))
    assert rare.busy < simulated(saves).busy
    slow = simulated(replace(EVEN, nodes=50, runs_per_node=1, rate=10.0))  # 50 clients, 10 operations a second
    assert slow.now >= 50 * (nodes.WHOLE_RUN + 9 * nodes.SAVE) / 10
    assert slow.longest_beat > nodes.HEARTBEAT + nodes.BEAT * EVEN.latency


@pytest.mark.parametrize("by_hand", [False, True])
def test_runs_of_dead_nodes_are_done_again_from_their_last_state(by_hand: bool) -> None:
    simulation = simulated(replace(EVEN, days_to_failure=2000 / 86400), by_hand=by_hand)
    assert simulation.losses > 0
    assert simulation.training == pytest.approx(12 * 600)
    assert {run.state for run in simulation.runs} == {"done"}
    assert simulation.busy > 12 * 600


def test_a_trace_is_counted_by_action() -> None:
    lines = """\
12 newfstatat(AT_FDCWD</>, "/mark-of-an-action/take", 0x7ff, 0) = -1 ENOENT
12 mkdir("/r/results/inflight", 0777) = 0
12 openat(AT_FDCWD</>, "/etc/hosts", O_RDONLY) = 3
12 openat(AT_FDCWD</>, "/r/results/a", O_RDONLY) = 3</r/results/a>
12 newfstatat(3</r/results/a>, "", {st_mode=S_IFREG}, AT_EMPTY_PATH) = 0
12 close(3</r/results/a>) = 0
12 newfstatat(AT_FDCWD</>, "/mark-of-an-action/save", 0x7ff, 0) = -1 ENOENT
12 fsync(3</r/results/a>) = 0
"""
    counts = count(lines.splitlines(), "/r/results")
    assert (counts["take"], counts["save"], counts["resume"]) == (2, 1, 0)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_the_simulation_uses_the_operations_that_the_store_needs() -> None:
    command = [sys.executable, "-m", "benchmarks.speed.operations"]
    counts = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    expected = {
        "take": nodes.TAKE,
        "heartbeat": nodes.BEAT,
        "save": nodes.SAVE,
        "find busy": nodes.FIND_BUSY,
        "resume": nodes.RESUME,
        "whole run": nodes.WHOLE_RUN,
    }
    assert counts == pytest.approx(expected, rel=0.25)
