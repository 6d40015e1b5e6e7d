"""Every setting of the reference system is here with its name, type and default, or its deviation is listed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
import yaml

from vall_e.config.deviations import DEVIATIONS
from vall_e.config.schema import Config

GOLDEN = Path(__file__).parents[1] / "golden" / "reference_settings.yaml"
REFERENCE: dict[str, tuple[str, Any]] = {
    name if section == "config" else f"{section}.{name}": (kind, default)
    for section, settings in yaml.safe_load(GOLDEN.read_text(encoding="utf-8")).items()
    for name, (kind, default) in settings.items()
}
"""{dotted name: (type, default)} of 182 settings."""


def declared(kind: type, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(dotted name, type, default) of every setting; those of a mapping's entries have `*` for the entry's name."""
    hints = get_type_hints(kind)
    for f in fields(kind):
        default = f.default if f.default is not MISSING else f.default_factory()
        yield at + f.name, hints[f.name], default
        inner = next((part for part in (hints[f.name], *get_args(hints[f.name])) if is_dataclass(part)), None)
        if inner is not None:
            yield from declared(inner, f"{at}{f.name}." + ("*." if get_origin(hints[f.name]) is dict else ""))


OURS = {name: (kind, default) for name, kind, default in declared(Config)}


def kinds(kind: Any) -> set[str]:
    """A declared type in the words of the golden table; an Enum is text, as it is typed by name."""
    if get_origin(kind) in (list, dict):
        item = get_args(kind)[0].__name__
        return {f"list[{item}]" if get_origin(kind) is list else "dict"}
    if get_args(kind):
        return set().union(*map(kinds, get_args(kind)))
    if is_dataclass(kind):
        return {"section"}
    if issubclass(kind, Enum):
        return {"str"}
    return {"None" if kind is type(None) else kind.__name__}


def same_type(reference: str, ours: Any) -> bool:
    wanted = set(reference.split(" | "))
    if ours is Any:  # OmegaConf has no type for `text or a list`; such a setting is judged by `problems`
        return len(wanted) > 1
    return wanted == kinds(ours) or (wanted == {"list"} and get_origin(ours) is list)


def same_default(reference: Any, ours: Any) -> bool:
    if is_dataclass(ours):
        return reference == {}
    return (ours.name if isinstance(ours, Enum) else ours) == reference


def deviates(name: str) -> bool:
    reference, default = REFERENCE[name]
    if name not in OURS:
        return True
    kind, ours = OURS[name]
    return not (same_type(reference, kind) and same_default(default, ours))


def test_the_golden_table_is_whole() -> None:
    assert len(REFERENCE) == 182


@pytest.mark.parametrize("name", REFERENCE)
def test_a_setting_of_the_reference_is_the_same_here_or_listed_as_a_deviation(name: str) -> None:
    if deviates(name):
        assert name in DEVIATIONS, f"{name}: {REFERENCE[name]} there, {OURS.get(name, 'missing')} here, no reason given"
    else:
        assert name not in DEVIATIONS, f"{name} is the same here: drop its entry"


@pytest.mark.parametrize("name", DEVIATIONS)
def test_a_listed_deviation_tells_the_reference_and_a_reason(name: str) -> None:
    assert name in REFERENCE, f"{name} is no setting of the reference"
    told = DEVIATIONS[name]
    assert told.reference == REFERENCE[name][1]
    assert len(told.reason.split()) >= 4 and told.reason.endswith(".")
