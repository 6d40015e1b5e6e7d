"""Defaults of the reference that are others here: they are written out, unless they cannot be used or are unsafe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vall_e.config.deviations import DEVIATIONS, Deviation

from .outcome import Dropped, Item, Keys, Old, Placed, Refused, dotted, shown
from .place import Place, fitted, place_of
from .result import Migration
from .walk import become

DEFAULTS = {
    **DEVIATIONS,
    "dataset.hdf5_name": Deviation("data.h5", "It lies beside the YAML file there."),
    "dataset.source": Deviation(None, "It has none, and the sample speech is not meant."),
    "model.experimental.audio_embedding_sums_mode": Deviation("legacy", "It knows no other sum."),
}
"""What the reference does where a file says nothing, and what would be done otherwise here."""


def take_defaults(old: Old, done: Migration) -> None:
    """Give every setting that the old file leaves out the meaning it had, or say why it has another."""
    for name, deviation in DEFAULTS.items():
        keys = tuple(name.split("."))
        place = place_of(keys)
        if place is None or place.is_section or place.is_mapping or keys in done.given:
            continue
        item = Item(name, keys, deviation.reference)
        if why := _take(place, item, deviation, old, done):
            done.report.kept.append(f"{name}={shown(place.default)}, there {shown(item.value)}: {why}")


def _take(place: Place, item: Item, deviation: Deviation, old: Old, done: Migration) -> str | None:
    """Why our default stands, or None."""
    if deviation.keep_ours:
        return deviation.reason.rstrip(".")
    for _, outcome in become(item, item, old):
        if isinstance(outcome, (Dropped, Refused)):
            return outcome.reason
        if isinstance(outcome, Placed):
            value = fitted(outcome.keys, outcome.value)
            if why := place.rule.unavailable(value):
                return why
            done.values[outcome.keys] = value
    return None


def written_out(values: dict[Keys, Any], given: dict[Keys, str]) -> Iterator[str]:
    """`NAME=VALUE` of the defaults among `values` that are others here."""
    for keys, value in values.items():
        if keys not in given and (place := place_of(keys)) and value != place.default:
            yield f"{dotted(keys)}={shown(value)}"
