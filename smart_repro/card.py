"""Method cards: what a reader of the papers needs to know about a method, collected from its own file.

Title, text and deviations come from the docstring of the method's module; the options are the fields of its config with
the comments next to them.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import textwrap
import tokenize
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from smart_repro import source
from smart_repro.declarations import Declaration, methods

_PLAIN = 3.0  # forward units of a plain step
_LISTS = ("Deviations", "Readings")


@dataclass(frozen=True)
class Option:
    """A setting of a method.

    Attributes:
        name: name of the field.
        kind: its type annotation.
        default: its default value.
        meaning: the comment next to its declaration: the meaning and the paper's value.
    """

    name: str
    kind: str
    default: Any
    meaning: str


@dataclass(frozen=True)
class Card:
    """The content of ``smart-repro show`` for a method.

    Attributes:
        name: registered name.
        title: first sentence of the method's file.
        text: the paragraphs after the title, without the lists below.
        paper: the source, with the equation's number.
        equation: the objective, in the options' names.
        options: settings, in order of declaration.
        cost: cost of a step with default options, in forward passes of the model; a plain step is 3.
        deviations: deviations from the paper, and interpretations where the paper is ambiguous.
        version: version of the method; part of the run key.
    """

    name: str
    title: str
    text: str
    paper: str
    equation: str
    options: tuple[Option, ...]
    cost: float
    deviations: tuple[str, ...]
    version: int


def card(name: str) -> Card:
    """Return the card of a method.

    Raises:
        UnknownNameError: there is no such method; the message suggests a name.
    """
    method = methods()[name]
    title, text, deviations = _title_text_deviations(method)
    deviations += tuple(
        f"{name_of_other}: {item}"
        for name_of_other in _methods_named_by(method)
        for item in card(name_of_other).deviations
    )
    comments = option_comments(method.Config)
    options = tuple(
        Option(option.name, source.annotation_text(option.type), _default(option), comments.get(option.name, ""))
        for option in fields(method.Config)
    )
    cost = method.cost(method.Config())
    return Card(name, title, text, method.paper, method.equation, options, cost, deviations, method.version)


def render(card: Card) -> str:
    """Return the card as Markdown."""
    times = card.cost / _PLAIN
    lines = [
        f"# {card.name}",
        "",
        card.title,
        "",
        f"- Paper: {card.paper}",
        f"- Objective: `{card.equation}`",
        f"- Cost: {card.cost:g} forward passes a step by default, {times:.2f} times a plain step",
    ]
    if card.text:
        lines += ["", card.text]
    if card.deviations:
        lines += ["", "Readings and deviations:", "", *(f"- {deviation}" for deviation in card.deviations)]
    lines += ["", "Options:" if card.options else "Options: none"]
    if card.options:
        lines += ["", "| option | default | meaning |", "|---|---|---|"]
        lines += [_row(option) for option in card.options]
    return _markdown("\n".join(lines) + "\n")


def _row(option: Option) -> str:
    default = option.default if option.default != "" else '""'
    meaning = option.meaning.replace("|", "\\|")
    return f"| `{option.name}` | `{default}` | {meaning} |"


def option_comments(config: type) -> dict[str, str]:
    """Return the comment next to each field of a dataclass, inherited fields included.

    A comment may continue on lines of its own below the field.
    """
    comments: dict[str, str] = {}
    for base in reversed(config.__mro__):
        if "__dataclass_fields__" in vars(base):
            comments.update(_comments_in(base))
    return comments


def _comments_in(config: type) -> dict[str, str]:
    try:
        text = textwrap.dedent(_class_text(config))
    except (OSError, TypeError):  # defined interactively: there is no file to read
        return {}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    comments = {token.start[0]: token for token in tokens if token.type == tokenize.COMMENT}
    (definition,) = ast.parse(text).body
    assert isinstance(definition, ast.ClassDef)
    return {
        node.target.id: _comment_at(comments, node.end_lineno or node.lineno)
        for node in definition.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _class_text(config: type) -> str:
    if config.__module__ in sys.modules:
        return inspect.getsource(config)
    return source.class_text(config.__module__, config.__name__)


def _module_text(method: type[Declaration]) -> str:
    """Return the docstring of the module that defines a method, or ""."""
    module = sys.modules.get(method.__module__)
    return source.document(method.__module__) if module is None else inspect.getdoc(module) or ""


def _comment_at(comments: dict[int, tokenize.TokenInfo], line: int) -> str:
    """Return the comment at the end of ``line``, with the lines below it that hold only a comment."""
    words: list[str] = []
    while line in comments and (not words or not comments[line].line[: comments[line].start[1]].strip()):
        words.append(comments[line].string.lstrip("# ").strip())
        line += 1
    return " ".join(words)


def _title_text_deviations(method: type[Declaration]) -> tuple[str, str, tuple[str, ...]]:
    """Return title, text and listed deviations from the docstring of the method's module, or of the method itself."""
    document = _module_text(method) or inspect.getdoc(method) or method.name
    title, *paragraphs = [paragraph.strip() for paragraph in document.split("\n\n")]
    text: list[str] = []
    deviations: list[str] = []
    listing = False
    for paragraph in paragraphs:
        if paragraph.startswith("- ") and listing:
            deviations += [" ".join(item.split()) for item in paragraph.removeprefix("- ").split("\n- ")]
            continue
        listing = paragraph.startswith(_LISTS)
        if not listing:
            text.append(" ".join(paragraph.split()))
    return " ".join(title.split()), "\n\n".join(text), tuple(deviations)


def _methods_named_by(method: type[Declaration]) -> list[str]:
    """Return the methods whose modules this method's docstring names; their deviations apply to it as well."""
    modules = re.findall(r":mod:`([\w.]+)`", _module_text(method))
    return [
        name for name, candidate in methods().items() if candidate.__module__ in modules and candidate is not method
    ]


def _markdown(text: str) -> str:
    """Convert docstring markup to Markdown."""
    text = re.sub(r":\w+:`(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`")


def _default(option: Field[Any]) -> Any:
    return option.default if option.default is not MISSING else None


__all__ = ["Card", "Option", "card", "option_comments", "render"]
