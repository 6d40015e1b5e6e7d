"""How a setting is declared: default, meaning and range in one place, read by validation and documentation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from enum import Enum
from math import isfinite
from typing import Any

LARGEST = 2.0**63  # what a 64-bit integer holds


@dataclass(frozen=True)
class Rule:
    """What a setting means, which values it takes, and which of them this version has no code for."""

    meaning: str
    default: Any = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    allowed: tuple[str, ...] = ()
    needs: str = ""
    """The missing component that every value but the default needs."""
    options_need: Mapping[str, str] = field(default_factory=dict)
    """The missing component that a value needs, by lower-case name."""
    takes: tuple[Any, ...] = ()
    """The names and types that a setting declared as Any takes; `problems()` of its class judges the value."""

    def problem(self, value: Any) -> str | None:
        """Why `value` is refused, or None. Every item of a list or mapping is judged by itself; None passes."""
        if value is None:
            return None
        if isinstance(value, (list, tuple, dict)):
            items = value.values() if isinstance(value, dict) else value
            return next((p for p in map(self.problem, items) if p), None)
        if self.allowed and isinstance(value, str):
            return self._not_allowed(value)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if isinstance(value, float) and not isfinite(value):
                return f"{value} is not allowed, allowed: a finite number"
            if abs(value) >= LARGEST:
                return f"{value} is out of range, allowed: {self.span() or 'any number'}, and below {LARGEST:g}"
            if not self._within(value):
                return f"{value} is out of range, allowed: {self.span()}"
        return None

    def unavailable(self, value: Any) -> str | None:
        """Why a valid `value` cannot be used yet: the component that this version lacks, or None."""
        if self.needs and value != self.default:
            return f"{shown(value)} is not available: needs {self.needs}"
        for item in value if isinstance(value, (list, tuple)) else [value]:
            if component := self.options_need.get(str(item).lower()):
                others = self._available()
                return f"{item} is not available: needs {component}" + (f" (available: {others})" if others else "")
        return None

    def span(self) -> str:
        """The range in words, for example `at least 1`, or the allowed values."""
        if self.allowed:
            return ", ".join(repr(a) if a == "" else a for a in self.allowed)
        words = {"at least": self.at_least, "above": self.above, "at most": self.at_most, "below": self.below}
        return ", ".join(f"{word} {bound:g}" for word, bound in words.items() if bound is not None)

    def _available(self) -> str:
        kind = type(self.default)
        names = self.allowed or (tuple(member.name for member in kind) if issubclass(kind, Enum) else ())
        return ", ".join(repr(name) if name == "" else name for name in names if name.lower() not in self.options_need)

    def _within(self, value: float) -> bool:
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )

    def _not_allowed(self, value: str) -> str | None:
        if value.lower() in (a.lower() for a in self.allowed):
            return None
        near = get_close_matches(value.lower(), [a.lower() for a in self.allowed], n=1)
        return f"{value!r} is not allowed, allowed: {self.span()}" + (f" (nearest: {near[0]})" if near else "")


def setting(
    default: Any,
    meaning: str,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
    allowed: Sequence[str] = (),
    needs: str = "",
    options_need: Mapping[str, str] | None = None,
    takes: Sequence[Any] = (),
) -> Any:
    """A dataclass field with its meaning and range; a mutable default is copied for every instance.

    `needs` and `options_need` name components that this version lacks, `takes` tells what Any is: see `Rule`.
    """
    names, kinds, missing = tuple(allowed), tuple(takes), options_need or {}
    rule = Rule(meaning, default, at_least, above, at_most, below, names, needs, missing, kinds)
    if isinstance(default, (list, dict)):
        return field(default_factory=lambda: deepcopy(default), metadata={"rule": rule})
    if isinstance(default, type):
        return field(default_factory=default, metadata={"rule": rule})
    return field(default=default, metadata={"rule": rule})


def shown(value: Any) -> str:
    """A value as it is typed on the command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def rules(config: Any) -> Iterator[tuple[str, Rule, Any]]:
    """(name, rule, value) of every declared setting of a dataclass instance."""
    for f in fields(config):
        if rule := f.metadata.get("rule"):
            value = getattr(config, f.name)
            yield f.name, rule, value.name if isinstance(value, Enum) else value
