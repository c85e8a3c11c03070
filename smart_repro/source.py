"""Evaluate single definitions of a module from its source, without running the imports of the module.

Methods import torch at the top of their files, which takes seconds, but their options, equations and costs do not need
it. To keep listings fast, only the requested definition (a constant, a dataclass, a class reduced to a few members) and
the definitions it names are evaluated.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Collection, Iterator
from functools import cache
from pathlib import Path
from types import GenericAlias, UnionType
from typing import Any

_PACKAGE = __name__.partition(".")[0]
_ROOT = Path(__file__).resolve().parent


@cache
def text(module: str) -> str:
    """Return the source of a module of this package."""
    path = _path(module)
    return path.read_text(encoding="utf-8")


@cache
def tree(module: str) -> ast.Module:
    """Return the syntax tree of a module of this package."""
    return ast.parse(text(module))


def document(module: str) -> str:
    """Return a module's docstring, or ""."""
    return ast.get_docstring(tree(module)) or ""


def classes(module: str) -> Iterator[ast.ClassDef]:
    """Yield the classes that a module defines at its top level, in order."""
    return (node for node in tree(module).body if isinstance(node, ast.ClassDef))


def value(module: str, name: str) -> Any:
    """Return the value that a module binds to ``name`` at its top level.

    Raises:
        AttributeError: the module does not define the name.
    """
    namespace = _namespace(module)
    if name not in namespace:
        _define(module, name, frozenset({name}))
    return namespace[name]


def keys(module: str, name: str) -> tuple[str, ...]:
    """Return the keys of a dictionary display, without evaluating its values (which may need torch).

    Raises:
        TypeError: the name is not bound to a dictionary display.
    """
    statement = _statements(module)[name]
    display = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if not isinstance(display, ast.Dict):
        raise TypeError(f"{module}.{name} is no dictionary display")
    return tuple(ast.literal_eval(key) for key in display.keys if key is not None)


@cache
def reduced(module: str, name: str, members: tuple[str, ...]) -> type:
    """Return a class with only these members of its body, and with its bases reduced in the same way.

    A base that no module of this package defines is replaced by ``object``.

    Raises:
        TypeError: the name is not bound to a class.
    """
    statement = _statements(module)[name]
    if isinstance(statement, ast.ImportFrom):
        return reduced(str(statement.module), _original(statement, name), members)
    if not isinstance(statement, ast.ClassDef):
        raise TypeError(f"{module}.{name} is no class")
    definitions = [node for node in statement.body if _bound(node) & set(members)]
    bases = [reduced(module, base.id, members) for base in statement.bases if isinstance(base, ast.Name)]
    namespace = dict(_namespace(module))
    for dependency in _names(definitions) & _statements(module).keys():
        namespace[dependency] = value(module, dependency)
    namespace["_bases"] = tuple(bases)
    body: list[ast.stmt] = [*definitions] or [ast.Pass()]
    star = ast.Starred(ast.Name("_bases", ast.Load()), ast.Load())
    definition = ast.ClassDef(name, bases=[star], keywords=[], body=body, decorator_list=[])
    _execute([ast.copy_location(definition, statement)], module, namespace)
    created: type = namespace[name]
    created.__module__ = module
    created.__doc__ = ast.get_docstring(statement)
    return created


def class_text(module: str, name: str) -> str:
    """Return the lines of a class, with its comments and without its decorators."""
    statement = _statements(module)[name]
    return "\n".join(text(module).splitlines()[statement.lineno - 1 : statement.end_lineno]) + "\n"


def _path(module: str) -> Path:
    package, *parts = module.split(".")
    if package != _PACKAGE:
        raise ValueError(f"{module} is no module of {_PACKAGE}")
    path = _ROOT.joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _namespace(module: str) -> dict[str, Any]:
    # Under this module's own name: dataclasses look string annotations up in sys.modules.
    return {"__name__": __name__}


@cache
def _statements(module: str) -> dict[str, ast.stmt]:
    """Return name -> the statement that binds it, at the top level."""
    return {name: node for node in tree(module).body for name in _bound(node)}


def _bound(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    if isinstance(node, ast.ImportFrom | ast.Import):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _define(module: str, name: str, pending: Collection[str]) -> None:
    namespace, statements = _namespace(module), _statements(module)
    if name not in statements:
        raise AttributeError(f"{module} defines no {name!r}")
    statement = statements[name]
    if isinstance(statement, ast.ImportFrom | ast.Import):
        namespace[name] = _imported(statement, name)
        return
    for dependency in _names([statement]) & statements.keys():
        if dependency not in namespace and dependency not in pending:
            _define(module, dependency, {*pending, dependency})
    _execute([statement], module, namespace)
    if isinstance(namespace[name], type):
        namespace[name].__module__ = module


def _imported(statement: ast.ImportFrom | ast.Import, name: str) -> Any:
    if isinstance(statement, ast.Import):
        return importlib.import_module(name)
    module, original = str(statement.module), _original(statement, name)
    if module.partition(".")[0] == _PACKAGE and original in _statements(module):
        return value(module, original)
    imported = importlib.import_module(module)
    return getattr(imported, original) if hasattr(imported, original) else importlib.import_module(f"{module}.{name}")


def _original(statement: ast.ImportFrom, name: str) -> str:
    return next(alias.name for alias in statement.names if (alias.asname or alias.name) == name)


def _execute(body: list[Any], module: str, namespace: dict[str, Any]) -> None:
    future = ast.ImportFrom("__future__", [ast.alias("annotations")], 0)
    code = ast.fix_missing_locations(ast.Module([future, *body], []))
    exec(compile(code, str(_path(module)), "exec", dont_inherit=True), namespace)


def _names(nodes: Collection[ast.AST]) -> set[str]:
    """Return the names that code reads, without annotations (these stay strings)."""
    collected: set[str] = set()
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Name):
            collected.add(node.id)
        for field, child in ast.iter_fields(node):
            if field not in ("annotation", "returns"):
                children = child if isinstance(child, list) else [child]
                pending += [item for item in children if isinstance(item, ast.AST)]
    return collected


def annotation_text(annotation: object) -> str:
    """Return an annotation as it is written in the source, whether it was evaluated or not."""
    if isinstance(annotation, str | UnionType | GenericAlias):
        return str(annotation)
    return getattr(annotation, "__name__", str(annotation))
