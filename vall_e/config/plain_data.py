"""Whether plain data, such as JSON of unknown origin, fits a dataclass: in names and in types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from .nearest import hint


def misfits(tree: Mapping[str, Any], kind: type, prefix: str = "") -> Iterator[str]:
    """What of `tree` is unknown to the dataclass `kind`, missing, or of another type, each by its dotted name."""
    yield from (f"{stranger}: no such setting" for stranger in unknown(tree, kind, prefix))
    yield from (f"{prefix}{name} is missing" for name in required(kind) if name not in tree)
    yield from mistyped(tree, kind, prefix)


def unknown(tree: Mapping[str, Any], kind: type, prefix: str = "") -> Iterator[str]:
    """The keys that `kind` lacks, each with the nearest that it has."""
    names = [f.name for f in fields(kind)]
    yield from (f"{prefix}{key}{hint(key, names, prefix)}" for key in tree if key not in names)


def mistyped(tree: Mapping[str, Any], kind: type, prefix: str = "") -> Iterator[str]:
    """The values that are not of the type that `kind` declares; sections are not looked into."""
    for name, hinted in hints(kind).items():
        if name in tree and not is_of(tree[name], hinted):
            yield f"{prefix}{name}={tree[name]!r} is a {type(tree[name]).__name__}, allowed: {called(hinted)}"


def required(kind: type) -> list[str]:
    """The fields that have no default."""
    return [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]


def is_of(value: Any, hinted: Any) -> bool:
    """Whether a value of JSON is of a type; a whole number is a float, too, true is neither, a mapping a section."""
    origin, inner = get_origin(hinted), get_args(hinted)
    if hinted is Any:
        return True
    if origin in (Union, UnionType):
        return any(is_of(value, one) for one in inner)
    if origin is list:
        return isinstance(value, list) and all(is_of(item, inner[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(is_of(item, inner[1]) for item in value.values())
    if hinted in (int, float):
        return isinstance(value, (int, hinted)) and not isinstance(value, bool)
    return isinstance(value, dict) if is_dataclass(hinted) else isinstance(value, hinted)


def called(hinted: Any) -> str:
    """A type as it is written, for example `list[int]`, or `str | None`."""
    return "dict" if is_dataclass(hinted) else getattr(hinted, "__name__", "") * (not get_args(hinted)) or str(hinted)


@cache
def hints(kind: type) -> dict[str, Any]:
    """The types of the fields of a dataclass."""
    return {name: hinted for name, hinted in get_type_hints(kind).items() if name in {f.name for f in fields(kind)}}
