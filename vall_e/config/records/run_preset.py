"""A run's settings as a primary config of Hydra, with which an app gets exactly these, whatever conf/ says today."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from vall_e.atomic import replace_text

from ..conf_dir import conf_dir
from ..nearest import groups
from ..register import register
from ..schema import Config
from ..seal import seal
from ..versions import VERSION_BASE

NAME = "repeat"


def write_preset(folder: Path, settings: Mapping[str, Any], app: str) -> None:
    """Write `repeat.yaml` into `folder`: the resolved `settings` over the schema alone, for a job of `app`."""
    # The groups stand empty behind the settings, so that an override may still choose from them, and then wins.
    choices = sorted(groups(), key=lambda group: group == "experiment")
    preset = {
        "defaults": [
            "schema/config@_global_",
            "_self_",
            *({group: []} for group in choices),
            {"override hydra/job_logging": "house"},
        ],
        **_literal(settings),
        "hydra": {"job": {"name": app, "chdir": False}},
    }
    replace_text(folder / f"{NAME}.yaml", OmegaConf.to_yaml(OmegaConf.create(preset)))


def check_preset(settings: Mapping[str, Any], overrides: Sequence[str]) -> None:
    """ConfigError, or what Hydra raises, if `settings` with `overrides` are refused by the schema of today."""
    register()
    with TemporaryDirectory() as folder:
        write_preset(Path(folder), settings, "train")
        fragments = f"hydra.searchpath=[{quoted(f'file://{conf_dir()}')}]"
        with initialize_config_dir(folder, **VERSION_BASE):
            seal(compose(NAME, [fragments, *overrides]), Config)


def additions(settings: Mapping[str, Any], schema: type = Config) -> tuple[list[str], list[str]]:
    """What the defaults of `schema` add to `settings`: dotted keys of settings, and of entries of free mappings."""
    merged = OmegaConf.merge(OmegaConf.structured(schema), _literal(settings))
    found = list(_added(merged, settings, ""))
    return [key for key, entry in found if not entry], [key for key, entry in found if entry]


def _added(merged: Any, settings: Any, at: str) -> Iterator[tuple[str, bool]]:
    if not isinstance(merged, DictConfig) or not isinstance(settings, Mapping):
        return
    names: list[Any] = list(merged)
    for name in names:
        if name not in settings:
            yield f"{at}{name}", OmegaConf.get_type(merged) is dict
        elif not OmegaConf.is_interpolation(merged, name):
            yield from _added(merged[name], settings[name], f"{at}{name}.")


def quoted(path: str) -> str:
    """A path as an override takes it."""
    if re.fullmatch(r"[\w./+-]+", path, re.ASCII):
        return path
    escaped = str(_literal(path)).replace("'", "\\'")
    return f"'{escaped}'"


def _literal(value: Any) -> Any:
    """`value` with every `${` in its texts escaped, so that it is read as it stands."""
    if isinstance(value, Mapping):
        return {name: _literal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", value) if isinstance(value, str) else value
