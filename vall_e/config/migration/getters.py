"""Translates the lambdas that named speakers to path templates, by their shape; they are never run."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

from vall_e.config.deviations import DEVIATIONS
from vall_e.config.path_name import path_name_problem

from .outcome import Item, Old, Outcome, Placed, Refused, Translator

LONGEST = 500
SHAPES = "p.parts[-N], p.parent.name, p.stem, f'{...}' and + of these"


def getter_template(source: str) -> str | None:
    """The template, such as `{-3}_{-2}`, of a lambda over the path of an utterance; None for a shape not known."""
    try:
        tree = ast.parse(source.strip(), mode="eval") if len(source) <= LONGEST else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if tree is None or not isinstance(tree.body, ast.Lambda) or len(tree.body.args.args) != 1:
        return None
    template = _text(tree.body.body, tree.body.args.args[0].arg)
    return None if template is None or path_name_problem(template) else template


def _text(node: ast.expr, argument: str) -> str | None:
    match node:
        case ast.Constant(value=str(text)):
            return None if set("{}") & set(text) else text
        case ast.JoinedStr(values=parts):
            return _joined([_text(part, argument) for part in parts])
        case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
            return _text(value, argument)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _joined([_text(left, argument), _text(right, argument)])
        case ast.Subscript(value=ast.Attribute(value=ast.Name(id=name), attr="parts"), slice=place) if name == argument:
            return _place(place)
        case ast.Attribute(value=folder, attr="name" | "stem"):
            depth = _depth(folder, argument)
            return f"{{-{depth}}}" if depth else None
    return None


def _joined(parts: list[str | None]) -> str | None:
    known = [part for part in parts if part is not None]
    return "".join(known) if len(known) == len(parts) else None


def _place(node: ast.expr) -> str | None:
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int(place))):
            return f"{{-{place}}}"
    return None


def _depth(node: ast.expr, argument: str) -> int | None:
    """1 of `p`, 2 of `p.parent`, 3 of `p.parent.parent`."""
    match node:
        case ast.Name(id=name) if name == argument:
            return 1
        case ast.Attribute(value=inner, attr="parent"):
            depth = _depth(inner, argument)
            return depth + 1 if depth else None
    return None


def _getter(item: Item, old: Old) -> Iterator[Outcome]:
    template = _template(item.value)
    if template is None:
        yield Refused(f"its shape is not known and it is not run, allowed: {SHAPES}")
    else:
        default = DEVIATIONS["dataset.speaker_group_getter"].reference
        group = _template(old.get("dataset", "speaker_group_getter") or default)
        joined = item.keys[-1] == "speaker_name_getter" and (template, group) == ("{-3}_{-2}", "{-3}")
        yield Placed(item.keys, "{-3}/{-2}" if joined else template, "a path template; nothing is evaluated")


def _template(value: Any) -> str | None:
    return getter_template(value) if isinstance(value, str) else None


GETTERS: dict[str, Translator] = {
    "dataset.speaker_name_getter": _getter,
    "dataset.speaker_group_getter": _getter,
}
