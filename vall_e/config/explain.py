"""Says in one sentence what Hydra says in several: the key, the value, what is allowed, the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import get_type_hints

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException, ValidationError
from yaml import YAMLError

from vall_e.errors import MissingExtra, VallEError

from .fault import is_no_way
from .nearest import groups, hint, options, unknown_setting
from .reworded import reworded
from .setting import shown
from .wanted import wanted

# Hydra's plugins and the extra they come with, by the option they bring.
PLUGINS = {
    "hydra/sweeper=optuna": ("hydra-optuna-sweeper", "sweep"),
    "hydra/launcher=joblib": ("hydra-joblib-launcher", "sweep"),
    "hydra/launcher=submitit_local": ("hydra-submitit-launcher", "slurm"),
    "hydra/launcher=submitit_slurm": ("hydra-submitit-launcher", "slurm"),
}

# Hydra's advice to append with a + would hide a misspelt name; the types are OmegaConf's, not the user's.
NOISE = ("To append", "reference_type=", "object_type=", "full_key:", "provider=", "Config search path", "Search path")


def explain(error: BaseException) -> str:
    """The sentence for the user, of an error that `is_users`."""
    for link in _chain(error):
        if isinstance(link, VallEError):
            key = getattr(error, "full_key", None)
            return f"{key}: {link}" if key else str(link)
    if isinstance(error, OSError) and is_no_way(error):
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    for link in _chain(error):
        if sentence := _sentence(link, error):
            return f"{_place(error)}{sentence}"
    return " ".join(dict.fromkeys(_lines(error)))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # Hydra wraps errors in fragments without saying `from`, which leaves the original in the context.
        error = error.__cause__ or error.__context__


def _sentence(error: BaseException, outermost: BaseException) -> str | None:
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    if isinstance(error, MissingConfigException):
        return _not_found(error)
    if isinstance(error, YAMLError):
        return _not_yaml(error)
    key = getattr(error, "full_key", None)
    if isinstance(error, (ConfigAttributeError, ConfigKeyError)) and key:
        if isinstance(error.object_type, type) and is_dataclass(error.object_type):
            return unknown_setting(key, _given(key, outermost), error.object_type)
        return f"{key}: a new entry is written with a plus sign, +{key}=VALUE"
    if isinstance(error, ValidationError) and key:
        return _refused(key, error)
    if sentence := reworded(str(error)):
        return sentence
    if isinstance(error, OmegaConfBaseException) and key:
        return f"{key}: {str(error).splitlines()[0]}"
    return _unusable(error) if isinstance(error, OSError) and error.filename else None


def _unreadable(override: str) -> str:
    key = override.partition("=")[0]
    example = f"\"{key}='Hello, world!'\""
    return f"{override}: cannot be read as key=value; text with punctuation is quoted twice, for example {example}"


def _given(key: str, outermost: BaseException) -> str | None:
    """The value of a refused override, which Hydra tells only in its advice to write `+key=value`."""
    found = re.search(rf"\+{re.escape(key)}=(.*)", str(outermost))
    return found[1] if found else None


def _not_found(error: MissingConfigException) -> str | None:
    """Of a group's option that does not exist; Hydra tells its name apart, or between quotes."""
    quoted = re.search(r"Could not (?:load|find) '([^']+)'", str(error))
    file = quoted[1] if quoted else error.missing_cfg_file or ""
    if "/" not in file:
        return None
    ours = file.partition("/")[0] in groups()
    group, _, option = file.partition("/") if ours else file.rpartition("/")
    if plugin := PLUGINS.get(f"{group}={option}"):
        return str(MissingExtra(*plugin, f"{group}={option}"))
    # Hydra lists no folders, and nothing of a list
    allowed = sorted({*(error.options or ()), *(options(group) if ours else ())})
    told = f", allowed: {', '.join(allowed)}{hint(option, allowed, f'{group}=')}" if allowed else ""
    return f"{group}={option} does not exist{told}"


def _not_yaml(error: YAMLError) -> str:
    lines = dict.fromkeys(map(str.strip, str(error).splitlines()))
    places = [line for line in lines if line.startswith("in ")]
    return f"{' '.join(line for line in lines if line not in places)} {places[-1] if places else ''}".strip()


def _unusable(error: OSError) -> str:
    is_fragment = str(error.filename).endswith(".yaml")
    setting = "" if is_fragment else "; hydra.run.dir, hydra.sweep.dir and hydra.output_subdir name where a job writes"
    return f"{error.filename}: {error.strerror}{setting}"


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


def _place(error: BaseException) -> str:
    """`In 'model/mine': ` when a fragment and not the command line is at fault."""
    found = re.match(r"In '([^']+)': ", str(error))
    is_apps = isinstance(error, MissingConfigException) and found and re.match(r"hydra/|[^/]+$", found[1])
    return found[0] if found and not is_apps else ""


def _lines(error: BaseException) -> Iterator[str]:
    for link in _chain(error):
        if not isinstance(link, (HydraException, OmegaConfBaseException, ValueError)) or not str(link):
            yield f"{type(link).__name__} within Hydra:"
        yield from (line for line in map(str.strip, str(link).splitlines()) if line and not line.startswith(NOISE))
