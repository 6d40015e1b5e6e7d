"""Turns what Hydra composed into typed settings, or says everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf

from vall_e.errors import ConfigError

from .nearest import unknown_setting
from .setting import rules

C = TypeVar("C")


def seal(raw: DictConfig, kind: type[C]) -> C:
    """The composed tree as an instance of `kind`; ConfigError with every unknown, missing or refused setting."""
    if OmegaConf.get_type(raw) is not kind:
        raw = OmegaConf.merge(OmegaConf.structured(kind), raw)  # type: ignore[assignment]
    missing = list(_missing(raw))
    strangers = list(_strangers(raw))
    if missing:
        raise ConfigError("\n".join(strangers + missing))
    sealed: C = OmegaConf.to_object(raw)  # type: ignore[assignment]
    if found := strangers + list(problems(sealed)):
        raise ConfigError("\n".join(found))
    return sealed


def problems(config: Any, at: str = "") -> Iterator[str]:
    """Why settings are refused, each with its dotted key; visits dataclasses in fields and in dicts."""
    prefix = f"{at}." if at else ""
    if is_dataclass(config):
        yield from (
            f"{prefix}{name}={problem}" for name, rule, value in rules(config) if (problem := rule.problem(value))
        )
        yield from (prefix + problem for problem in getattr(config, "problems", tuple)())
        children = [(f.name, getattr(config, f.name)) for f in fields(config)]
    elif isinstance(config, dict):
        children = list(config.items())
    else:
        return
    for name, child in children:
        yield from problems(child, f"{prefix}{name}")


def _missing(node: Any, at: str = "") -> Iterator[str]:
    """Sentences on settings that are still `???`."""
    for key, here in _keys(node, at):
        if OmegaConf.is_missing(node, key):
            yield f"{here}: no value given"
        elif not OmegaConf.is_interpolation(node, key):
            yield from _missing(node[key], here)


def _strangers(node: Any, at: str = "") -> Iterator[str]:
    """Sentences on keys that a `+key=value` laid beside the declared ones."""
    kind = OmegaConf.get_type(node) if OmegaConf.is_config(node) else None
    known = {f.name for f in fields(kind)} if isinstance(kind, type) and is_dataclass(kind) else None
    for key, here in _keys(node, at):
        if isinstance(kind, type) and known is not None and key not in known:
            yield unknown_setting(here, str(OmegaConf.to_container(node).get(key)), kind)  # type: ignore[union-attr]
        elif not OmegaConf.is_missing(node, key) and not OmegaConf.is_interpolation(node, key):
            yield from _strangers(node[key], here)


def _keys(node: Any, at: str) -> Iterator[tuple[Any, str]]:
    if isinstance(node, (DictConfig, ListConfig)):
        for key in list(node) if isinstance(node, DictConfig) else range(len(node)):
            yield key, f"{at}.{key}" if at else str(key)
