"""Results folders with known truth, written exactly as the suite writes them, without training anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import scores as metrics
from analysis.errors import is_contested


@dataclass(frozen=True)
class Arm:
    """One row: ``gain`` is the true difference to the base rate, in points, on every task or per task."""

    id: str
    title: str = ""
    method: str = "vanilla"
    reading: str = ""
    gain: float | dict[str, float] = 0.0
    collapsed: tuple[int, ...] = ()
    missing: tuple[int, ...] = ()
    parts: tuple[str, ...] = ("task",)
    seed_sd: float | None = None  # instead of the world's
    contested: float = 0.0  # further points where annotators have a bare majority
    early: float = 0.0  # further points after the first epoch
    logged: float = 0.02  # where the parts beside the task loss start
    diverged: tuple[int, ...] = ()  # seeds whose task loss grows instead of falling
    pace: float = 0.1  # seconds of an update
    memory: float = 1e9
    device: str = "cpu"
    measured: dict[str, float] = field(default_factory=dict)  # r_s, distance, step_divergence
    curve: str = ""
    x: float | None = None
    combines: str = ""  # an arm of whose runs each run of this one is the mean: run s of 4s to 4s + 3

    def gain_on(self, task: str) -> float:
        return self.gain.get(task, 0.0) if isinstance(self.gain, dict) else self.gain


@dataclass(frozen=True)
class Exam:
    """One column. ``classes`` 1 is regression on 0 to 5, with errors of standard deviation ``noise``."""

    task: str
    metric: str = "accuracy"
    items: int = 400
    classes: int = 2
    base: float = 0.75
    noise: float = 1.6
    ceiling: float | None = None
    votes: bool = False
    labels: tuple[str, ...] | None = None


@dataclass
class World:
    """A results folder being filled. ``seed_sd`` is the spread of a run's true accuracy, in points."""

    root: Path
    arms: Sequence[Arm]
    exams: Sequence[Exam]
    seeds: Sequence[int] = (0, 1, 2)
    name: str = "compare"
    baseline: str | None = "vanilla"
    seed_sd: float = 0.5
    steps: int = 42
    epochs: int = 3
    generated: bool = True
    extra: dict[str, Any] = field(default_factory=dict)
    texts: bool = False

    def write(self) -> Path:
        cells: dict[str, dict[str, list[str]]] = {}
        for arm in self.arms:
            for exam in self.exams:
                keys = [self._run(arm, exam, seed) for seed in self.seeds]
                cells.setdefault(arm.id, {})[exam.task] = keys
        manifest = {
            "schema": 2,
            "name": self.name,
            "title": "A hand-made comparison",
            "profile": "demo" if self.generated else None,
            "grid": "0123abcd",
            "rows": [
                {
                    "id": a.id,
                    "title": a.title or a.id,
                    "method": a.method,
                    "reading": a.reading,
                    **({"curve": a.curve, "x": a.x} if a.curve else {}),
                    **({"combine": "vote"} if a.combines else {}),
                }
                for a in self.arms
            ],
            "columns": [
                {
                    "id": f"{e.task}.{e.metric}",
                    "task": e.task,
                    "metric": e.metric,
                    "split": "dev",
                    "title": e.task,
                    "ceiling": e.ceiling,
                }
                for e in self.exams
            ],
            "seeds": list(self.seeds),
            "cells": cells,
            "baseline_row": self.baseline,
            "published": [],
            "claims": [],
            "layout": "methods-by-tasks",
            "warnings": [],
            "reasons_missing": {},
            "commands": {
                "run": f"smart-repro run {self.name}",
                "rerun_cell": "smart-repro runs rerun KEY",
            },
        } | self.extra
        path = self.root / "experiments" / self.name / "0123abcd.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(manifest))
        if self.texts:
            self._texts()
        return self.root

    def _texts(self) -> None:
        folder = self.root / "texts"
        folder.mkdir(exist_ok=True)
        for exam in self.exams:
            lines = [
                (f"dev-{i}", f"The {i}th premise.", f"A <b>hypothesis</b> & number {i}.") for i in range(exam.items)
            ]
            frame = pd.DataFrame(lines, columns=["id", "text_0", "text_1"])
            frame.to_parquet(folder / f"{exam.task}.dev.parquet", index=False)

    def _run(self, arm: Arm, exam: Exam, seed: int) -> str:
        key = run_key(arm.id, exam, seed)
        if arm.combines:
            parent = next(other for other in self.arms if other.id == arm.combines)
            for each in range(4 * seed, 4 * seed + 4):
                self._run(parent, exam, each)
        if seed in arm.missing:
            return key
        folder = self.root / "runs" / key
        (folder / "predictions").mkdir(parents=True, exist_ok=True)
        scored: dict[str, dict[str, float]] = {}
        for split, items in (("dev", exam.items), ("holdout", max(20, exam.items // 4))):
            frame = self._predictions(arm, exam, seed, split, items)
            frame.to_parquet(folder / "predictions" / f"{exam.task}.{split}.parquet", index=False)
            last = frame[frame["epoch"] == self.epochs]
            scored[split] = {exam.metric: score_frame(exam.metric, last)}
        write_json(
            folder / "spec.json",
            {
                "schema": 1,
                "key": key,
                "spec": {
                    "task": exam.task,
                    "method": arm.method,
                    "method_config": {"lambda_s": 1.0} if arm.method != "vanilla" else {},
                    "model": "tiny",
                    "head": "pooler",
                    "seed": seed,
                    "epochs": self.epochs,
                    "batch_size": 16,
                    "learning_rate": 2e-5,
                    "source": "generated" if self.generated else "local",
                },
                "fingerprints": {
                    "data": {"train": "a" * 64, "dev": "b" * 64},
                    "weights": "c" * 64,
                    "parents": [run_key(arm.combines, exam, each) for each in range(4 * seed, 4 * seed + 4)]
                    if arm.combines
                    else [],
                },
                "task": {
                    "title": exam.task,
                    "labels": list(exam.labels or [f"label {i}" for i in range(exam.classes)])
                    if exam.classes > 1
                    else None,
                    "kind": "classification" if exam.classes > 1 else "regression",
                    "generated": self.generated,
                    "metrics": [exam.metric],
                    "ceiling": {} if exam.ceiling is None else {exam.metric: exam.ceiling},
                },
                "data": {
                    "sources": ["generated" if self.generated else "RTE/train.tsv"],
                    "notes": [],
                    "rows": {"train": 900},
                },
                "model": {"contaminated": ""},
                "method": {"paper": "", "version": 1, "cost": "1"},
            },
        )
        write_json(
            folder / "environment.json",
            {
                "versions": {"torch": "2.13.0"},
                "git": "deadbeef",
                "device": arm.device,
                "threads": 1,
                "platform": "Linux",
            },
        )
        self._history(folder / "history.jsonl", arm, exam, seed)
        write_json(
            folder / "result.json",
            {
                "schema": 1,
                "key": key,
                "scores": {exam.task: scored},
                "seconds": 12.5,
                "steps": self.steps,
                "source": "generated" if self.generated else "local",
                "timing": {
                    "training": arm.pace * self.steps * (1 + 0.01 * rng("pace", arm.id, exam.task, seed).normal()),
                    "updates": self.steps,
                    "memory": arm.memory,
                },
            },
        )
        if arm.measured:
            noise = 1 + 0.02 * rng("measured", arm.id, exam.task, seed).normal()
            own = {name: value * noise for name, value in arm.measured.items()}
            moments = [
                {
                    "step": step,
                    "step_divergence": own.get("step_divergence", 0.1),
                    "distance": step * own["distance"] / 4,
                }
                for step in range(1, 5)
            ]
            smooth = [{"radius": r, "epsilon": r / 10, "r_s": own["r_s"] * (r / 1e-2) ** 2} for r in (1e-3, 1e-2, 1e-1)]
            write_json(folder / "measures.json", {"moments": moments, "smoothness": smooth})
        return key

    def _predictions(self, arm: Arm, exam: Exam, seed: int, split: str, items: int) -> pd.DataFrame:
        own = (seed,) if split == "holdout" else ()  # every seed sets other examples aside
        of_items, of_run = rng(exam.task, split, *own), rng(exam.task, split, arm.id, seed)
        difficulty = of_items.normal(size=items)
        spread = self.seed_sd if arm.seed_sd is None else arm.seed_sd
        shift = of_run.normal(0, spread / 100) + arm.gain_on(exam.task) / 100
        blocks = []
        if exam.classes == 1:
            label = of_items.uniform(0, 5, size=items)
        else:
            label = of_items.integers(0, exam.classes, size=items)
        for epoch in range(1, self.epochs + 1):
            late = 0.08 * (self.epochs - epoch) - (arm.early / 100 if epoch == 1 else 0.0)
            extra = _contested(label, difficulty, exam, rng(exam.task, split, *own, "votes")) * arm.contested / 100
            if exam.classes == 1:
                noise = exam.noise - 8 * shift + 3 * late
                outputs = (label + noise * (0.5 * difficulty + 0.87 * of_run.normal(size=items)))[:, None]
                chosen = outputs[:, 0]
            else:
                outputs, chosen = _classify(exam.base + shift - late + extra, label, difficulty, exam.classes, of_run)
            if seed in arm.collapsed:
                outputs, chosen = np.zeros_like(outputs), np.zeros_like(chosen)
            outputs = outputs.astype(np.float32)
            block = {"id": ["-".join(map(str, (split, *own, i))) for i in range(items)], "epoch": epoch, "label": label}
            block["prediction"] = outputs[:, 0].astype(np.float64) if exam.classes == 1 else chosen
            block |= {f"logit_{c}": outputs[:, c] for c in range(outputs.shape[1])}
            if exam.votes:
                block |= _votes(label, difficulty, exam.classes, rng(exam.task, split, *own, "votes"))
            blocks.append(pd.DataFrame(block))
        return pd.concat(blocks, ignore_index=True)

    def _history(self, path: Path, arm: Arm, exam: Exam, seed: int) -> None:
        noise = rng("history", arm.id, exam.task, seed)
        trend = 2 if seed in arm.diverged else -2
        lines: list[dict[str, Any]] = []
        for step in range(1, self.steps + 1):
            parts = {
                name: float(
                    (0.7 if name == "task" else arm.logged)
                    * np.exp(trend * step / self.steps)
                    * noise.uniform(0.8, 1.2)
                )
                for name in arm.parts
            }
            extra = {"max_abs_delta": 1e-5} if "smoothness" in arm.parts else {}
            lines.append(
                {
                    "step": step,
                    "epoch": step * self.epochs / self.steps,
                    "lr": 2e-5,
                    "loss": sum(parts.values()),
                    **parts,
                    **extra,
                }
            )
            if step * self.epochs % self.steps == 0:
                epoch = step * self.epochs // self.steps
                frame = pd.read_parquet(path.parent / "predictions" / f"{exam.task}.dev.parquet")
                value = score_frame(exam.metric, frame[frame["epoch"] == epoch])
                lines.append(
                    {
                        "event": "epoch",
                        "epoch": epoch,
                        "step": step,
                        "scores": {exam.task: {"dev": {exam.metric: value}}},
                    }
                )
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def score_frame(metric: str, frame: pd.DataFrame) -> float:
    """Compute the metric of a predictions frame, in the plainest way."""
    y = frame["label"].to_numpy()
    function = metrics.METRICS[metric]
    if function.uses == "logits":
        outputs = frame[[c for c in frame if c.startswith("logit_")]].to_numpy(dtype=float)
    else:
        outputs = frame["prediction"].to_numpy()
    return float(function.function(y, outputs, np.ones(len(y))))


def rng(*names: Any) -> np.random.Generator:
    """Return a separate generator for every purpose, so that a new arm changes no other."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(names).encode()).digest()[:8], "big"))


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))


def run_key(row: str, exam: Exam, seed: int) -> str:
    """Of a run in this world."""
    return hashlib.sha256(f"{row}|{exam.task}|{seed}".encode()).hexdigest()[:24]


def _contested(label: np.ndarray, difficulty: np.ndarray, exam: Exam, noise: np.random.Generator) -> np.ndarray:
    if not exam.votes:
        return np.zeros(len(label))
    votes = np.stack(list(_votes(label, difficulty, exam.classes, noise).values()), axis=1)
    return is_contested(votes).astype(float)


def _classify(
    rate: float | np.ndarray, label: np.ndarray, difficulty: np.ndarray, classes: int, noise: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Right with probability about ``rate``: items differ in difficulty, which all runs share."""
    from scipy.special import ndtri

    margin = ndtri(np.clip(rate, 0.02, 0.98)) * np.sqrt(2) + difficulty + noise.normal(size=len(label))
    wrong = (label + noise.integers(1, classes, size=len(label))) % classes
    chosen = np.where(margin > 0, label, wrong)
    outputs = noise.normal(0, 0.1, size=(len(label), classes))
    outputs[np.arange(len(label)), chosen] = outputs.max(1) + 0.2 + np.abs(margin)
    return outputs, chosen.astype(np.int64)


def _votes(
    label: np.ndarray, difficulty: np.ndarray, classes: int, noise: np.random.Generator
) -> dict[str, np.ndarray]:
    """Five annotators who agree less on harder items."""
    from scipy.special import ndtr

    agree = 0.55 + 0.43 * ndtr(difficulty + 0.5)
    votes = np.zeros((len(label), classes), dtype=np.int64)
    for i, (right, share) in enumerate(zip(label, agree, strict=True)):
        chances = np.full(classes, (1 - share) / (classes - 1))
        chances[right] = share
        votes[i] = noise.multinomial(5, chances)
    return {f"votes_{c}": votes[:, c] for c in range(classes)}
