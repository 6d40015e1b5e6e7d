"""Finds the name a user probably meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args, get_type_hints

from vall_e.errors import ConfigError

from .schema import Config
from .search_path import folders

ADAPTER = "+lora@loras.NAME"
"""How the only group is chosen from that is no setting of the root."""


def nearest(word: str, names: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The one of `names` that is most like `word`, if it is alike by `cutoff` (0 to 1)."""
    by_lower = {name.lower(): name for name in names}
    near = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def hint(word: str, names: Iterable[str], prefix: str = "") -> str:
    """` (nearest: NAME)` with `prefix` before the name, or nothing when no name is like `word`."""
    near = nearest(word, names)
    return f" (nearest: {prefix}{near})" if near else ""


def one_of(setting: str, value: str, names: Iterable[str]) -> str:
    """`value` if it is one of `names`; ConfigError with the nearest of them otherwise."""
    allowed = list(names)
    if value not in allowed:
        raise ConfigError(f"{setting}={value} is not allowed, allowed: {', '.join(allowed)}{hint(value, allowed)}")
    return value


def unknown_setting(key: str, value: str | None, parent: type) -> str:
    """Why the dotted `key` is refused: the dataclass `parent` lacks it. Tells what exists there and the nearest."""
    above, dot, name = key.rpartition(".")
    siblings = [f.name for f in fields(parent)]
    if parent is Config:
        siblings += [group for group in groups() if group not in siblings]
    elsewhere = {} if key.startswith("hydra.") else _by_last_name(Config if parent in _kinds(Config) else parent)
    near = ADAPTER if key == "lora" else nearest(name, siblings)
    if near is None and (other := nearest(name, elsewhere)):
        full = elsewhere[other]
    else:
        full = above + dot + (near or nearest(name, siblings, cutoff=0.0) or "")
    given = key if value is None else f"{key}={value}"
    return f"{given}: no such setting, allowed: {', '.join(sorted(siblings))} (nearest: {full})"


def _by_last_name(kind: Any) -> dict[str, str]:
    return {key.rpartition(".")[2]: key for key in reversed(list(settings(kind)))}


def groups() -> list[str]:
    """Names of the groups a user chooses from, for example `model`."""
    found = {f.name for folder in folders() if folder.is_dir() for f in folder.iterdir() if any(f.glob("*.yaml"))}
    return sorted(found - {"hydra"})


def options(group: str) -> list[str]:
    """Names of a group's fragments wherever they lie, such as `ar+nar-llama-8`, or `sweep/optuna` in a subfolder."""
    places = [folder / group for folder in folders()]
    return sorted({f.relative_to(at).with_suffix("").as_posix() for at in places for f in at.rglob("*.yaml")})


def settings(kind: Any, at: str = "") -> Iterator[str]:
    """Dotted names of all settings of a dataclass and of the dataclasses in it."""
    hints = _hints(kind)
    for f in fields(kind):
        here = f"{at}.{f.name}" if at else f.name
        yield here
        for inner in (hints[f.name], *get_args(hints[f.name])):
            if is_dataclass(inner):
                yield from settings(inner, here)


def _kinds(kind: Any) -> set[Any]:
    """A dataclass and all dataclasses in it."""
    inner = {part for hint in _hints(kind).values() for part in (hint, *get_args(hint)) if is_dataclass(part)}
    return {kind}.union(*map(_kinds, inner))


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
