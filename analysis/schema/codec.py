"""Convert frozen dataclasses to JSON and back, checked against their type annotations.

Reading refuses unknown keys, missing keys and values of a wrong type. The error names the position in the file, for
example ``claims[3].test.buckets``.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


class SchemaError(ValueError):
    """Content that does not fit its schema; the message names the position, the value and the expected type."""


def to_json(value: Any) -> Any:
    """Return a dataclass as JSON content; a union member carries its ``kind``."""
    if is_dataclass(value):
        content = {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        kind = getattr(type(value), "kind", None)
        return {"kind": kind, **content} if isinstance(kind, str) else content
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(cls: type[T], content: Any, place: str = "") -> T:
    """Build a dataclass from JSON content.

    Args:
        cls: the dataclass to build.
        content: the parsed JSON value.
        place: position of the content in the file, for the error message; "" for the name of the class.

    Raises:
        SchemaError: an unknown or missing key, or a value of a wrong type.
    """
    place = place or cls.__name__
    if not isinstance(content, Mapping):
        raise SchemaError(f"{place} is a {type(content).__name__}, expected an object")
    content = {key: value for key, value in content.items() if not (key == "kind" and hasattr(cls, "kind"))}
    fields_by_name = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    for key in content:
        if key not in fields_by_name:
            matches = get_close_matches(str(key), fields_by_name, 1)
            remedy = f"did you mean {matches[0]!r}?" if matches else f"it has {', '.join(fields_by_name) or 'no keys'}"
            raise SchemaError(f"{place} has the unknown key {key!r}: {remedy}")
    missing = [
        n
        for n, f in fields_by_name.items()
        if n not in content and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise SchemaError(f"{place} lacks {', '.join(missing)}: it was not written by this suite, or was edited")
    hints = get_type_hints(cls)
    values = {key: _value(hints[key], value, f"{place}.{key}") for key, value in content.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise SchemaError(f"{place}: {error}") from error


def _value(hint: Any, value: Any, place: str) -> Any:
    """Convert a JSON value to the annotated type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _member(arguments, value, place)
    if isinstance(hint, type) and is_dataclass(hint):
        return from_json(hint, value, place)
    if origin is tuple:
        return _items(arguments, value, place)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise _mismatch(hint, value, place)
        return {str(key): _value(arguments[1], item, f"{place}[{key!r}]") for key, item in value.items()}
    return _scalar(hint, value, place)


def _member(members: tuple[Any, ...], value: Any, place: str) -> Any:
    """Convert a JSON value to the member of a union that fits.

    Dataclasses are selected by their ``kind``, other types by the first one that accepts the value.
    """
    if value is None and type(None) in members:
        return None
    kinds = {member.kind: member for member in members if isinstance(getattr(member, "kind", None), str)}
    if kinds:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if kind not in kinds:
            raise SchemaError(f"{place} is of the unknown kind {kind!r}; there are {', '.join(kinds)}")
        return from_json(kinds[kind], value, place)
    for member in members:
        try:
            return _value(member, value, place)
        except SchemaError:
            continue
    raise _mismatch(" or ".join(_name(member) for member in members), value, place)


def _items(arguments: tuple[Any, ...], value: Any, place: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _mismatch("list", value, place)
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item, f"{place}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise SchemaError(f"{place} has {len(value)} entries, expected {len(arguments)}")
    return tuple(
        _value(hint, item, f"{place}[{i}]") for i, (hint, item) in enumerate(zip(arguments, value, strict=True))
    )


def _scalar(hint: Any, value: Any, place: str) -> Any:
    """Check a text, number, truth value or null; an integer is accepted as a float."""
    accepted = (float, int) if hint is float else (type(None),) if hint is None else (hint,)
    if hint is Any or (isinstance(value, accepted) and not (isinstance(value, bool) and hint is not bool)):
        return value
    raise _mismatch(hint, value, place)


def _mismatch(expected: Any, value: Any, place: str) -> SchemaError:
    return SchemaError(f"{place} is {value!r}, expected {_name(expected)}")


def _name(hint: Any) -> str:
    return hint if isinstance(hint, str) else getattr(hint, "__name__", str(hint))
