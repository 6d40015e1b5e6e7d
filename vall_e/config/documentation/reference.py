"""The reference of all settings, told from the dataclasses that check them: where each lies and what it takes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..codec_evaluation import CodecEvaluationConfig
from ..codec_training import CodecTrainingConfig
from ..export import ExportConfig
from ..lora import LoraConfig
from ..plot import PlotConfig
from ..register import LINKS
from ..schema import Config
from ..setting import Rule, shown

WORDS = {int: "whole number", float: "number", bool: "true or false", str: "text", NoneType: "null", Any: "any value"}
ALONE = {
    "train_codec": CodecTrainingConfig,
    "evaluate_codec": CodecEvaluationConfig,
    "export": ExportConfig,
    "plot": PlotConfig,
}
"""Apps with a root of their own, whose settings are no settings of a run."""
LINKED = re.compile(r"\$\{([\w.]+)\}")


@dataclass(frozen=True)
class Section:
    """A dataclass of settings: the root, a group, or a section within one."""

    name: str
    kind: type
    prefix: str
    """What the dotted keys of its settings begin with."""

    @property
    def about(self) -> str:
        """What it is for, in one line."""
        return (self.kind.__doc__ or "").partition("\n")[0]

    @property
    def entries(self) -> list[Entry]:
        """Its settings, in the order of declaration; sections within it are among them."""
        return [Entry(self, name, rule, kind) for name, rule, kind in _declared(self.kind)]


@dataclass(frozen=True)
class Entry:
    """A setting: what a user may write, and in which words it is documented."""

    section: Section
    name: str
    rule: Rule
    declared: Any

    @property
    def key(self) -> str:
        """The dotted key, as it is typed before the `=`."""
        return self.section.prefix + self.name

    @cached_property
    def kinds(self) -> tuple[Any, ...]:
        """The types it takes, one of which a value has."""
        if taken := tuple(kind for kind in self.rule.takes if not isinstance(kind, str)):
            return (str, *taken)
        return get_args(self.declared) if get_origin(self.declared) in (Union, UnionType) else (self.declared,)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names it takes, or that the items of its list take; none if any text will do."""
        members = (member.name for kind in self.kinds if _is_enum(kind) for member in kind)
        taken = (name for name in self.rule.takes if isinstance(name, str))
        return (*self.rule.allowed, *members, *taken)

    @property
    def missing(self) -> dict[str, str]:
        """The missing component that each name, or number, needs."""
        spelt = {name.lower(): name for name in self.names}
        return {spelt.get(name, name): component for name, component in self.rule.options_need.items()}

    @property
    def link(self) -> str | None:
        """The interpolation that gives its default, if it follows from another setting."""
        return LINKS.get(self.section.name, {}).get(self.name)

    @property
    def is_section(self) -> bool:
        """Whether it holds settings of its own."""
        return is_dataclass(self.declared)

    @property
    def type(self) -> str:
        """Its types in words, for example `whole number or null`."""
        words = " or ".join(in_words(kind, bool(self.names)) for kind in self.kinds).split(" or ")
        return " or ".join(part for part in (", ".join(words[:-1]), words[-1]) if part)

    @property
    def default(self) -> str:
        """Its default as it is typed, or the setting that it follows."""
        return f"follows {', '.join(LINKED.findall(self.link))}" if self.link else typed(self.rule.default)

    @property
    def allowed(self) -> str:
        """Its names or the bounds of its numbers, for example `at least 1`; empty if the type says all."""
        return ", ".join(typed(name) for name in self.names) or self.rule.span()

    @property
    def not_yet(self) -> list[str]:
        """What this version lacks: `needs X` of every value but the default, `NAME, NAME need X` of some names."""
        clauses = []
        if self.rule.needs:
            clauses = [f"false needs {self.rule.needs}" if self.rule.default is True else f"needs {self.rule.needs}"]
        for component in dict.fromkeys(self.missing.values()):
            names = [name for name, needed in self.missing.items() if needed == component]
            clauses.append(f"{', '.join(names)} {'needs' if len(names) == 1 else 'need'} {component}")
        return clauses


@cache
def sections() -> dict[str, Section]:
    """Every section by name: `config` is the root, `model.experimental` lies in `model`, `lora` is each of `loras`."""
    roots = (
        Section("config", Config, ""),
        Section("lora", LoraConfig, "loras.NAME."),
        *(Section(app, root, "") for app, root in ALONE.items()),
    )
    return {section.name: section for root in roots for section in _with_inner(root)}


@cache
def entries() -> dict[str, Entry]:
    """The settings of a run by dotted key, without those of `ALONE`, whose keys are others' last names."""
    told = (section for section in sections().values() if section.name not in ALONE)
    return {entry.key: entry for section in told for entry in section.entries if not entry.is_section}


def typed(value: Any) -> str:
    """A value as it is typed on the command line."""
    if isinstance(value, list):
        return f"[{', '.join(map(typed, value))}]"
    return value.name if isinstance(value, Enum) else shown(value) if value != "" else "''"


def in_words(kind: Any, named: bool) -> str:
    """A type in words; with `named` its texts are names."""
    if get_origin(kind) is list:
        inner = in_words(get_args(kind)[0], named)
        return f"list of {inner.replace('list', 'lists', 1) if inner.startswith('list') else inner + 's'}"
    if get_origin(kind) is dict:
        return "mapping"
    if is_dataclass(kind):
        return "section"
    return "name" if _is_enum(kind) or (kind is str and named) else WORDS[kind]


def _with_inner(section: Section) -> Iterator[Section]:
    yield section
    for name, _, declared in _declared(section.kind):
        for kind in get_args(declared) if get_origin(declared) is UnionType else (declared,):
            if is_dataclass(kind) and isinstance(kind, type):
                key = section.prefix + name
                yield from _with_inner(Section(key, kind, f"{key}."))


def _declared(kind: Any) -> Iterator[tuple[str, Rule, Any]]:
    """(name, rule, type) of the settings of a dataclass."""
    types = get_type_hints(kind)
    return ((f.name, f.metadata["rule"], types[f.name]) for f in fields(kind))


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)
