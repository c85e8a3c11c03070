"""A run to be done, what its result depends on beside its spec, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import spec
from benchmarks.errors import UsageError
from benchmarks.spec import Identity, RunSpec
from benchmarks.tasks import TASKS
from benchmarks.tasks.own import enter
from benchmarks.tasks.sources import Source
from benchmarks.training import fit, models
from benchmarks.training.prepared import places, split_of
from smart_repro.methods import METHODS
from smart_repro.numerics import NUMERICS

_OWN = ("smart_repro", "benchmarks")


@dataclass(frozen=True)
class Job:
    """A run to be done: what, under which key, and where its data are (which does not enter the key).

    Attributes:
        parents: keys of the runs it starts from or combines; they must be done first.
        keep_weights: a child needs them.
        again: it may be tried although it has failed before.
    """

    key: str
    spec: RunSpec
    source: Source
    parents: tuple[str, ...] = ()
    keep_weights: bool = False
    again: bool = False

    def to_json(self) -> dict[str, Any]:
        files = {f"{task}:{split}": str(path) for (task, split), path in self.source.data_files.items()}
        source = {"kind": self.source.kind, "data_dir": str(self.source.data_dir or ""), "data_files": files}
        about = {"parents": list(self.parents), "keep_weights": self.keep_weights, "again": self.again}
        return {"key": self.key, "spec": self.spec.to_json(), "source": source, **about}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        source = data["source"]
        files = {tuple(name.split(":", 1)): Path(path) for name, path in source["data_files"].items()}
        folder = Path(source["data_dir"]) if source["data_dir"] else None
        return cls(
            data["key"],
            RunSpec.from_json(data["spec"]),
            Source(source["kind"], folder, files),
            tuple(data["parents"]),
            data["keep_weights"],
            data["again"],
        )


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        state: done, skipped (it was done already), busy (somebody else works on it), failed or interrupted.
        timing: what it took, see :func:`_timing`.
    """

    key: str
    state: str
    message: str = ""
    scores: Mapping[str, Any] | None = None
    seconds: float = 0.0
    timing: Mapping[str, float] | None = None


@dataclass
class Identities:
    """What runs depend on beside their specs, for many runs on the same data: each content is hashed once.

    ``numerics`` is that of this version, except where the key of an older run is made again to compare with it.
    """

    source: Source
    numerics: int = NUMERICS
    _splits: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _found: dict[tuple[Any, ...], Identity] = field(default_factory=dict)
    _keys: dict[RunSpec, str] = field(default_factory=dict)

    def of(self, run: RunSpec) -> Identity:
        """Reads the data and hashes the weights where that was not yet done."""
        on = (run.tasks, run.predict, run.model, run.method, run.head, run.random_weights, run.combine)
        if on not in self._found:
            predicted = {(task, split) for task, split in places(run) if split not in ("holdout", "tuning")}
            read = predicted | {(task, "train") for task in run.tasks}
            others = ",".join(f"{task}={TASKS[task].version}" for task in run.with_tasks)
            orders = fit.written(fit.class_orders(run))
            self._found[on] = Identity(
                data={f"{task}.{split}": self._split(task, split)[0] for task, split in sorted(read)},
                weights=models.resolve(run.model).weights_for(run.head),
                task_version=TASKS[run.task].version,
                method_version=METHODS[run.method].version,
                extra={
                    **({"task_versions": others} if others else {}),
                    **({"class_orders": orders} if orders else {}),
                    **_listed(plugin_sources(run)),
                },
                numerics=self.numerics,
            )
        if run.needed:
            extra = {name: text for name, text in self._found[on].extra.items() if name != "task_versions"}
            return replace(self._found[on], extra={"parents": ",".join(map(self.key, run.needed)), **extra})
        return self._found[on]

    def key(self, run: RunSpec) -> str:
        """The run's key; its parents' keys enter it."""
        if run not in self._keys:
            self._keys[run] = spec.run_key(run, self.of(run))
        return self._keys[run]

    def rows(self, task: str, split: str) -> int:
        """How many examples a split has."""
        return self._split(task, split)[1]

    def _split(self, task: str, split: str) -> tuple[str, int]:
        if (task, split) not in self._splits:
            read = split_of(task, split, self.source)
            self._splits[task, split] = (read.fingerprint, len(read))
        return self._splits[task, split]


def plugin_sources(run: RunSpec) -> dict[str, str]:
    """Module -> sha256 of its source, of the modules outside this project that define the run's method and tasks.

    Raises: UsageError: a module has no source file.
    """
    tasks = dict.fromkeys([*run.tasks, *(task for task, _ in places(run))])
    modules = {METHODS.origin(run.method), *(TASKS.origin(task) for task in tasks)}
    return {name: _source_digest(name) for name in sorted(modules) if name.partition(".")[0] not in _OWN}


@lru_cache
def _source_digest(module: str) -> str:
    """Of the file as it is when the module's runs are first planned, which is just after it was imported."""
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return sha256(Path(file or "").read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            f"the plug-in {module} has no source that can be read: put it into a file of its own"
        ) from error


def _listed(sources: Mapping[str, str]) -> dict[str, str]:
    return {"plugins": ",".join(f"{name}={digest}" for name, digest in sources.items())} if sources else {}


def make_job(run: RunSpec, source: Source, known: Identities | None = None) -> Job:
    """The job for a spec. Raises UsageError or DataError if the model or the data are not there."""
    enter(run.definitions)
    known = known or Identities(source)
    return Job(known.key(run), run, source, tuple(known.key(parent) for parent in run.needed))
