"""Notes on the methods of an experiment that change how its numbers are read, given before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from analysis.strengths import unequal_strengths
from benchmarks.experiments.planning.base import Experiment
from benchmarks.experiments.studies.balls import ACTING
from benchmarks.tasks import TASKS
from smart_repro.declarations import configure, methods

WEAK = 0.01  # lambda_s (epsilon / ACTING)^2 from which R_s may change an answer: study 1, nothing acts below 1e-3
FILLING = 10  # steps of so many radii fill the ball: on MiniLM R_s is then 0.4 to 0.7 of that at the paper's 100
PLAIN = "vanilla"
BALL = ("lambda_s", "epsilon", "sigma", "eta", "direction", "dropout", "p")  # options of a method with R_s
ON_SST2 = "on SST-2 with MiniLM (docs/FINDINGS.md, answer {})"


class _Arm(NamedTuple):
    """A row's method.

    Attributes:
        row: id of the row.
        name: name of the method.
        given: the options that are named.
        config: all options with their values.
    """

    row: str
    name: str
    given: frozenset[str]
    config: Any

    def value(self, option: str) -> Any:
        """Return an option's value; None for a method without it."""
        return getattr(self.config, option, None)

    @property
    def has_ball(self) -> bool:
        """True if it perturbs in a ball whose radius is an option (R_s)."""
        return all(hasattr(self.config, name) for name in BALL) and self.config.direction != "none"


def method_notes(experiment: Experiment) -> tuple[str, ...]:
    """Return the notes on any experiment: R-Drop and R_s do not weigh their terms alike."""
    arms = list(_arms(experiment))
    note = unequal_strengths(
        (arm.config.alpha for arm in arms if arm.name == "r-drop"),
        (arm.config.lambda_s for arm in arms if arm.value("lambda_s")),
    )
    return (note,) if note else ()


def own_grid_notes(experiment: Experiment) -> tuple[str, ...]:
    """Return the notes on a user's own grid: no baseline, balls not filled, what the findings lead one to expect."""
    arms, notes = list(_arms(experiment)), []
    if len(experiment.rows) > 1 and not any(arm.name == PLAIN for arm in arms):
        notes.append(
            f"No row is plain fine-tuning: differences are from {experiment.baseline}. Add {PLAIN} to see whether the "
            "methods help at all."
        )
    hollow = [arm for arm in arms if arm.has_ball and is_hollow(arm.config) and "epsilon" in arm.given]
    for option, cure, is_random in (("sigma", "sigma=epsilon", True), ("eta", "sigma=epsilon,eta=100*epsilon", False)):
        if short := [arm for arm in hollow if (arm.config.direction == "random") == is_random]:
            radii = " / ".join(dict.fromkeys(f"{arm.value(option) / arm.config.epsilon:g}" for arm in short))
            notes.append(
                f"{_rows(short)}: the perturbation hardly fills the ball, for {option} is {radii} times the radius "
                f"(in the paper {1 if is_random else 100}); for the radius to act add {cure}."
            )
    if all(TASKS[task].generated for task in experiment.tasks):
        return tuple(notes)
    balls = [arm for arm in arms if arm.has_ball and arm.config.lambda_s]
    if weak := [arm for arm in balls if is_weak(arm.config)]:
        acting = [arm for arm in balls if not is_weak(arm.config) and not is_hollow(arm.config)]
        row = f" A row that acts: {weak[0].name}:epsilon=1e-2,sigma=epsilon,eta=100*epsilon."
        notes.append(
            f"{_rows(weak)}: R_s is expected to change hardly any answer: with shared masks it changed none at "
            f"epsilon = 1e-5 {ON_SST2.format(1)}. Expect plain fine-tuning's answers of R_s alone, bregman's of SMART."
            f"{row * (not acting)}"
        )
    teachers = [arm for arm in arms if arm.value("teacher_dropout") is not None]
    last = [arm for arm in teachers if arm.name == "sda" and arm.config.K == 1]
    if last and all(arm.config.teacher_dropout == "off" for arm in teachers):
        notes.append(
            f"{_rows(last)}: SDA with K = 1 and a teacher without dropout lost accuracy {ON_SST2.format(3)}; look at "
            "the training loss, and set sda:teacher_dropout=shared beside it."
        )
    return tuple(notes)


def is_weak(config: Any) -> bool:
    """Return True for an R_s with shared masks that is expected to be too weak to change an answer."""
    return bool(config.dropout == "shared" and config.lambda_s * (config.epsilon / ACTING) ** 2 < WEAK)


def is_hollow(config: Any) -> bool:
    """Return True for an R_s whose perturbation stays far from the surface of its ball: the step or noise is short."""
    if not config.lambda_s or config.p != "inf":
        return False
    if config.direction == "random":
        return bool(config.sigma < config.epsilon / 2)
    climbs = config.direction == "ascent" and config.ascent == "algorithm-1"
    return bool(climbs and config.eta * config.ascent_steps < FILLING * config.epsilon)


def _arms(experiment: Experiment) -> Iterator[_Arm]:
    for row in experiment.rows:
        for choice in (row.method, *row.per_task.values()):
            options = dict(choice.options)
            yield _Arm(row.id, choice.name, frozenset(options), configure(methods()[choice.name], options))


def _rows(arms: list[_Arm]) -> str:
    names = list(dict.fromkeys(arm.row for arm in arms))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
