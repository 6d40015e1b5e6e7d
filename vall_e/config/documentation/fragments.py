"""The YAML fragments under `conf/`: what each is for, and what it sets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from ..conf_dir import conf_dir
from ..nearest import groups, options

PACKAGES = {"lora": "loras.NAME"}
"""Where the settings of a group's fragments land, if not in the section of the group's name."""


def first_comment(group: str, option: str) -> str:
    """What a fragment says of itself, as one line: the comment it begins with."""
    return " ".join(line for line in _head(group, option) if not line.startswith("@package"))


def place(group: str) -> str:
    """What is typed before the `=` to choose a fragment of a group."""
    return f"+{group}@{PACKAGES[group]}" if group in PACKAGES else group


def by_default(group: str) -> list[str]:
    """The options of a group that `config.yaml` chooses."""
    listed = OmegaConf.load(Path(conf_dir()) / "config.yaml").defaults
    chosen: Any = next((entry[group] for entry in listed if group in entry and not isinstance(entry, str)), [])
    return [chosen] if isinstance(chosen, str) else list(chosen)


def is_global(group: str) -> bool:
    """Whether the fragments of a group write to the root."""
    return any("@package _global_" in _head(group, option) for option in options(group))


def setters(key: str) -> Iterator[tuple[str, Any]]:
    """(`group=option`, value) of every fragment that sets the dotted `key`; interpolations stay as they are."""
    for group in groups():
        package = [] if is_global(group) else PACKAGES.get(group, group).split(".")
        above, below = key.split(".")[: len(package)], key.split(".")[len(package) :]
        for option in options(group) if above == package else []:
            value = _value(OmegaConf.to_container(OmegaConf.load(_file(group, option))), below)
            if value is not None:
                yield f"{group}={option}", value


def _value(tree: Any, names: list[str]) -> Any:
    for name in names:
        tree = tree.get(name) if isinstance(tree, dict) else None
    return tree


def _head(group: str, option: str) -> list[str]:
    """The lines of the comment that a fragment begins with, without their marks."""
    head = []
    for line in _file(group, option).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        head.append(line.lstrip("# ").rstrip())
    return head


def _file(group: str, option: str) -> Path:
    return Path(conf_dir()) / group / f"{option}.yaml"
