"""A run's key: what was hashed for it, and whether ``spec.json`` still says the same.

The key is the sha256 of the run's *identity*, in canonical JSON: settings that differ from their defaults, the content
of data and weights, and the versions of task, method and numerics. ``spec.json`` stores the identity; for runs that
were made before it did, :func:`rebuilt` makes it from the other entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from analysis.records import ResultsError
from analysis.run_fields import DEFAULTS, ELSEWHERE, KEY_SCHEMA, SEEDS

KEY_LENGTH = 32  # hexadecimal digits of the sha256


def key_of(identity: Mapping[str, Any]) -> str:
    """The key of a run of this identity: the name of its folder."""
    return sha256(canonical(identity).encode()).hexdigest()[:KEY_LENGTH]


def canonical(content: Any) -> str:
    """JSON with sorted names and no spaces; numbers keep their spelling, so that 0 and 0.0 differ."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def numerics_of(stored: Mapping[str, Any]) -> int:
    """The numerics a run was made with, from its ``spec.json``; runs from before it was recorded have 1."""
    return int(stored.get("numerics", 1))


def identity_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """What was hashed for a run's key.

    Args:
        stored: the content of ``spec.json``.
    Raises: ResultsError: no identity is stored, and an entry it could be rebuilt from is missing.
    """
    identity = stored.get("identity")
    return dict(identity) if isinstance(identity, Mapping) else rebuilt(stored)


def rebuilt(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The identity from the entries of ``spec.json`` that say the same: settings, fingerprints, versions.

    Raises: ResultsError: naming the entry that is missing or of another form.
    """
    try:
        prints = stored["fingerprints"]
        extra = _extra(stored)
        numerics = numerics_of(stored)
        return {
            "schema": KEY_SCHEMA,
            "spec": _changed(stored["spec"]),
            "data": dict(prints["data"]),
            "weights": prints["weights"],
            "task_version": stored["task"]["version"],
            "method_version": stored["method"]["version"],
            **({"extra": extra} if extra else {}),
            **({"numerics": numerics} if numerics != 1 else {}),
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(
            f"spec.json of run {stored.get('key')} lacks what its key is made of ({error!r}): run it again"
        ) from error


def verify_key(stored: Mapping[str, Any], key: str) -> None:
    """Check that a run is the one it is named after, and that its settings are those that were hashed.

    Args:
        stored: the content of ``spec.json``.
        key: the name of the run's folder.
    Raises: ResultsError: naming the entry that does not agree.
    """
    identity, remedy = identity_of(stored), "its spec.json was edited or exchanged: remove the run and do it again"
    if stored.get("key") != key:
        raise ResultsError(f"the folder of run {key} holds run {stored.get('key')}: {remedy}")
    if identity.get("schema") != KEY_SCHEMA:
        raise ResultsError(f"run {key} has a key of schema {identity.get('schema')!r}: update smart-repro")
    if key_of(identity) != key:
        raise ResultsError(f"run {key} has the key {key_of(identity)} by what it stores: {remedy}")
    different = list(_differences(identity, rebuilt(stored)))
    if different:
        raise ResultsError(f"run {key} stores a {different[0]} that is not the one it was made with: {remedy}")


def _changed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that differ from their defaults; a seed that equals ``seed`` is at its default."""
    changed = {
        name: value
        for name, value in spec.items()
        if name not in ELSEWHERE and (name not in DEFAULTS or value != DEFAULTS[name])
    }
    for name in SEEDS:
        if name in changed and changed[name] == spec["seed"]:
            del changed[name]
    return changed


def _extra(stored: Mapping[str, Any]) -> dict[str, str]:
    """What only some runs depend on: parents' keys, versions of the tasks trained with theirs, reordered classes."""
    orders = stored["fingerprints"].get("class_orders")
    reordered = {"class_orders": orders} if orders else {}
    if stored["fingerprints"].get("parents"):
        return {"parents": ",".join(stored["fingerprints"]["parents"]), **reordered}
    versions = [f"{name}={stored['with_tasks'][name]['version']}" for name in stored["spec"].get("with_tasks") or ()]
    return {**({"task_versions": ",".join(versions)} if versions else {}), **reordered}


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for name in sorted(one.keys() | other.keys()):
        parts = one.get(name), other.get(name)
        if all(isinstance(part, Mapping) for part in parts):
            yield from _differences(parts[0], parts[1], f"{place}{name}.")  # type: ignore[arg-type]
        elif name not in one or name not in other or canonical(parts[0]) != canonical(parts[1]):
            yield f"{place}{name}"
