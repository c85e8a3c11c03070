"""A run to be done, everything its result depends on besides its spec, and its outcome."""

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
from benchmarks.training.prepared import DRAWN, places, split_of
from smart_repro.methods import METHODS
from smart_repro.numerics import NUMERICS

_OWN = ("smart_repro", "benchmarks")


@dataclass(frozen=True)
class Job:
    """A run to be done: its spec, its key, and the place of its data (which does not enter the key).

    Attributes:
        parents: keys of the runs it starts from or combines; they must be done first.
        keep_weights: True if another run needs the trained weights.
        retry: True if the run is to be tried again after a failure.
    """

    key: str
    spec: RunSpec
    source: Source
    parents: tuple[str, ...] = ()
    keep_weights: bool = False
    retry: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the job as a JSON-ready dictionary for a worker process."""
        files = {f"{task}:{split}": str(path) for (task, split), path in self.source.data_files.items()}
        source = {"kind": self.source.kind, "data_dir": str(self.source.data_dir or ""), "data_files": files}
        options = {"parents": list(self.parents), "keep_weights": self.keep_weights, "retry": self.retry}
        return {"key": self.key, "spec": self.spec.to_json(), "source": source, **options}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Job:
        """Read a job that :meth:`to_json` wrote."""
        source = data["source"]
        files = {tuple(name.split(":", 1)): Path(path) for name, path in source["data_files"].items()}
        folder = Path(source["data_dir"]) if source["data_dir"] else None
        return cls(
            data["key"],
            RunSpec.from_json(data["spec"]),
            Source(source["kind"], folder, files),
            tuple(data["parents"]),
            data["keep_weights"],
            data["retry"],
        )


@dataclass(frozen=True)
class Outcome:
    """The result of one job: its state, scores and costs.

    Attributes:
        state: done, skipped (it was done already), busy (another process works on it), failed or interrupted.
        timing: the costs of the attempt, see ``_timing`` of :mod:`benchmarks.training.execute`.
    """

    key: str
    state: str
    message: str = ""
    scores: Mapping[str, Any] | None = None
    seconds: float = 0.0
    timing: Mapping[str, float] | None = None


@dataclass
class Identities:
    """Identities of many runs on the same data: the content of data, weights and code, each hashed once.

    ``numerics`` is this version's, except where the key of an older run is computed for comparison.
    """

    source: Source
    numerics: int = NUMERICS
    _splits: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    _identities: dict[tuple[Any, ...], Identity] = field(default_factory=dict)
    _keys: dict[RunSpec, str] = field(default_factory=dict)

    def of(self, run: RunSpec) -> Identity:
        """Return a run's identity; the data are read and the weights hashed at the first call for them."""
        inputs = (run.tasks, run.predict, run.model, run.method, run.head, run.random_weights, run.combine)
        if inputs not in self._identities:
            predicted = {(task, split) for task, split in places(run) if split not in DRAWN}
            places_read = predicted | {(task, "train") for task in run.tasks}
            versions = ",".join(f"{task}={TASKS[task].version}" for task in run.with_tasks)
            orders = fit.order_text(fit.class_orders(run))
            self._identities[inputs] = Identity(
                data={f"{task}.{split}": self._split(task, split)[0] for task, split in sorted(places_read)},
                weights=models.resolve(run.model).weights_for(run.head),
                task_version=TASKS[run.task].version,
                method_version=METHODS[run.method].version,
                extra={
                    **({"task_versions": versions} if versions else {}),
                    **({"class_orders": orders} if orders else {}),
                    **_listed(plugin_sources(run)),
                },
                numerics=self.numerics,
            )
        if run.needed:
            extra = {name: text for name, text in self._identities[inputs].extra.items() if name != "task_versions"}
            return replace(self._identities[inputs], extra={"parents": ",".join(map(self.key, run.needed)), **extra})
        return self._identities[inputs]

    def key(self, run: RunSpec) -> str:
        """Return the run's key; its parents' keys enter it."""
        if run not in self._keys:
            self._keys[run] = spec.run_key(run, self.of(run))
        return self._keys[run]

    def rows(self, task: str, split: str) -> int:
        """Return the number of examples of a split."""
        return self._split(task, split)[1]

    def _split(self, task: str, split: str) -> tuple[str, int]:
        if (task, split) not in self._splits:
            content = split_of(task, split, self.source)
            self._splits[task, split] = (content.fingerprint, len(content))
        return self._splits[task, split]


def plugin_sources(run: RunSpec) -> dict[str, str]:
    """Return module -> sha256 of its source, for modules outside this project that define the run's method and tasks.

    Raises: UsageError: a module has no source file.
    """
    tasks = dict.fromkeys([*run.tasks, *(task for task, _ in places(run))])
    modules = {METHODS.origin(run.method), *(TASKS.origin(task) for task in tasks)}
    return {name: _source_digest(name) for name in sorted(modules) if name.partition(".")[0] not in _OWN}


@lru_cache
def _source_digest(module: str) -> str:
    """Return the sha256 of a module's file as of the first planning, which is just after the import."""
    file = getattr(sys.modules.get(module), "__file__", None)
    try:
        return sha256(Path(file or "").read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(
            f"the plug-in {module} has no source that can be read: put it into a file of its own"
        ) from error


def _listed(sources: Mapping[str, str]) -> dict[str, str]:
    return {"plugins": ",".join(f"{name}={digest}" for name, digest in sources.items())} if sources else {}


def make_job(run: RunSpec, source: Source, identities: Identities | None = None) -> Job:
    """Return the job for a spec. Raises UsageError or DataError if the model or the data are missing."""
    enter(run.definitions)
    identities = identities or Identities(source)
    return Job(identities.key(run), run, source, tuple(identities.key(parent) for parent in run.needed))
