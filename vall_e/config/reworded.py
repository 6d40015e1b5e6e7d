"""What Hydra and OmegaConf say in several lines, or of their own classes, in one sentence of ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

from .nearest import ADAPTER, groups, hint
from .schema import Config

Rewording = Callable[[re.Match[str]], str]


def reworded(text: str) -> str | None:
    """The sentence for an error's text, or None if it is not among those below."""
    return next((reword(found) for pattern, reword in REWORDINGS if (found := re.search(pattern, text))), None)


def _no_group(found: re.Match[str]) -> str:
    key = found[1] or found[2]
    group = key.partition("@")[0]
    if group == "lora":
        return f"{key}: an adapter is added by name, {ADAPTER}=OPTION"
    if group in groups():
        return f"{key}: nothing is chosen there, +{key}=OPTION adds something"
    return f"{key}: no such group to choose from{hint(group, groups())}"


def _no_mapping(found: re.Match[str]) -> str:
    section = next((at for at, kind in _sections(Config) if kind.__name__ == found[1]), found[1])
    return f"{section or 'the root'}={found[2]} is not allowed, allowed: a group of settings"


def _sections(kind: type, at: str = "") -> Iterator[tuple[str, type]]:
    yield at, kind
    hints = get_type_hints(kind)
    for f in fields(kind):
        inner: Any = hints[f.name]
        if is_dataclass(inner) and isinstance(inner, type):
            yield from _sections(inner, f"{at}.{f.name}" if at else f.name)


REWORDINGS: tuple[tuple[str, Rewording], ...] = (
    (
        r"Ambiguous value for argument '([^=]*)=(.*)'",
        lambda found: (
            f"{found[1]}={found[2]} is several values: -m runs one job for each, {found[1]}=[{found[2]}] is one list"
        ),
    ),
    (r"An item is already at '(.*)'", lambda found: f"{found[1]}: it exists, and is set without a plus sign"),
    (
        r"Config group override must be a string or a list|argument of type '\w+' is not (?:a container or )?iterable",
        lambda found: "a group takes the name of one of its options, or of several in [] where it takes a list",
    ),
    (r"You must specify '(.*)', e\.g", lambda found: f"{found[1]}: one of its options must be chosen"),
    (r"Could not override '([^']+)'\.(?: No match|\nDid you mean)|No earlier Group Default for '([^']+)'", _no_group),
    (r"Merge error: \w+ is not a subclass of (\w+)\. value: (.*)", _no_mapping),
    (r"provider=.*, path=(.*) is not available", lambda found: f"hydra.searchpath={found[1]} is no folder of settings"),
    (  # the only section that may be null, into which Hydra cannot write then
        r"'NoneType' object has no attribute 'get'|Unexpected type for root: NoneType",
        lambda _: "optimizations.model_offloading is null: optimizations=offload turns it on, then it can be changed",
    ),
    (r"maximum recursion depth exceeded", lambda found: "a fragment contains itself"),
)
