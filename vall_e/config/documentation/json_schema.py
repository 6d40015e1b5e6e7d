"""JSON Schemas of the YAML fragments, with which editors complete and check them while one types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

from vall_e.atomic import replace_text

from ..nearest import groups
from ..setting import Rule
from .fragments import is_global
from .reference import ALONE, Entry, Section, sections

DRAFT = "https://json-schema.org/draft/2020-12/schema"
ROOT = "config.schema.json"
ROOTS = ("config", *ALONE)
"""Sections that a primary config of the same name holds, beside settings of Hydra."""

SIMPLE = {int: "integer", float: "number", bool: "boolean", str: "string", type(None): "null"}
BOUNDS = {"at_least": "minimum", "above": "exclusiveMinimum", "at_most": "maximum", "below": "exclusiveMaximum"}

LATER = {"$ref": "#/$defs/later"}
DIGITS = {"$ref": "#/$defs/digits"}
DEFS = {
    "later": {
        "$comment": "A value that is found or given later: ${...} or ???.",
        "type": "string",
        "pattern": r"^\?\?\?$|\$\{.+\}",
    },
    "digits": {
        "$comment": "A number with underscores, which YAML 1.2 takes for text.",
        "type": "string",
        "pattern": r"^[-+]?[0-9]{1,3}(_[0-9]{3})+$",
    },
}
DEFAULTS = {
    "description": "The fragments that this one is built upon, `_self_` where its own settings are laid over them.",
    "type": "array",
    "items": {"type": ["string", "object"]},
}
HYDRA = {"description": "Settings of Hydra.", "type": "object"}


def write_schemas(folder: Path) -> None:
    """Write `config.schema.json` and `<group>.schema.json` to `folder`, and print their paths."""
    for name, schema in schemas().items():
        replace_text(folder / name, json.dumps(schema, indent=2, ensure_ascii=False) + "\n")
        print(folder / name)


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema by file name."""
    of_roots = {f"{root}.schema.json": _schema(sections()[root]) for root in ROOTS}
    return of_roots | {f"{group}.schema.json": _of_group(group) for group in groups()}


def _of_group(group: str) -> dict[str, Any]:
    """The schema of a group's fragments; those that write to the root have the root's."""
    if is_global(group):
        return {"$schema": DRAFT, "title": f"vall_e: a fragment of {group}", "$ref": ROOT}
    return _schema(sections()[group])


def _schema(section: Section) -> dict[str, Any]:
    """The schema of a file that holds the settings of a section, with definitions of the sections within."""
    top = {"defaults": DEFAULTS} | ({"hydra": HYDRA} if section.name in ROOTS else {})
    whole = _object(section)
    return {
        "$schema": DRAFT,
        "title": f"vall_e: {section.name}",
        **whole,
        "properties": top | whole["properties"],
        "$defs": DEFS | {inner.kind.__name__: _object(inner) for inner in _within(section)},
    }


def _within(section: Section) -> Iterator[Section]:
    """The sections in a section, at any depth, those in its mappings among them."""
    for entry in section.entries:
        for kind in (entry.declared, *get_args(entry.declared)):
            if isinstance(kind, type) and is_dataclass(kind):
                inner = Section(entry.key, kind, f"{entry.key}.")
                yield inner
                yield from _within(inner)


def _object(section: Section) -> dict[str, Any]:
    """A mapping of the settings of a section and nothing else."""
    return {
        "description": section.about,
        "type": "object",
        "properties": {entry.name: _property(entry) for entry in section.entries},
        "additionalProperties": False,
    }


def _property(entry: Entry) -> dict[str, Any]:
    """The values of a setting, with its documentation and, unless it follows from another setting, its default."""
    values = _either(*(_of_type(kind, entry.names, entry.rule) for kind in entry.kinds))
    not_yet = f" Not yet: {'; '.join(entry.not_yet)}." if entry.not_yet else ""
    told = {"description": entry.rule.meaning + not_yet}
    if not entry.link and not entry.is_section:
        default = entry.rule.default
        told["default"] = default.name if isinstance(default, Enum) else default
    return values | told


def _of_type(kind: Any, names: tuple[str, ...], rule: Rule) -> dict[str, Any]:
    """The schema of a type; texts are of `names`, if there are any, and numbers within the bounds of `rule`."""
    inner = get_args(kind)
    if get_origin(kind) is list:
        return {"type": "array", "items": _either(_of_type(inner[0], names, rule))}
    if get_origin(kind) is dict:
        return {"type": "object", "additionalProperties": _either(_of_type(inner[1], names, rule))}
    if kind is Any:
        return {}
    if isinstance(kind, type) and is_dataclass(kind):
        return {"$ref": f"#/$defs/{kind.__name__}"}
    if kind not in SIMPLE or (kind is str and names):
        return {"enum": list(names)}
    bounds = {word: getattr(rule, name) for name, word in BOUNDS.items() if getattr(rule, name) is not None}
    return {"type": SIMPLE[kind]} | (bounds if kind in (int, float) else {})


def _either(*alternatives: dict[str, Any]) -> dict[str, Any]:
    """One of several schemas, or a value that is given later."""
    if {} in alternatives:
        return {}
    types = [alternative.get("type") for alternative in alternatives]
    digits = [DIGITS] if "integer" in types or "number" in types else []
    later = [] if "string" in types else [LATER]
    choices = [*alternatives, *digits, *later]
    return {"anyOf": choices} if len(choices) > 1 else choices[0]
