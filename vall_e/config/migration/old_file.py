"""Reads a configuration of the reference system; nothing in it is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from vall_e.errors import ConfigError


def read_old(path: Path) -> dict[Any, Any]:
    """The settings in a YAML file; ConfigError if it cannot be read or holds no mapping."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        is_mapping = root is None or isinstance(root, yaml.MappingNode)
        tree: Any = OmegaConf.to_container(OmegaConf.create(text if is_mapping else ""))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {_where(error)}") from error
    except (yaml.YAMLError, OmegaConfBaseException, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML: {str(error).splitlines()[0]}") from error
    if not is_mapping:
        raise ConfigError(f"{path} holds a {root.id}, expected a mapping of settings such as `dataset: ...`")
    return dict(tree)


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    return f"{error.problem} in line {mark.line + 1}, column {mark.column + 1}" if mark else str(error.problem)
