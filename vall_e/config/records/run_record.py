"""What a run's folder says of the run: settings, where they came from, and what each launch ran on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from vall_e.atomic import replace_text
from vall_e.errors import ConfigError

from ..origins import job_origins
from .environment import launch

SETTINGS = "config.resolved.yaml"
ORIGINS = "origins.yaml"
LAUNCHES = "environment.json"
HYDRA = ".hydra/hydra.yaml"


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The records in a run's folder; `origins` and `launches` are empty for a run of before they were kept."""

    folder: Path
    settings: dict[str, Any]
    origins: dict[str, str]
    launches: list[dict[str, Any]]

    @property
    def environment(self) -> dict[str, Any]:
        """The record of the last launch, which is the one that `settings` are of; empty if there is none."""
        return self.launches[-1] if self.launches else {}


def keep_record(folder: Path, app: str, raw: DictConfig) -> None:
    """Write what the folder of a Hydra run keeps beside Hydra's own record; earlier launches stay recorded."""
    settings = OmegaConf.to_container(raw, resolve=True, enum_to_str=True)
    launches = [*_read(folder / LAUNCHES, json.loads, list), launch(app, settings)]  # type: ignore[arg-type]
    replace_text(folder / SETTINGS, OmegaConf.to_yaml(raw, resolve=True))
    replace_text(folder / ORIGINS, yaml.safe_dump(job_origins(), sort_keys=False, allow_unicode=True, width=1000))
    replace_text(folder / LAUNCHES, json.dumps(launches, indent=2, ensure_ascii=False) + "\n")


def read_record(folder: Path) -> RunRecord:
    """The records in `folder`; ConfigError if it is no run's or a record is damaged."""
    if not (folder / SETTINGS).is_file():
        raise ConfigError(f"{folder} is no folder of a run: it holds no {SETTINGS}")
    return RunRecord(
        folder=folder,
        settings=_read(folder / SETTINGS, yaml.safe_load, dict),
        origins=_read(folder / ORIGINS, yaml.safe_load, dict),
        launches=_read(folder / LAUNCHES, json.loads, list),
    )


def read_job(folder: Path) -> tuple[str, Path]:
    """The app that ran and the working folder it ran in, as Hydra recorded them; ConfigError if it did not."""
    hydra = _read(folder / HYDRA, yaml.safe_load, dict).get("hydra", {})
    try:
        return str(hydra["job"]["name"]), Path(hydra["runtime"]["cwd"])
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{folder} does not tell which app ran: {HYDRA} is missing or damaged") from error


def _read(path: Path, parse: Callable[[str], Any], kind: type) -> Any:
    """The content of a record, an empty `kind` if there is none; ConfigError if it is of another kind."""
    if not path.is_file():
        return kind()
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} is damaged: {str(error).splitlines()[0]}") from error
    if not isinstance(content, kind):
        raise ConfigError(f"{path} is damaged: it holds a {type(content).__name__}, expected a {kind.__name__}")
    return content
