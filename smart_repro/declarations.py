"""Declarations of the methods (options, paper, equation, cost), available without importing torch.

A declaration is a class: the registered class if the methods are loaded, else a reduced class read from the method's
file.
"""

from __future__ import annotations

import ast
import importlib
import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any, ClassVar, Protocol, cast

from smart_repro import source
from smart_repro.registry import Registry, did_you_mean, plugins

_PACKAGE = "smart_repro.methods"
_MEMBERS = ("Config", "cost", "equation", "paper", "version")
LARGEST = 1_000_000  # largest integer option; no run could do more passes, steps or students
_KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a finite number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a word"),
    "None": ((type(None),), "none"),
}


class Declaration(Protocol):
    """The part of a method's class that can be read without an instance."""

    name: ClassVar[str]
    Config: ClassVar[type]
    version: ClassVar[int]
    paper: ClassVar[str]
    equation: ClassVar[str]
    __module__: str

    @classmethod
    def cost(cls, config: Any) -> float:
        """Return the cost of a step in forward passes; a plain step is 3."""


def methods() -> Mapping[str, type[Declaration]]:
    """Return name -> declaration of every method, in listing order.

    If torch is loaded, or plug-ins are installed, these are the registered classes.
    """
    if _PACKAGE in sys.modules or _has_plugins():
        return cast("Mapping[str, type[Declaration]]", importlib.import_module(_PACKAGE).METHODS)
    return from_source()


@cache
def _has_plugins() -> bool:
    return bool(plugins(_PACKAGE))  # cached: this reads the metadata of every installed package


@cache
def from_source() -> Mapping[str, type[Declaration]]:
    """Return the declarations of the built-in methods, read from their files."""
    declarations: Registry[type[Declaration]] = Registry("method", listing="smart-repro list methods")
    for statement in source.tree(_PACKAGE).body:
        if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith(f"{_PACKAGE}."):
            _declare(str(statement.module), declarations)
    return declarations


def _declare(module: str, declarations: Registry[type[Declaration]]) -> None:
    for definition in source.classes(module):
        for name in _registered_names(definition):
            declaration = cast("type[Declaration]", source.reduced(module, definition.name, _MEMBERS))
            declaration.name = name
            declarations.add(name, declaration)


def _registered_names(definition: ast.ClassDef) -> list[str]:
    return [
        ast.literal_eval(decorator.args[0])
        for decorator in definition.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "register"
    ]


def configure(method: type[Declaration], options: Mapping[str, Any]) -> Any:
    """Return the method's ``Config`` with these options; the word "none" is None for an option that takes no words.

    Raises:
        ValueError: the method has no such option, a value has a wrong type (or is NaN or infinite), or the
            configuration refuses it.
    """
    declared = {option.name: source.annotation_text(option.type) for option in fields(method.Config)}
    typed = {}
    for name, value in options.items():
        if name not in declared:
            hint = did_you_mean(name, declared) or f"; it has: {', '.join(declared) or 'none'}"
            raise ValueError(f"method {method.name!r} has no option {name!r}{hint}")
        kinds = [kind.strip() for kind in declared[name].split("|")]
        typed[name] = None if value == "none" and "None" in kinds and "str" not in kinds else value
        _check_kind(method.name, name, kinds, typed[name], declared)
    return method.Config(**typed)


def _check_kind(method: str, option: str, kinds: Sequence[str], value: Any, options: Collection[str]) -> None:
    """Refuse a value that has none of the annotated types; a word like the name of one of the options may mean it.

    Annotations other than numbers and words are left to Config.
    """
    if not all(kind in _KINDS for kind in kinds):
        return
    if not any(_is_kind(value, kind) for kind in kinds):
        expected = " or ".join(_KINDS[kind][1] for kind in kinds)
        raise ValueError(f"{option} of method {method!r} must be {expected}, got {value!r}{_hint(value, options)}")
    if isinstance(value, int) and abs(value) > LARGEST:
        raise ValueError(f"{option} of method {method!r} must lie within +-{LARGEST:,}, got {value}")


def _hint(value: Any, options: Collection[str]) -> str:
    """Return what to do about a word in place of a number: it may be meant to follow one of the options."""
    if not isinstance(value, str):
        return ""
    return f"; to follow {value}, give {value} a number too" if value in options else did_you_mean(value, options)


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "bool"
    if kind == "float" and isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, _KINDS[kind][0])
