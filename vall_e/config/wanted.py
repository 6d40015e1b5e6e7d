"""Declared types in the words of a user."""

from __future__ import annotations

from dataclasses import is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}


def wanted(kind: Any) -> str:
    """The values of a declared type in words, for example `a whole number or null`."""
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(wanted(part) for part in get_args(kind))
    if get_origin(kind) is list:
        return f"a list, [X, Y], of which each is {wanted(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return "a mapping, {name: value}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(member.name for member in kind)
    if is_dataclass(kind):
        return "a group of settings"
    return WORDS.get(kind, "any value")
