"""Where a setting got its value: from a file such as `conf/experiment/demo.yaml`, or from an override.

The files of a job are read again in the order in which Hydra laid them over each other; the last one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import OmegaConf

from .composing import fragments
from .conf_dir import conf_dir
from .dotted import flat

SCHEMAS = "vall_e"  # the provider of the schemas that `register` stores


def origins(config_name: str, overrides: Sequence[str]) -> dict[str, str]:
    """Origin by dotted key of a job of the primary config `config_name`, without Hydra's own settings.

    The origin is the path of a file, or `override` and the text of the override. A setting that has its schema's
    default has no origin. An override that chooses from a group stands for the file it chooses.
    """
    found: dict[str, str] = {}
    with _config_loader() as loader:
        composed = loader.compute_defaults_list(config_name, list(overrides), RunMode.RUN)
        # Hydra tells which files it read, but the folders of hydra.searchpath only to itself.
        _, repository = loader._parse_overrides_and_create_caching_repo(config_name, list(overrides))
        for part in composed.defaults:
            if part.config_path and (loaded := repository.load_config(part.config_path)):
                _lay(found, _settings(loaded, part.package or ""), _file(loaded, part.config_path))
        for override in composed.config_overrides:
            line = str(override.input_line).replace("\n", "\\n")
            origin = None if override.is_delete() else f"override {line}"
            _lay(found, _assigned(override), origin)
    return {key: found[key] for key in sorted(found) if key.partition(".")[0] != "hydra"}


def job_origins() -> dict[str, str]:
    """`origins` of the Hydra job that is running."""
    job = HydraConfig.get()
    return origins(str(job.job.config_name), [*job.overrides.hydra, *job.overrides.task])


def origin_of(key: str, origins: Mapping[str, str]) -> str | None:
    """The origin of a setting: its own, or of the nearest mapping around it, or the one of all that lies in it.

    None for a default of the schema.
    """
    around = key
    while around:
        if around in origins:
            return origins[around]
        around = around.rpartition(".")[0]
    within = {origin for name, origin in origins.items() if name.startswith(f"{key}.")}
    return within.pop() if len(within) == 1 else None


def with_origins(problems: str, origins: Mapping[str, str]) -> str:
    """Lines on refused settings, each beginning with a dotted key, with the origin of the value behind them."""
    lines = [(line, origin_of(key, origins) if (key := _key(line)) else None) for line in problems.splitlines()]
    return "\n".join(f"{line} (from {origin})" if origin else line for line, origin in lines)


def _key(line: str) -> str:
    found = re.match(r"[A-Za-z_][\w.+-]*", line)
    return found[0] if found else ""


@contextmanager
def _config_loader() -> Iterator[ConfigLoaderImpl]:
    """That of the running job, or one for `conf/` alone."""
    if GlobalHydra.instance().is_initialized():
        yield cast(ConfigLoaderImpl, GlobalHydra.instance().config_loader())
        return
    with fragments() as loader:
        yield loader


def _lay(found: dict[str, str], keys: Iterable[str], origin: str | None) -> None:
    """Let `origin` count for `keys`, and for what they replace; None takes the origins away."""
    for key in keys:
        for other in [o for o in found if f"{o}.".startswith(f"{key}.") or key.startswith(f"{o}.")]:
            del found[other]
        if origin:
            found[key] = origin


def _settings(loaded: ConfigResult, package: str) -> list[str]:
    values = flat(OmegaConf.to_container(loaded.config), package)  # type: ignore[arg-type]
    return [key for key, value in values.items() if value != "???"]


def _assigned(override: Override) -> list[str]:
    value = override.value()
    return list(flat({override.key_or_group: value})) or [override.key_or_group]


def _file(loaded: ConfigResult, config_path: str) -> str | None:
    """A file's path: from the folder above conf/ if it ships with vall_e, else as it was found; None for a schema."""
    if loaded.provider == SCHEMAS:
        return None
    path = f"{loaded.path.removeprefix('file://')}/{config_path.removesuffix('.yaml')}.yaml"
    shipped = Path(conf_dir())
    return Path(path).relative_to(shipped.parent).as_posix() if Path(path).is_relative_to(shipped) else path
