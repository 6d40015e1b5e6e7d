"""Everything that is wrong with a command line at once: Hydra itself stops at the first setting it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra import compose
from omegaconf import DictConfig

from vall_e.errors import ConfigError

from .composing import fragments
from .explain import explain
from .fault import is_users
from .flags import flags
from .origins import origins, with_origins
from .schema import Config
from .seal import seal


def complaints(app: str, arguments: Sequence[str], root: type = Config) -> list[str]:
    """Sentences on all refused settings among the command-line `arguments` of an app; none for what it cannot judge.

    An override that Hydra refuses is set aside and the others are composed again, until they compose.
    """
    given = flags(arguments)
    no_folder = given.config_dir and not Path(given.config_dir).is_dir()
    if given.multirun or given.shell_completion or given.config_path or no_folder:
        return []
    with fragments(given.config_dir):
        return list(dict.fromkeys(_complaints(given.config_name or app, list(given.overrides), root)))


def _complaints(name: str, overrides: list[str], root: type) -> list[str]:
    told: list[str] = []
    while isinstance(composed := _composed(name, overrides), str):
        culprit = _culprit(name, overrides, composed)
        named = culprit is None or "=" in composed or (_key(culprit) and _key(culprit) in composed)
        told.append(composed if named else f"{culprit}: {composed}")
        if culprit is None:
            return told
        overrides.remove(culprit)
    return told + with_origins("\n".join(_refused(composed, root)), origins(name, overrides)).splitlines()


def _culprit(name: str, overrides: list[str], complaint: str) -> str | None:
    """The override without which the complaint ends: one that it names, or without which all composes."""
    changing: str | None = None
    for override in sorted(overrides, key=lambda override: _key(override) not in complaint):
        rest = _composed(name, [other for other in overrides if other != override])
        if rest != complaint and (not isinstance(rest, str) or _key(override) in complaint):
            return override
        changing = changing or (override if rest != complaint else None)
    return changing


def _key(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def _composed(name: str, overrides: list[str]) -> DictConfig | str:
    try:
        return compose(name, overrides)
    except Exception as error:
        if not is_users(error):
            raise
        return explain(error)


def _refused(composed: DictConfig, root: type) -> list[str]:
    try:
        seal(composed, root)
    except ConfigError as error:
        return str(error).splitlines()
    return []
