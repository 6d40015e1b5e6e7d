"""Says in one sentence what Hydra says in several: the key, the value, what is allowed, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from vall_e.errors import MissingExtra, VallEError

from .nearest import groups, hint, options, unknown_setting
from .setting import shown

# A ValueError of Hydra's own for `group=null`, the only error of a user that Hydra raises without a class for it.
NOT_AN_OPTION = "Config group override must be a string or a list"

# Hydra's plugins for sweeps, by the option they bring.
PLUGINS = {"hydra/sweeper=optuna": "hydra-optuna-sweeper", "hydra/launcher=joblib": "hydra-joblib-launcher"}

NO_SUCH_GROUP = re.compile(r"(?:Could not override '([^']+)'. No match|No earlier Group Default for '([^']+)')")
# Hydra's advice to append with a + would hide a misspelt name; the types are OmegaConf's, not the user's.
NOISE = ("To append", "reference_type=", "object_type=")


def is_users(error: BaseException) -> bool:
    """Whether a user can mend what was raised."""
    known = (HydraException, OmegaConfBaseException, VallEError, YAMLError)
    return isinstance(error, known) or (isinstance(error, ValueError) and str(error).startswith(NOT_AN_OPTION))


def explain(error: BaseException) -> str:
    """The message for the user, of an error that `is_users`."""
    if str(error).startswith(NOT_AN_OPTION):
        return "a group takes the name of one of its options; experiment=[] takes no experiment"
    for link in _chain(error):
        if isinstance(link, VallEError):
            key = getattr(error, "full_key", None)
            return f"{key}: {link}" if key else str(link)
    for link in _chain(error):
        if sentence := _sentence(link, error):
            return f"{_place(error)}{sentence}"
    return "\n".join(dict.fromkeys(_lines(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # Hydra wraps errors in fragments without saying `from`, which leaves the original in the context.
        error = error.__cause__ or error.__context__


def _sentence(error: BaseException, outermost: BaseException) -> str | None:
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if isinstance(error, MissingConfigException) and error.missing_cfg_file:
        return _unknown_option(str(error.missing_cfg_file), error.options or ())
    key = getattr(error, "full_key", None)
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)) and key:
        if isinstance(error.object_type, type) and is_dataclass(error.object_type):
            return unknown_setting(key, _given(key, outermost), error.object_type)
        return f"{key}: a new entry is written with a plus sign, +{key}=VALUE"
    if isinstance(error, ValidationError) and key:
        return _refused(key, error)
    return None


def _unreadable(override: str) -> str:
    key = override.partition("=")[0]
    example = f"\"{key}='Hello, world!'\""
    return f"{override}: cannot be read as key=value; text with punctuation is quoted twice, for example {example}"


def _given(key: str, outermost: BaseException) -> str | None:
    """The value of a refused override, which Hydra tells only in its advice to write `+key=value`."""
    found = re.search(rf"\+{re.escape(key)}=(.*)", str(outermost))
    return found[1] if found else None


def _unknown_option(file: str, listed: Iterable[str]) -> str | None:
    ours = file.partition("/")[0] in groups()
    group, _, option = file.partition("/") if ours else file.rpartition("/")
    if package := PLUGINS.get(f"{group}={option}"):
        return str(MissingExtra(package, "sweep", f"{group}={option}"))
    allowed = sorted({*listed, *(options(group) if ours else ())})  # Hydra lists no folders, and nothing of a list
    if not allowed:
        return None
    return f"{group}={option} does not exist, allowed: {', '.join(allowed)}{hint(option, allowed, f'{group}=')}"


def _refused(key: str, error: ValidationError) -> str:
    kind, name = error.object_type, str(error.key)
    value = f"{key}={shown(error.value)}"
    if not (isinstance(kind, type) and is_dataclass(kind) and name in {f.name for f in fields(kind)}):
        return f"{value} is not allowed: {str(error).splitlines()[0]}"
    declared = get_type_hints(kind)[name]
    allowed = wanted(declared)
    rule = next(f.metadata.get("rule") for f in fields(kind) if f.name == name)
    if rule is not None and rule.span():
        allowed += f", {rule.span()}"
    near = (
        hint(str(error.value), (e.name for e in declared))
        if isinstance(declared, type) and issubclass(declared, Enum)
        else ""
    )
    return f"{value} is not allowed, allowed: {allowed}{near}"


def wanted(kind: Any) -> str:
    """The values of a declared type in words, for example `a whole number or null`."""
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(wanted(part) for part in get_args(kind))
    if get_origin(kind) is list:
        return f"a list, [X, Y], of which each is {wanted(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return "a mapping, {name: value}"
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(member.name for member in kind)
    if is_dataclass(kind):
        return "a group of settings"
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "text", type(None): "null"}
    return words.get(kind, "any value")


def _place(error: BaseException) -> str:
    """`In 'model/mine': ` when a fragment and not the command line is at fault."""
    first = str(error).splitlines()[0] if str(error) else ""
    return (
        first.split(": ", 1)[0] + ": "
        if first.startswith("In '") and not isinstance(error, MissingConfigException)
        else ""
    )


def _lines(error: BaseException) -> Iterator[str]:
    for link in _chain(error):
        for line in map(str.strip, str(link).splitlines()):
            if line and not line.startswith(NOISE):
                group = NO_SUCH_GROUP.search(line)
                yield line + (hint(group[1] or group[2], groups()) if group else "")
