"""Goes through an old configuration, at every level, and says what becomes of each setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from .names import MOVED, dropped
from .outcome import Dropped, Item, Keys, Old, Opened, Outcome, Placed, Refused
from .place import nearest_name, place_of
from .translated import TRANSLATED

Found = tuple[Item, Outcome]
"""A setting under its old name, and what becomes of it."""


def walk(old: Old) -> Iterator[Found]:
    """What becomes of every setting of the old configuration."""
    yield from _inner(Item("", (), old.tree), old)


def become(item: Item, now: Item, old: Old) -> Iterator[Found]:
    """What becomes of `item`, which lies at `now` by the moves known so far."""
    name, place = _rule_name(now.keys), place_of(now.keys)
    if name in LISTS:
        yield from LISTS[name](now, old)
    elif reason := dropped(name):
        yield item, Dropped(reason)
    elif name in MOVED:
        yield from become(item, replace(now, keys=tuple(MOVED[name].split("."))), old)
    elif name in TRANSLATED:
        yield from ((item, outcome) for outcome in TRANSLATED[name](now, old))
    elif place is None:
        yield item, Refused(f"no such setting (nearest: {nearest_name(now.keys)})")
    elif (place.is_section or place.is_mapping) and isinstance(now.value, Mapping):
        yield from _inner(now, old)
    elif not (place.is_section and now.value is None):
        yield item, Placed(now.keys, now.value)


def _inner(section: Item, old: Old) -> Iterator[Found]:
    for key, value in section.value.items():
        item = Item(f"{section.name}.{key}" if section.name else str(key), (*section.keys, str(key)), value)
        if isinstance(key, str):
            yield from become(item, item, old)
        else:
            yield item, Refused("a name must be text: put it in quotes")


def _rule_name(keys: Keys) -> str:
    """The name under which tables know a setting; a key that holds a dot is in none of them."""
    names = [key.replace(".", "/") for key in keys]
    return ".".join(["loras", "*", *names[2:]] if names[0] == "loras" and names[2:] else names)


def _section(section: Item, old: Old) -> Iterator[Found]:
    yield section, Opened(section.keys)
    yield from _inner(section, old)


def _models(models: Item, old: Old) -> Iterator[Found]:
    """The first model in training, else the first that is no teacher, is `model`; a teacher is its weights file."""
    if models.name == "model" and old.tree.get("models"):
        yield models, Dropped("models, which is given, too, decides")
        return
    entries = list(_entries(models))
    students = [entry for entry in entries if isinstance(entry.value, Mapping) and not entry.value.get("teacher")]
    chosen = next((entry for entry in students if entry.value.get("training") is True), next(iter(students), None))
    for entry in entries:
        if not isinstance(entry.value, Mapping):
            yield entry, Refused("allowed: a mapping of settings")
        elif entry is chosen:
            yield from _section(replace(entry, keys=("model",)), old)
        elif entry in students:
            yield entry, Dropped(f"a run has one model, here {chosen.name if chosen else 'none'}")
        else:
            yield from _teacher(entry, old)


def _teacher(entry: Item, old: Old) -> Iterator[Found]:
    if not entry.value.get("path"):
        yield entry, Refused("a teacher is known by its weights file alone: start with teacher=WEIGHTS")
        return
    path = Item(f"{entry.name}.path", ("teacher",), entry.value["path"])
    yield from become(replace(path, keys=("model", "path")), path, old)
    yield entry, Dropped("but for path: the weights file of a teacher brings its settings")


def _loras(loras: Item, old: Old) -> Iterator[Found]:
    names: set[str] = set()
    for entry in _entries(loras):
        name = entry.value.get("name", "lora") if isinstance(entry.value, Mapping) else None
        if not isinstance(name, str) or not name:
            yield entry, Refused("allowed: a mapping of settings with a name")
        elif name in names:
            yield entry, Refused(f"two adapters have the name {name}: rename one")
        else:
            names.add(name)
            yield from _section(Item(entry.name, ("loras", name), {"name": name, **entry.value}), old)


def _entries(item: Item) -> Iterator[Item]:
    """The entries of a list, or the one value in its place."""
    if not isinstance(item.value, list):
        if item.value is not None:
            yield item
        return
    for number, value in enumerate(item.value):
        yield Item(f"{item.name}[{number}]", item.keys, value)


LISTS = {"models": _models, "model": _models, "loras": _loras}
