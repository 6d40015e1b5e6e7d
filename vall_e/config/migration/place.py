"""Finds the place of a setting in the schema, and checks a value against it alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vall_e.config.nearest import nearest, settings
from vall_e.config.schema import Config
from vall_e.config.setting import Rule
from vall_e.config.wanted import wanted
from vall_e.errors import ConfigError

from .outcome import Keys, dotted, shown


@dataclass(frozen=True)
class Place:
    """A field of a dataclass of the schema, or an entry of a field that is a mapping."""

    parent: type
    name: str
    kind: Any
    rule: Rule
    entry: Keys

    @property
    def default(self) -> Any:
        """The default of the field, an Enum by its name."""
        default = self.rule.default
        return default.name if isinstance(default, Enum) else default

    @property
    def is_section(self) -> bool:
        """Whether it holds settings of its own."""
        return is_dataclass(self.kind)

    @property
    def is_mapping(self) -> bool:
        """Whether it holds entries of any name."""
        return not self.entry and values_of(self.kind) is not None


def values_of(kind: Any) -> Any:
    """The type of a mapping's values; None of what is no mapping."""
    for option in (kind, *get_args(kind)):
        if get_origin(option) is dict:
            return get_args(option)[1]
    return None


def place_of(keys: Keys, parent: Any = Config) -> Place | None:
    """The place that `keys` lead to from a dataclass; None if there is none."""
    name, *below = keys
    field = next((f for f in fields(parent) if f.name == name), None)
    if field is None:
        return None
    kind = get_type_hints(parent)[name]
    values = values_of(kind)
    if len(below) > 1 and is_dataclass(values):
        return place_of(tuple(below[1:]), values)
    if below and is_dataclass(kind):
        return place_of(tuple(below), kind)
    return None if below and values is None else Place(parent, name, kind, field.metadata["rule"], tuple(below))


def fitted(keys: Keys, value: Any) -> Any:
    """The value as the schema holds it at `keys`, in plain types; ConfigError, `VALUE is ...`, if it is not allowed."""
    place = place_of(keys)
    if place is None:
        raise ConfigError(f"{shown(value)} is not allowed: there is no {dotted(keys)}")
    if any(text == "???" or "${" in text for text in _texts(value)):
        raise ConfigError(f"{shown(value)} is not allowed: ${{...}} and ??? have a meaning of their own here")
    held = _held(place, value)
    if problem := place.rule.problem(held):
        raise ConfigError(problem)
    return _spelt(held, place.rule)


def _held(place: Place, value: Any) -> Any:
    """What a value is after it was merged alone into the schema."""
    keys = (place.name, *place.entry)
    try:
        merged = OmegaConf.merge(_schema(place.parent), nested({keys: value}))
        held: Any = OmegaConf.to_container(merged, enum_to_str=True)
    except (OmegaConfBaseException, ValueError, TypeError, OverflowError) as error:
        span = f", {place.rule.span()}" if place.rule.span() else ""
        kind = values_of(place.kind) if place.entry else place.kind
        raise ConfigError(f"{shown(value)} is not allowed, allowed: {wanted(kind)}{span}") from error
    for key in keys:
        held = held[key]
    return held


@cache
def _schema(kind: type) -> Any:
    return OmegaConf.structured(kind)


def nested(values: Mapping[Keys, Any]) -> dict[str, Any]:
    """A tree of mappings with each value where its keys lead."""
    tree: dict[str, Any] = {}
    for keys, value in values.items():
        node = tree
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = value
    return tree


def nearest_name(keys: Keys) -> str:
    """The dotted name of the setting that is most like `keys`: one beside it, else one of another section."""
    section = place_of(keys[:-1]) if keys[:-1] else None
    parent = Config if section is None else section.kind
    siblings = [f.name for f in fields(parent)] if is_dataclass(parent) else []
    elsewhere = {name.rpartition(".")[2]: name for name in reversed(list(settings(Config)))}
    above = keys[:-1] if section is not None else ()
    if near := nearest(keys[-1], siblings):
        return dotted((*above, near))
    if near := nearest(keys[-1], elsewhere):
        return elsewhere[near]
    return dotted((*above, nearest(keys[-1], siblings, cutoff=0.0) or ""))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from (*_texts(key), *_texts(inner))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def _spelt(value: Any, rule: Rule) -> Any:
    """Names as this version spells them, which are read in any case."""
    if isinstance(value, list):
        return [_spelt(item, rule) for item in value]
    spellings = {name.lower(): name for name in rule.allowed}
    return spellings.get(value.lower(), value) if isinstance(value, str) else value
