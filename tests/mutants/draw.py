"""Mutants of a module: its source with a single operator, number, word or name changed."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

COMPARISONS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "is not": "is", "is": "is not"}
COMPARISONS |= {"not in": "in", "in": "not in"}
OPERATORS = {"+": "-", "-": "+", "*": "/", "/": "*", "//": "*", "**": "*", "%": "*", "@": "*"}
WORDS = {"and": "or", "or": "and"}
NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "sum": "mean", "mean": "sum", "add_": "sub_"}
NAMES |= {"sub_": "add_", "mul_": "div_", "div_": "mul_", "minimum": "maximum", "maximum": "minimum", "amax": "amin"}


@dataclass(frozen=True)
class Mutant:
    """A module's source with one token changed.

    Attributes:
        module: path below the project's root.
        line: number of the changed line, from 1.
        start, end: offsets of the replaced text in the source.
        before, after: the replaced text, and what stands in its place.
    """

    module: str
    line: int
    start: int
    end: int
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}: {self.before} -> {self.after}"

    def apply(self, source: str) -> str:
        """Return the mutated source."""
        assert source[self.start : self.end] == self.before
        return source[: self.start] + self.after + source[self.end :]

    def is_in_function(self, root: Path) -> bool:
        """Return whether the changed line is in the body of a function, so that only a call runs it."""
        tree = ast.parse((root / self.module).read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        return any(each.body[0].lineno <= self.line <= (each.end_lineno or 0) for each in functions)


@cache
def mutants(root: Path, module: str) -> tuple[Mutant, ...]:
    """Return all mutants of a module that compile, in the order of its text."""
    source = (root / module).read_text(encoding="utf-8")
    made = set()
    for start, end, after in _changes(source):
        mutant = Mutant(module, source.count("\n", 0, start) + 1, start, end, source[start:end], after)
        try:
            compile(mutant.apply(source), module, "exec")
        except SyntaxError:
            continue
        made.add(mutant)
    return tuple(sorted(made, key=lambda mutant: (mutant.start, mutant.after)))


def sample(root: Path, modules: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Draw mutants by seed, stratified by module: from each in proportion to its mutants, and at least one."""
    rng = random.Random(seed)
    by_module = {module: mutants(root, module) for module in modules}
    total = sum(map(len, by_module.values()))
    shares = {module: max(1, round(count * len(made) / total)) for module, made in by_module.items() if made}
    return [mutant for module, n in shares.items() for mutant in rng.sample(by_module[module], n)]


def _changes(source: str) -> Iterator[tuple[int, int, str]]:
    """Yield offsets of the replaced text, and what stands in its place."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))

    def offset(line: int | None, column: int | None) -> int:
        """Return the offset of a position of ast, whose columns count bytes."""
        assert line is not None
        text = source[starts[line - 1] : starts[line]]
        return starts[line - 1] + len(text.encode()[:column].decode())

    def between(left: ast.expr, right: ast.expr, table: Mapping[str, str]) -> Iterator[tuple[int, int, str]]:
        """Replace the operator between two operands."""
        low, high = offset(left.end_lineno, left.end_col_offset), offset(right.lineno, right.col_offset)
        tokens = "|".join(re.escape(token) for token in sorted(table, key=len, reverse=True))
        if match := re.search(tokens, source[low:high]):
            yield low + match.start(), low + match.end(), table[match.group()]

    for node in _code(ast.parse(source)):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            yield from between(node.left, node.comparators[0], COMPARISONS)
        elif isinstance(node, ast.BinOp):
            yield from between(node.left, node.right, OPERATORS)
        elif isinstance(node, ast.BoolOp):
            yield from between(node.values[0], node.values[1], WORDS)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            yield offset(node.lineno, node.col_offset), offset(node.operand.lineno, node.operand.col_offset), ""
        elif isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
            start, end = offset(node.lineno, node.col_offset), offset(node.end_lineno, node.end_col_offset)
            yield start, end, _other(node.value)
        elif isinstance(node, ast.Attribute | ast.Name):
            name, end = (
                node.attr if isinstance(node, ast.Attribute) else node.id,
                offset(node.end_lineno, node.end_col_offset),
            )
            if name in NAMES:
                yield end - len(name), end, NAMES[name]


def _other(value: bool | float) -> str:
    """Return another value of the same type as source text."""
    if isinstance(value, bool):
        return str(not value)
    return str(value + 1) if isinstance(value, int) else repr(2 * value if value else 1.0)


def _code(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that compute something: no annotations, messages of errors, type checks or tables of names."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, ast.Raise | ast.JoinedStr | ast.Import):
                continue
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            yield child
            yield from _code(child)
