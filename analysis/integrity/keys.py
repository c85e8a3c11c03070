"""Key of a run: the sha256 of its identity.

The identity holds, in canonical JSON, the settings that differ from their defaults, the content of data and weights,
and the versions of task, method and numerics. ``spec.json`` stores it; for older runs, :func:`rebuilt` computes it from
the other entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from analysis.records import ResultsError, canonical
from analysis.run_fields import DEFAULTS, ELSEWHERE, KEY_SCHEMA, SEEDS

KEY_LENGTH = 32  # hexadecimal digits of the sha256


def key_of(identity: Mapping[str, Any]) -> str:
    """Return the key of a run with this identity, which is the name of its folder."""
    return sha256(canonical(identity).encode()).hexdigest()[:KEY_LENGTH]


def numerics_of(stored: Mapping[str, Any]) -> int:
    """Return the numerics that a run was made with, from its ``spec.json``; runs without the entry have 1."""
    return int(stored.get("numerics", 1))


def identity_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity that was hashed for a run's key.

    Args:
        stored: the content of ``spec.json``.

    Raises:
        ResultsError: no identity is stored, and an entry to rebuild it from is missing.
    """
    identity = stored.get("identity")
    return dict(identity) if isinstance(identity, Mapping) else rebuilt(stored)


def rebuilt(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity computed from the other entries of ``spec.json``: settings, fingerprints, versions.

    Raises:
        ResultsError: an entry is missing or has another form; the message names it.
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
    """Check that a run has the key it is named after, and the settings that were hashed.

    Args:
        stored: the content of ``spec.json``.
        key: the name of the run's folder.

    Raises:
        ResultsError: an entry disagrees; the message names it.
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
    """Return the settings that differ from their defaults; a seed that equals ``seed`` is at its default."""
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
    """Return entries of some runs only: keys of parents, versions of further tasks, sources of plug-ins."""
    orders = stored["fingerprints"].get("class_orders")
    sources = [f"{module}={digest}" for module, digest in sorted(stored["fingerprints"].get("plugins", {}).items())]
    optional = {"class_orders": orders or "", "plugins": ",".join(sources)}
    if stored["fingerprints"].get("parents"):
        optional["parents"] = ",".join(stored["fingerprints"]["parents"])
    else:
        along = stored["spec"].get("with_tasks") or ()
        optional["task_versions"] = ",".join(f"{name}={stored['with_tasks'][name]['version']}" for name in along)
    return {name: text for name, text in optional.items() if text}


def _differences(first: Mapping[str, Any], second: Mapping[str, Any], place: str = "") -> Iterator[str]:
    for name in sorted(first.keys() | second.keys()):
        parts = first.get(name), second.get(name)
        if all(isinstance(part, Mapping) for part in parts):
            yield from _differences(parts[0], parts[1], f"{place}{name}.")  # type: ignore[arg-type]
        elif name not in first or name not in second or canonical(parts[0]) != canonical(parts[1]):
            yield f"{place}{name}"
