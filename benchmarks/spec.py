"""One training run as a value: everything that decides its result, and nothing else."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import sha256
from typing import Any

from benchmarks.errors import UsageError

SPEC_VERSION = 1  # raised when a default changes its meaning
_SEEDS = ("seed_init", "seed_order", "seed_dropout", "seed_noise", "seed_subsample")


@dataclass(frozen=True)
class MethodChoice:
    """A method with options, as typed: ``smart:lambda_s=3,dropout=independent``, in short ``smart[independent]``."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """The text that :func:`parse_methods` reads back; the dropout reading in brackets, as tables show it."""
        options = dict(self.options)
        reading = f"[{options.pop('dropout')}]" if "dropout" in options else ""
        rest = ",".join(f"{name}={value}" for name, value in options.items())
        return f"{self.name}{reading}" + (f":{rest}" if rest else "")


def method(name: str, **options: Any) -> MethodChoice:
    """A method with options, in one spelling whatever the order they came in."""
    return MethodChoice(name, tuple(sorted(options.items())))


def parse_methods(text: str) -> list[MethodChoice]:
    """``"smart:lambda_s=3,mu=2,vanilla"`` is two methods: a piece with ``=`` continues the options before it.

    Raises: UsageError: for text of another form.
    """
    parsed: list[tuple[str, dict[str, Any]]] = []
    for piece in filter(None, (part.strip() for part in text.split(","))):
        head, colon, option = piece.partition(":")
        if "=" in head:
            if not parsed:
                raise UsageError(f"--methods {text!r}: the option {piece!r} follows no method")
            option, colon = piece, ":"
        else:
            name, reading = _reading(head, text)
            parsed.append((name, {"dropout": reading} if reading else {}))
        if colon:
            name, equals, value = option.partition("=")
            if not equals or not name:
                raise UsageError(f"--methods {text!r}: expected option=value after the colon, got {option!r}")
            parsed[-1][1][name.strip()] = parse_value(value)
    if not parsed:
        raise UsageError("--methods is empty: name at least one, such as vanilla,smart")
    return [method(name, **options) for name, options in parsed]


def _reading(head: str, text: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"([\w+-]+)(?:\[(shared|independent|off)\])?", head)
    if match is None:
        raise UsageError(
            f"--methods {text!r}: {head!r} is not a method name, optionally with [shared], [independent] or [off]"
        )
    return match[1], match[2]


def parse_value(text: str) -> Any:
    """A number, true/false or None where the text is one, else the text."""
    text = text.strip()
    if text.lower() == "none":
        return None
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """What is trained on what, and how. Fields at their default stay out of the key, so that new ones cost nothing."""

    task: str
    method: str = "vanilla"
    options: tuple[tuple[str, Any], ...] = ()
    # model
    model: str = "tiny"
    head: str = "pooler"  # pooler / cls / mean
    layers: int | None = None  # keep the first so many encoder layers
    random_weights: bool = False  # the shape without the pre-training
    dropout: float | None = None  # of the encoder; None: the model's own
    head_dropout: float | None = None
    # data
    max_length: int = 128
    max_train_samples: int | None = None
    holdout: float = 0.1  # share of the training set kept aside for selection
    predict: tuple[str, ...] = ("dev", "holdout")
    # training
    epochs: int = 3
    max_steps: int | None = None
    batch_size: int = 16  # examples per update
    accumulation: int = 1  # micro-batches an update is cut into
    learning_rate: float = 2e-5
    head_learning_rate: float | None = None
    weight_decay: float = 0.01
    optimizer: str = "adamw"
    schedule: str = "linear"
    warmup: float = 0.1
    clip: float | None = 1.0
    precision: str = "fp32"
    threads: int = 1
    # randomness; each defaults to ``seed``
    seed: int = 0
    seed_init: int | None = None
    seed_order: int | None = None
    seed_dropout: int | None = None
    seed_noise: int | None = None
    seed_subsample: int | None = None

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise UsageError(
                f"this run cannot be: {problem} (task {self.task}, method {self.method}, seed {self.seed})"
            )

    @property
    def choice(self) -> MethodChoice:
        return MethodChoice(self.method, self.options)

    @property
    def title(self) -> str:
        """One line that tells this run from its neighbours in a grid."""
        return f"{self.task} {self.choice.label} seed {self.seed}"

    def seeds(self) -> dict[str, int]:
        """The seed of each purpose."""
        return {name: self.seed if getattr(self, name) is None else getattr(self, name) for name in _SEEDS}

    def canonical(self) -> dict[str, Any]:
        """The fields that differ from their defaults, JSON-ready."""
        changed = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != _default(f)}
        for name in _SEEDS:
            if changed.get(name) == self.seed:
                del changed[name]
        if "options" in changed:
            changed["options"] = dict(self.options)
        return changed

    def to_json(self) -> dict[str, Any]:
        """All fields; :meth:`from_json` reads them back."""
        return {**asdict(self), "options": dict(self.options), "predict": list(self.predict)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunSpec:
        options = tuple(sorted(data.get("options", {}).items()))
        return cls(**{**data, "options": options, "predict": tuple(data["predict"])})


@dataclass(frozen=True)
class Identity:
    """What a run depends on beside its spec: the content of data and weights, and the code's own versions."""

    data: Mapping[str, str]  # split -> sha256 of its examples
    weights: str  # sha256 of the safetensors file
    task_version: int
    method_version: int
    extra: Mapping[str, str] = field(default_factory=dict)


def run_key(spec: RunSpec, identity: Identity) -> str:
    """The name of the run's folder: the same on every machine, another as soon as anything that matters differs."""
    content = {
        "schema": SPEC_VERSION,
        "spec": spec.canonical(),
        "data": dict(identity.data),
        "weights": identity.weights,
        "task_version": identity.task_version,
        "method_version": identity.method_version,
        **({"extra": dict(identity.extra)} if identity.extra else {}),
    }
    return sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:32]


def _default(f: Any) -> Any:
    return f.default


def _problem(spec: RunSpec) -> str | None:
    checks = {
        f"epochs must be at least 1, got {spec.epochs}": spec.epochs >= 1,
        f"max_steps must be at least 1, got {spec.max_steps}": spec.max_steps is None or spec.max_steps >= 1,
        f"batch_size must be at least 1, got {spec.batch_size}": spec.batch_size >= 1,
        f"accumulation must be between 1 and the batch size, got {spec.accumulation}": 1
        <= spec.accumulation
        <= spec.batch_size,
        f"learning_rate must be positive, got {spec.learning_rate}": spec.learning_rate > 0,
        f"holdout must lie in [0, 0.5], got {spec.holdout}": 0 <= spec.holdout <= 0.5,
        f"warmup must lie in [0, 1], got {spec.warmup}": 0 <= spec.warmup <= 1,
        f"max_train_samples must be at least 2, got {spec.max_train_samples}": spec.max_train_samples is None
        or spec.max_train_samples >= 2,
        f"max_length must be at least 4, got {spec.max_length}": spec.max_length >= 4,
        f"threads must be at least 1, got {spec.threads}": spec.threads >= 1,
    }
    return next((problem for problem, fine in checks.items() if not fine), None)
