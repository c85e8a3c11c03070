"""A training run as a value: all settings that decide its result."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import product
from typing import Any

from analysis.integrity import key_of
from analysis.run_fields import KEY_SCHEMA, SEEDS
from benchmarks.definition import Definition
from benchmarks.errors import UsageError
from benchmarks.spec_checks import field_problem
from smart_repro.hnn.options import HNN_HEADS


@dataclass(frozen=True)
class MethodChoice:
    """A method with options, as typed: ``smart:lambda_s=3,dropout=independent``, in short ``smart[independent]``."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        """The text that :func:`parse_methods` reads back; the dropout reading is in brackets, as in tables."""
        options = dict(self.options)
        reading = f"[{options.pop('dropout')}]" if "dropout" in options else ""
        other_options = ",".join(f"{name}={value}" for name, value in options.items())
        return f"{self.name}{reading}" + (f":{other_options}" if other_options else "")


def method(name: str, **options: Any) -> MethodChoice:
    """Return a method with options, which are sorted so that equal choices are equal values."""
    return MethodChoice(name, tuple(sorted(options.items())))


@dataclass(frozen=True)
class GridPoint:
    """One method of a list of methods; a point of a curve where an option was given several numbers.

    Attributes:
        axis: the option that the curve is over; "" for a method by itself.
        x: the option's value at this point.
        curve: the method without that option; None for a method by itself.
    """

    choice: MethodChoice
    axis: str = ""
    x: float | None = None
    curve: MethodChoice | None = None


@dataclass(frozen=True)
class MethodGrid:
    """A method whose options have one value or several: every combination of them is a method.

    A value may be another option's number or a multiple of it, as text: ``sigma=epsilon,eta=100*epsilon``.

    Attributes:
        options: each option with its values, in the order they were given.
    """

    name: str
    options: tuple[tuple[str, tuple[Any, ...]], ...] = ()

    def points(self) -> list[GridPoint]:
        """Return every combination of the options' values, the last option running fastest.

        The last option that has several values, all numbers, is the axis of the curves.

        Raises: UsageError: a multiple of an option that has no number.
        """
        axes = [option for option, values in self.options if len(values) > 1 and all(map(_is_number, values))]
        points = []
        for values in product(*(values for _, values in self.options)):
            combination = dict(zip((option for option, _ in self.options), values, strict=True))
            choice = method(self.name, **_with_multiples(combination))
            if not axes:
                points.append(GridPoint(choice))
                continue
            x = float(combination.pop(axes[-1]))
            points.append(GridPoint(choice, axes[-1], x, method(self.name, **combination)))
        return points


def _with_multiples(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with numbers in place of ``epsilon`` and ``100*epsilon``; other texts stay.

    Raises: UsageError: a multiple of an option that has no number.
    """
    return {name: _number_of(name, options, ()) for name in options}


def _number_of(name: str, options: Mapping[str, Any], asked: tuple[str, ...]) -> Any:
    """Return an option's value, computed from another option's where it is a multiple of that one."""
    value = options[name]
    if not isinstance(value, str):
        return value
    before, times, after = (part.strip() for part in value.partition("*"))
    factor, of = (after, before) if before in options else (before, after)
    multiplier, of = (parse_value(factor), of) if times else (1, value.strip())
    if of in options and of not in (*asked, name) and _is_number(multiplier):
        number = _number_of(of, options, (*asked, name))
        if _is_number(number):
            return multiplier * number
    unstarred = re.fullmatch(r"[\d.]+(?:e[+-]?\d+)?([A-Za-z_]\w*)", value)
    if (times and (_is_number(multiplier) or {before, after} & options.keys())) or (
        unstarred and unstarred[1] in options
    ):
        raise UsageError(
            f"{name}={value}: expected a number times an option that is named too and has a number, as in "
            "epsilon=1e-2,eta=100*epsilon; several values are [10*epsilon,100*epsilon]"
        )
    return value


def parse_methods(text: str) -> list[MethodChoice]:
    """``"smart:lambda_s=3,mu=2,vanilla"`` is two methods: a piece with ``=`` continues the options before it.

    An option with several values in brackets, ``smoothness:epsilon=[1e-3,1e-2]``, is a method for each of them; an
    option may follow another one, ``smoothness:epsilon=[1e-3,1e-2],sigma=epsilon,eta=100*epsilon``.

    Raises: UsageError: for text of another form.
    """
    return [point.choice for point in parse_grid(text)]


def parse_grid(text: str) -> list[GridPoint]:
    """Read methods as :func:`parse_methods` does, each with its place on a curve.

    Raises: UsageError: for text of another form.
    """
    return [point for grid in parse_grids(text) for point in grid.points()]


def parse_grids(text: str) -> list[MethodGrid]:
    """Read methods as :func:`parse_methods` does, with all values of their options.

    Raises: UsageError: for text of another form.
    """
    parsed: list[tuple[str, dict[str, tuple[Any, ...]]]] = []
    for piece in pieces(text):
        head, colon, option = piece.partition(":")
        if "=" in head:
            if not parsed:
                raise UsageError(f"--methods {text!r}: the option {piece!r} follows no method")
            option, colon = piece, ":"
        else:
            name, reading = _reading(head, text)
            parsed.append((name, {"dropout": (reading,)} if reading else {}))
        if colon:
            name, equals, value = option.partition("=")
            if not equals or not name:
                raise UsageError(f"--methods {text!r}: expected option=value after the colon, got {option!r}")
            parsed[-1][1][name.strip()] = _values(value.strip(), text)
    if not parsed:
        raise UsageError("--methods is empty: name at least one, such as vanilla,smart")
    return [MethodGrid(name, tuple(options.items())) for name, options in parsed]


def pieces(text: str) -> list[str]:
    """Return what stands between the commas of a list of methods; a comma in brackets separates nothing.

    Raises: UsageError: a bracket that is not closed, or not opened.
    """
    parts, depth = [""], 0
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth not in (0, 1):
            break
        if character == "," and not depth:
            parts.append("")
        else:
            parts[-1] += character
    if depth:
        raise UsageError(f"--methods {text!r}: its brackets do not match; write smart[shared] or smart:mu=[0,1]")
    return [part.strip() for part in parts if part.strip()]


def _values(value: str, text: str) -> tuple[Any, ...]:
    """Return the values of an option: one, or those in brackets."""
    if not (value.startswith("[") and value.endswith("]")):
        return (_option_value(value),)
    values = tuple(_option_value(part) for part in pieces(value[1:-1]))
    if not values or len(set(values)) < len(values):
        raise UsageError(f"--methods {text!r}: {value} must name values, each once")
    return values


def _option_value(text: str) -> Any:
    """Return a method option's value; "none" stays a word, which is a value of some options."""
    return "none" if text.strip().lower() == "none" else parse_value(text)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _reading(head: str, text: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"([\w+-]+)(?:\[(shared|independent|off)\])?", head)
    if match is None:
        raise UsageError(
            f"--methods {text!r}: {head!r} is not a method name, optionally with [shared], [independent] or [off]"
        )
    return match[1], match[2]


def parse_value(text: str) -> Any:
    """Return a number, true/false or None where the text is one, else the text."""
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
    """All settings of a run. Fields at their default are not part of the key, so that new fields keep old keys."""

    task: str
    method: str = "vanilla"
    options: tuple[tuple[str, Any], ...] = ()
    with_tasks: tuple[str, ...] = ()  # trained together with ``task``, each with a head of its own (MT-DNN)
    # model
    model: str = "tiny"
    head: str = "pooler"  # pooler / new / cls / mean / hnn / hnn-released
    layers: int | None = None  # keep the first so many encoder layers
    random_weights: bool = False  # the shape without the pre-training
    dropout: float | None = None  # of the encoder; None: the model's own
    head_dropout: float | None = None
    head_dropouts: tuple[tuple[str, float], ...] = ()  # of single tasks' heads in a run of several
    # data
    definitions: tuple[Definition, ...] = ()  # of the tasks on own data among those it reads
    max_length: int = 128
    max_train_samples: int | None = None
    per_class: int | None = None  # so many training examples of each class, instead
    tuning_rows: int = 0  # training rows, none of them drawn, that the split "tuning" has at most
    holdout: float = 0.1  # share of the training set kept aside for selection
    holdout_rows: int = 0  # training rows, none of them drawn, that are the holdout instead: n examples stay n
    label_noise: float = 0.0  # share of the examples trained on whose label is another class, drawn at random
    predict: tuple[str, ...] = ("dev", "holdout")
    predict_each: tuple[str, ...] | None = None  # splits predicted at every evaluation, others at the last; None: all
    evaluate_every: int = 1  # epochs from one evaluation to the next; the last one is always evaluated
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
    late_noise: float = 0.0  # share of the updates, at the end, whose labels are shuffled within the batch
    measure: bool = False  # also record step lengths, distance from the start and R_s on dev (measures.json)
    smoothness_radii: tuple[float, ...] = ()  # record R_s at these radii alone, over the embeddings' root mean square
    # randomness; each defaults to ``seed``
    seed: int = 0
    seed_init: int | None = None
    seed_order: int | None = None
    seed_dropout: int | None = None
    seed_noise: int | None = None
    seed_subsample: int | None = None
    # parents: runs that are done first; their keys, not these values, enter the key
    init_from: RunSpec | str | None = None  # start from this run's weights: a spec, or the key of a finished run
    combine: str | None = None  # vote / average: no training, but ``parents`` made into one
    parents: tuple[RunSpec, ...] = ()

    def __post_init__(self) -> None:
        problem = field_problem(vars(self)) or _problem(self)
        if problem:
            raise UsageError(
                f"this run cannot be: {problem} (task {self.task}, method {self.method}, seed {self.seed})"
            )

    @property
    def choice(self) -> MethodChoice:
        """The method with its options."""
        return MethodChoice(self.method, self.options)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Trained tasks: one, or several that share the encoder."""
        return (self.task, *self.with_tasks)

    @property
    def title(self) -> str:
        """One line that distinguishes this run from the other runs of a grid."""
        if self.with_tasks:
            return f"{'+'.join(self.tasks)} {self.choice.label} seed {self.seed}"
        if self.combine:
            return f"{self.task} {self.combine} of {len(self.parents)} x {self.choice.label} seed {self.seed}"
        return f"{self.task} {self.choice.label} seed {self.seed}"

    @property
    def needed(self) -> tuple[RunSpec, ...]:
        """The runs that must be done before this one."""
        start = () if self.init_from is None or isinstance(self.init_from, str) else (self.init_from,)
        return (*start, *self.parents)

    def predicts_each(self, split: str) -> bool:
        """Return whether a split is predicted at every evaluation, not only at the last: the training set never is."""
        return split != "train" and (self.predict_each is None or split in self.predict_each)

    def seeds(self) -> dict[str, int]:
        """Return the seed of each purpose."""
        return {name: self.seed if getattr(self, name) is None else getattr(self, name) for name in SEEDS}

    def canonical(self) -> dict[str, Any]:
        """Return the fields that differ from their defaults, JSON-ready, without parents (see :class:`Identity`)."""
        values = vars(self)
        changed = {name: values[name] for name, default in _DEFAULTS.items() if values[name] != default}
        for name in SEEDS:
            if changed.get(name) == self.seed:
                del changed[name]
        if "options" in changed:
            changed["options"] = dict(self.options)
        if "definitions" in changed:
            changed["definitions"] = [definition.to_json() for definition in self.definitions]
        return changed

    def to_json(self) -> dict[str, Any]:
        """Return all fields, JSON-ready; :meth:`from_json` reads them back."""
        plain_fields = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in (*_PARENTS, "definitions")}
        start = self.init_from.to_json() if isinstance(self.init_from, RunSpec) else self.init_from
        parents = {
            "init_from": start,
            "combine": self.combine,
            "parents": [parent.to_json() for parent in self.parents],
        }
        parent_fields = {name: value for name, value in parents.items() if value}
        splits = {
            "predict": list(self.predict),
            "predict_each": None if self.predict_each is None else list(self.predict_each),
            "smoothness_radii": list(self.smoothness_radii),
        }
        definitions = [definition.to_json() for definition in self.definitions]
        own_data = {"definitions": definitions} if definitions else {}
        return {**plain_fields, "options": dict(self.options), **own_data, **splits, **parent_fields}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RunSpec:
        """Read a spec that :meth:`to_json` wrote."""
        start = data.get("init_from")
        return cls(
            **{
                **data,
                "options": tuple(sorted(data.get("options", {}).items())),
                "with_tasks": tuple(data.get("with_tasks", ())),
                "definitions": tuple(map(Definition.from_json, data.get("definitions", ()))),
                "head_dropouts": tuple((task, rate) for task, rate in data.get("head_dropouts", ())),
                "predict": tuple(data["predict"]),
                "smoothness_radii": tuple(data.get("smoothness_radii", ())),
                "predict_each": None if data.get("predict_each") is None else tuple(data["predict_each"]),
                "init_from": cls.from_json(start) if isinstance(start, Mapping) else start,
                "parents": tuple(cls.from_json(parent) for parent in data.get("parents", ())),
            }
        )


@dataclass(frozen=True)
class Identity:
    """Everything a run depends on besides its spec: content of data and weights, versions of the code."""

    data: Mapping[str, str]  # split -> sha256 of its examples
    weights: str  # sha256 of the safetensors file
    task_version: int
    method_version: int
    extra: Mapping[str, str] = field(default_factory=dict)
    numerics: int = 1  # :data:`smart_repro.numerics.NUMERICS` of the code that trains


def run_identity(spec: RunSpec, identity: Identity) -> dict[str, Any]:
    """Return everything that decides a run's result, JSON-ready; numerics 1 is left out, as in older runs."""
    return {
        "schema": KEY_SCHEMA,
        "spec": spec.canonical(),
        "data": dict(identity.data),
        "weights": identity.weights,
        "task_version": identity.task_version,
        "method_version": identity.method_version,
        **({"extra": dict(identity.extra)} if identity.extra else {}),
        **({"numerics": identity.numerics} if identity.numerics != 1 else {}),
    }


def run_key(spec: RunSpec, identity: Identity) -> str:
    """Return the name of the run's folder, equal on every machine; it changes with anything in the identity."""
    return key_of(run_identity(spec, identity))


def combined(way: str, parents: Sequence[RunSpec]) -> RunSpec:
    """Return the run that combines several into one model; ``way`` is ``"vote"`` or ``"average"`` (SDA, 3.1).

    Everything else is its first parent's: task, model, and the splits to predict, except those on which parents of
    different ``seed_subsample`` have no examples in common.

    Raises: UsageError: there are no parents.
    """
    if not parents:
        raise UsageError(f"{way}: there is nothing to combine; give at least two parents")
    first = parents[0]
    shared = len({parent.seeds()["seed_subsample"] for parent in parents}) == 1
    predict = tuple(split for split in first.predict if shared or split not in ("holdout", "train", "tuning"))
    return replace(first, combine=way, parents=tuple(parents), predict=predict, predict_each=None)


_PARENTS = ("init_from", "combine", "parents")
_DEFAULTS = {f.name: f.default for f in fields(RunSpec) if f.name not in ("init_from", "parents")}


def _problem(spec: RunSpec) -> str | None:
    checks = {
        f"head {spec.head} trains one task": not (spec.head in HNN_HEADS and spec.with_tasks),
        f"accumulation must be between 1 and the batch size, got {spec.accumulation}": spec.accumulation
        <= spec.batch_size,
        "give per_class or max_train_samples, not both": spec.per_class is None or spec.max_train_samples is None,
        f"a task stands twice in {', '.join(spec.tasks)}": len(set(spec.tasks)) == len(spec.tasks),
        "head_dropouts is for tasks that are trained together: name them in with_tasks": {
            task for task, _ in spec.head_dropouts
        }
        <= set(spec.tasks if spec.with_tasks else ()),
        "a run of several tasks starts from the model itself, combines nothing and is not measured": not spec.with_tasks
        or not (spec.init_from or spec.combine or spec.measure or spec.smoothness_radii),
        "measure records R_s at radii of its own: leave smoothness_radii out": not (
            spec.measure and spec.smoothness_radii
        ),
        "holdout_rows are outside the examples, holdout is a share of them: set holdout=0 beside holdout_rows": not (
            spec.holdout and spec.holdout_rows
        ),
        "parents are for runs that combine them: set combine to vote or average": bool(spec.combine)
        == bool(spec.parents),
        f"{spec.combine} needs at least two parents": not spec.combine or len(spec.parents) >= 2,
        "a run that combines parents cannot start from another one": not (spec.combine and spec.init_from),
        "the parents must share the child's task, model and layers": all(
            _fits(spec, parent) for parent in spec.parents
        ),
        "a run can only start from one of the same model and layers": not isinstance(spec.init_from, RunSpec)
        or (spec.init_from.model, spec.init_from.layers) == (spec.model, spec.layers),
    }
    return next((problem for problem, is_met in checks.items() if not is_met), None)


def _fits(child: RunSpec, parent: RunSpec) -> bool:
    return all(getattr(child, name) == getattr(parent, name) for name in ("task", "model", "layers", "head"))
