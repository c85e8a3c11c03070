"""Simulate grids of runs on many nodes that share one results folder: what breaks first, and at which size.

``python -m benchmarks.speed.nodes [--nodes 8,64,250,1000]`` prints a table: a row per number of nodes and way of work.

- ``slurm``: the cluster hands out the runs; one process waits for them.
- ``by hand``: the same ``smart-repro run`` on every node; each node looks for runs that are free.

A node does one run at a time. File operations of each action are those that :mod:`benchmarks.speed.operations` counted
in the store. The file system takes ``--latency`` for an operation, or longer where more requests come than it serves;
saved states share its bandwidth. Nodes die and some are slow; runs have the mean length of SMART at full scale.
"""

from __future__ import annotations

import argparse
import heapq
import math
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from benchmarks.store.leases import HEARTBEAT, PATIENCE
from smart_repro.checkpoint import SAVING_SHARE

# file operations on the results folder: `python -m benchmarks.speed.operations` counted 20, 6, 10, 11, 73 and 270
TAKE, BEAT, SAVE, FIND_BUSY, RESUME, WHOLE_RUN = 20, 7, 11, 12, 82, 274
WAIT_FOR_TASK = 3  # of submitit for each task in each look: chmod and stat of the folder, stat of the result
_NOTICE = 600.0  # seconds until submitit asks SLURM again what became of a task without a result
_LOOK = 5.0  # seconds between two looks of an idle node or of the waiting process
_PACE = 250  # operations in one event of the simulation
_CHUNK = 20  # runs that a node looks at in one event of the simulation

Process = Generator[float, None, None]  # yields the times at which it goes on


@dataclass(frozen=True)
class Cluster:
    """The assumptions of a simulation.

    Attributes:
        nodes: number of nodes.
        runs_per_node: number of runs, divided by nodes.
        hours: mean length of a run; lengths are log-normal with ``spread``, the standard deviation of their logarithm.
        latency: seconds of a file operation.
        rate: operations a second that the file system serves.
        bandwidth: bytes a second that it takes in all; ``link``: from one node.
        state: bytes of a saved state; ``save_seconds``: least time between two of them, longer where saving takes more
            than ``save_share`` of the time.
        days_to_failure: mean time until a node dies.
        slow_share, slow_factor: share of nodes that take so many times as long.
    """

    nodes: int
    runs_per_node: int = 5
    hours: float = 1037 / 2050
    spread: float = 0.8
    latency: float = 0.1
    rate: float = 2000.0
    bandwidth: float = 5e9
    link: float = 1e9
    state: float = 1.75e9  # BERT-base with AdamW and SMART's teacher: 110 M parameters, four numbers of 4 bytes each
    save_seconds: float = 60.0
    save_share: float = SAVING_SHARE
    days_to_failure: float = 30.0
    slow_share: float = 0.05
    slow_factor: float = 3.0


@dataclass
class Run:
    """A run of the grid: seconds of training that are left after its last saved state."""

    left: float
    state: str = "todo"
    has_state: bool = False


@dataclass
class Simulation:
    """A grid at work; all times are in seconds.

    Attributes:
        training: seconds that nodes trained, without what was lost with a node.
        busy: seconds that nodes spent on runs and on finding them.
        longest_beat: longest time between two heartbeats of a lease.
        longest_look: longest time that a look at all tasks took the waiting process.
        losses: runs whose node died.
    """

    cluster: Cluster
    by_hand: bool
    seed: int = 0
    now: float = 0.0
    training: float = 0.0
    busy: float = 0.0
    operations: int = 0
    longest_beat: float = 0.0
    longest_look: float = 0.0
    losses: int = 0
    runs: list[Run] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        size, mean = self.cluster.nodes * self.cluster.runs_per_node, 3600 * self.cluster.hours
        sigma = self.cluster.spread
        lengths = self.random.lognormal(math.log(mean) - sigma**2 / 2, sigma, size)
        self.runs = [Run(float(length)) for length in lengths]
        self.left = len(self.runs)
        self.free = deque(self.runs)
        self._events: list[tuple[float, int, Process]] = []
        self._numbers = count()
        self._server_free = self._pipe_free = 0.0  # times at which all earlier requests are served

    def simulate(self) -> None:
        """Do all runs."""
        for _ in range(self.cluster.nodes):
            is_slow = self.random.random() < self.cluster.slow_share
            self.start(self._node(self.cluster.slow_factor if is_slow else 1.0))
        if not self.by_hand:
            self.start(self._waiting_process())
        while self._events and self.left:
            self.now, _, process = heapq.heappop(self._events)
            self._go_on(process)

    def start(self, process: Process) -> None:
        """Start a process now."""
        self._go_on(process)

    def _go_on(self, process: Process) -> None:
        try:
            heapq.heappush(self._events, (next(process), next(self._numbers), process))
        except StopIteration:
            return

    # --- the file system ---

    def _operate(self, operations: int) -> Process:
        """Do file operations one after the other; the file system serves all clients in the order of their requests."""
        self.operations += operations
        for begin in range(0, operations, _PACE):
            number = min(_PACE, operations - begin)
            self._server_free = max(self._server_free, self.now) + number / self.cluster.rate
            yield max(self.now + number * self.cluster.latency, self._server_free)

    def _write(self, size: float) -> Process:
        """Write bytes through the node's link and, in the order of requests, through the bandwidth that all share."""
        self._pipe_free = max(self._pipe_free, self.now) + size / self.cluster.bandwidth
        yield max(self.now + size / self.cluster.link, self._pipe_free)

    # --- nodes ---

    def _node(self, slowness: float) -> Process:
        death = self.now + self.random.exponential(86400 * self.cluster.days_to_failure)
        search = self._search() if self.by_hand else None
        while self.left:
            began = self.now
            run = (yield from self._found(search)) if search is not None else self._handed_out()
            if run is None:
                yield self.now + _LOOK
                continue
            survived = yield from self._do(run, slowness, death)
            self.busy += self.now - began
            if not survived:
                death = self.now + self.random.exponential(86400 * self.cluster.days_to_failure)

    def _handed_out(self) -> Run | None:
        return self.free.popleft() if self.free else None

    def _search(self) -> Iterator[list[Run]]:
        """Yield the runs in chunks, again and again, as a node looks through the list that all nodes have."""
        while True:
            for begin in range(0, len(self.runs), _CHUNK):
                yield self.runs[begin : begin + _CHUNK]
            yield []

    def _found(self, search: Iterator[list[Run]]) -> Generator[float, None, Run | None]:
        """Look through the list until a run is free; None at its end."""
        for chunk in search:
            if not chunk:
                return None
            cost = 0
            for run in chunk:
                if run.state == "todo":
                    run.state = "running"
                    yield from self._operate(max(1, cost))
                    return run
                cost += FIND_BUSY if run.state in ("running", "lost") else 1
            yield from self._operate(cost)
        return None

    def _do(self, run: Run, slowness: float, death: float) -> Generator[float, None, bool]:
        """Train a run to its end; False if the node died first."""
        run.state = "running"
        self.start(self._beats(run, death))
        yield from self._operate(RESUME if run.has_state else TAKE)
        if run.has_state:
            yield from self._write(self.cluster.state)  # reads and copies the state
        pause = self.cluster.save_seconds
        while run.left > 0:
            part = min(run.left, pause / slowness)
            if self.now + part * slowness > death:
                yield death
                self.losses += 1
                run.state = "lost"
                self.start(self._taken_over(run))
                return False
            yield self.now + part * slowness
            run.left -= part
            self.training += part * slowness
            if run.left > 0:
                began = self.now
                yield from self._operate(SAVE)
                yield from self._write(self.cluster.state)
                pause = max(self.cluster.save_seconds, (self.now - began) / self.cluster.save_share)
                run.has_state = True
        yield from self._operate(WHOLE_RUN - TAKE)
        run.state = "done"
        self.left -= 1
        return True

    def _beats(self, run: Run, death: float) -> Process:
        last = self.now
        while run.state == "running" and self.now < death:
            yield self.now + HEARTBEAT
            yield from self._operate(BEAT)
            self.longest_beat, last = max(self.longest_beat, self.now - last), self.now

    def _taken_over(self, run: Run) -> Process:
        """Notice the death: by the silence of its lease, or when SLURM is asked."""
        yield self.now + (PATIENCE if self.by_hand else _NOTICE + self.longest_look)
        run.state = "todo"
        self.free.appendleft(run)

    def _waiting_process(self) -> Process:
        while self.left:
            began, tasks = self.now, sum(run.state in ("running", "lost") for run in self.runs)
            yield from self._operate(max(1, WAIT_FOR_TASK * tasks))
            self.longest_look = max(self.longest_look, self.now - began)
            yield self.now + _LOOK


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", default="8,64,250,1000")
    parser.add_argument("--ways", default="slurm,by hand")
    parser.add_argument("--runs-per-node", type=int, default=Cluster.runs_per_node)
    parser.add_argument("--latency", type=float, default=Cluster.latency, help="seconds of a file operation")
    parser.add_argument("--save-minutes", type=float, default=1.0, help="--checkpoint-minutes of the runs")
    parser.add_argument("--save-share", type=float, default=SAVING_SHARE, help="1000: the pause never grows")
    parser.add_argument("--state", type=float, default=Cluster.state, help="bytes of a saved state")
    options = parser.parse_args()
    print("| nodes | way | hours | node time lost | operations a second | longest silence of a lease | longest look |")
    print("|---|---|---|---|---|---|---|")
    for way in options.ways.split(","):
        for nodes in map(int, options.nodes.split(",")):
            cluster = Cluster(
                nodes,
                runs_per_node=options.runs_per_node,
                latency=options.latency,
                state=options.state,
                save_seconds=60 * options.save_minutes,
                save_share=options.save_share,
            )
            simulation = Simulation(cluster, way == "by hand")
            simulation.simulate()
            print(row(simulation, way), flush=True)


def row(simulation: Simulation, way: str) -> str:
    """Return the simulation's line of the table."""
    nodes, lost = simulation.cluster.nodes, 1 - simulation.training / simulation.busy
    return (
        f"| {nodes:,} | {way} | {simulation.now / 3600:.1f} | {lost:.0%} | "
        f"{simulation.operations / simulation.now:,.0f} | {simulation.longest_beat:.0f} s | "
        f"{simulation.longest_look:.0f} s |"
    )


if __name__ == "__main__":
    main()
