"""Migrate manifests of older schema versions to the current one: one pure function per step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from analysis.schema.codec import SchemaError

VERSION = 2
Content = dict[str, Any]


def migrated(content: Mapping[str, Any]) -> Content:
    """Return the manifest in the current schema version, without its ``schema`` key.

    Raises:
        SchemaError: the version is newer than this suite, or is not a version number.
    """
    version = content.get("schema", 1)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise SchemaError(f"manifest.schema is {version!r}, expected a version from 1 to {VERSION}")
    if version > VERSION:
        raise SchemaError(
            f"schema {version} was written by a newer version of smart-repro (this one reads {VERSION}): update it"
        )
    current = {key: value for key, value in content.items() if key != "schema"}
    for step in range(version, VERSION):
        current = STEPS[step](current)
    return current


def from_1(content: Content) -> Content:
    """Merge the two lists of claims, and replace the untyped ``about`` of claims and manifest by typed fields.

    Raises:
        SchemaError: ``about`` has an unknown key.
    """
    current = {key: value for key, value in content.items() if value is not None or key in ("baseline_row", "profile")}
    extras = current.pop("about", {})
    claims = [*current.pop("claims", ()), *current.pop("further_claims", ())]
    current["claims"] = [claim_from_1(claim) for claim in claims]
    facts = [_fact_from_1(fact) for fact in extras.get("facts", ())]
    typed_fields = {name: extras[name] for name in ("selections", "tuned") if name in extras}
    unknown_keys = sorted(set(extras) - {"facts", "selections", "tuned"})
    if unknown_keys:
        raise SchemaError(f"manifest.about has the unknown key {unknown_keys[0]!r}: it has facts, selections, tuned")
    return {**current, **typed_fields, **({"facts": facts} if facts else {})}


STEPS: Mapping[int, Callable[[Content], Content]] = {1: from_1}


def _fact_from_1(fact: Content) -> Content:
    names = {"shown": "printed", "ours": "count", "agree": "agrees"}
    return {names.get(key, key): value for key, value in fact.items()}


def claim_from_1(claim: Content) -> Content:
    """Replace ``kind`` and ``about`` of a claim by a typed ``test``; give claims of sameness a margin.

    Raises:
        SchemaError: the claim is of an unknown kind.
    """
    current = {key: value for key, value in claim.items() if value is not None}
    kind, details = current.pop("kind", "difference"), dict(current.pop("about", {}))
    if kind == "history":
        kind = _history_from_1(details)
    if kind not in _TESTS_FROM_1:
        raise SchemaError(f"claim {claim.get('id')!r} is of the unknown kind {kind!r} of schema 1")
    current["test"] = {"kind": kind, **_TESTS_FROM_1[kind](details)}
    if current.get("direction") in ("no less", "no greater", "the same") or kind == "sweep":
        bound = current.pop("bound", None)  # schema 1 derived a missing bound from the size
        current["margin"] = max(0.5, current.get("size", 0.0) / 2) if bound is None else bound
    elif kind == "constant":
        current["margin"] = current.pop("size", 0.0)
    elif kind == "cost" and "bound" in current:
        current["margin"] = current.pop("bound")
    return current


def _history_from_1(details: Content) -> str:
    """Return the kind of a claim of the former kind "history", identified by its keys."""
    marks = {
        "selections": "selection",
        "constant": "constant",
        "epoch": "epoch",
        "between": "loss-between",
        "quantity": "measured",
    }
    return next((kind for mark, kind in marks.items() if mark in details), "history")


def _renamed(names: Mapping[str, str], unread: tuple[str, ...] = ()) -> Callable[[Content], Content]:
    """Return a function that renames keys, and drops the keys that no version ever read."""
    return lambda details: {names.get(key, key): value for key, value in details.items() if key not in unread}


def _difference_from_1(details: Content) -> Content:
    parents = {"against_parents": True} if details.pop("baseline", "") == "parents" else {}
    return {**details, **parents}


def _selection_from_1(details: Content) -> Content:
    best, reference = details["selections"]
    return {"best": best, "reference": reference}


def _loss_from_1(details: Content) -> Content:
    low, high = details["between"]
    optional_fields = {"after": details["after"]} if "after" in details else {}
    return {"part": details["quantity"], "low": low, "high": high, **optional_fields}


_TESTS_FROM_1: Mapping[str, Callable[[Content], Content]] = {
    "difference": _difference_from_1,
    "interaction": _renamed({"against": "against_tasks"}),
    "agreement": _renamed({"every": "each"}, unread=("labels", "beside")),
    "variance": _renamed({}, unread=("printed",)),
    "cost": _renamed({}),
    "sweep": _renamed({}, unread=("identical",)),
    "selection": _selection_from_1,
    "constant": _renamed({"constant": "value"}),
    "epoch": _renamed({}, unread=("quantity",)),
    "loss-between": _loss_from_1,
    "measured": _renamed({"epsilon": "radius"}),
}
