"""Turns a configuration of the reference system into settings of this one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vall_e.config.seal import unavailable
from vall_e.errors import ConfigError

from .contradictions import settle
from .defaults import take_defaults, written_out
from .files import deepspeed_file
from .idle import drop_idle
from .outcome import Dropped, Item, Old, Opened, Outcome, Placed, Refused, dotted, shown
from .place import fitted
from .result import Migration
from .walk import Found, walk


def migrate(tree: Mapping[Any, Any], folder: Path) -> Migration:
    """The settings that mean what `tree`, a YAML file in `folder`, meant to the reference system.

    Whatever cannot be placed is said in the report; no content of `tree` is an error.
    """
    old, done = Old(tree, folder), Migration()
    for item, outcome in sorted(walk(old), key=_is_moved):
        _take(item, outcome, done)
    _take_deepspeed_file(old, done)
    take_defaults(old, done)
    drop_idle(done)
    settle(done)
    done.report.written += written_out(done.values, done.given)
    done.report.unavailable += unavailable(done.config)
    return done


def _is_moved(found: Found) -> bool:
    """Settings under their own names go first: they decide over older names."""
    item, outcome = found
    return isinstance(outcome, Placed) and outcome.keys != item.keys


def _take(item: Item, outcome: Outcome, done: Migration) -> None:
    report = done.report
    match outcome:
        case Dropped(reason):
            report.dropped.append(f"{item.name}: {reason}")
        case Refused(reason):
            report.unplaced.append(f"{item.name}={shown(item.value)}: {reason}")
        case Opened(keys):
            report.renamed.append(f"{item.name} -> {dotted(keys)}")
        case Placed(keys) if keys in done.values:
            report.dropped.append(f"{item.name}: {dotted(keys)}, which is given, too, decides")
        case Placed():
            _put(item, outcome, done)
    done.given.setdefault(outcome.keys if isinstance(outcome, Placed) else item.keys, item.name)


def _put(item: Item, placed: Placed, done: Migration) -> None:
    name = dotted(placed.keys)
    try:
        value = fitted(placed.keys, placed.value)
    except ConfigError as error:
        done.report.unplaced.append(f"{item.name}={error}")
        return
    done.values[placed.keys] = value
    if placed.note or (isinstance(value, str) and value != item.value):
        note = f" ({placed.note})" if placed.note else ""
        done.report.translated.append(f"{item.name}={shown(item.value)} -> {name}={shown(value)}{note}")
    elif placed.keys != item.keys:
        done.report.renamed.append(f"{item.name} -> {name}")


def _take_deepspeed_file(old: Old, done: Migration) -> None:
    if file := deepspeed_file(old.folder):
        keys = ("trainer", "deepspeed", "config_path")
        done.values[keys] = done.given[keys] = file.as_posix()
        done.report.translated.append(f"{file.as_posix()} -> {dotted(keys)}")
