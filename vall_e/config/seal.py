"""Turns what Hydra composed into typed settings, or says everything that is wrong with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vall_e.errors import ConfigError

from .derive import derive
from .explain import explain
from .nearest import unknown_setting
from .schema import Config
from .setting import rules

C = TypeVar("C")

log = logging.getLogger(__name__)


def seal(raw: DictConfig, kind: type[C], *, may_lack_components: bool = False) -> C:
    """The composed tree as an instance of `kind`, with everything derived that follows from other settings.

    ConfigError with every unknown, missing, refused or unavailable setting, a line each. With `may_lack_components` the
    unavailable ones pass: to look at, not to run.
    """
    if OmegaConf.get_type(raw) is not kind:
        raw = OmegaConf.merge(OmegaConf.structured(kind), raw)  # type: ignore[assignment]
    strangers = list(_strangers(raw))
    if missing := list(_missing(raw)):
        raise ConfigError("\n".join(strangers + missing))
    try:
        sealed: C = OmegaConf.to_object(raw)  # type: ignore[assignment]
    except OmegaConfBaseException as error:  # an interpolation leads nowhere
        raise ConfigError("\n".join([*strangers, explain(error)])) from error
    notes = derive(sealed) if isinstance(sealed, Config) else []
    if found := [*strangers, *problems(sealed), *([] if may_lack_components else unavailable(sealed))]:
        raise ConfigError("\n".join(_first_of_each(found)))
    for note in notes:
        log.info("Derived: %s", note)
    return sealed


def _first_of_each(sentences: list[str]) -> Iterator[str]:
    """The first of the sentences on each key: what follows from a refused value is of no use."""
    told: set[str] = set()
    for sentence in sentences:
        key = sentence.partition(":")[0].partition("=")[0]
        if key not in told:
            yield sentence
        told.add(key)


def problems(config: Any, prefix: str = "") -> Iterator[str]:
    """Why settings are refused, each with its dotted key after `prefix`; visits dataclasses in fields and in dicts."""
    for at, node in sections(config, prefix):
        yield from (f"{at}{name}={problem}" for name, rule, value in rules(node) if (problem := rule.problem(value)))
        yield from (at + problem for problem in getattr(node, "problems", tuple)())


def unavailable(config: Any, prefix: str = "") -> Iterator[str]:
    """Settings that are valid but need a component this version lacks, each with its dotted key after `prefix`."""
    for at, node in sections(config, prefix):
        yield from (f"{at}{name}={why}" for name, rule, value in rules(node) if (why := rule.unavailable(value)))


def sections(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted prefix, instance) of a dataclass and of all dataclasses in its fields and mappings."""
    if is_dataclass(config):
        yield prefix, config
        children = [(f.name, getattr(config, f.name)) for f in fields(config)]
    elif isinstance(config, dict):
        children = list(config.items())
    else:
        return
    for name, child in children:
        yield from sections(child, f"{prefix}{name}.")


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
