"""Composes settings outside `hydra.main`: for `python -m vall_e`, whose text is data and not a setting."""

from __future__ import annotations

from collections.abc import Sequence

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from .conf_dir import conf_dir
from .register import register
from .versions import VERSION_BASE


def compose_config(primary: str, overrides: Sequence[str]) -> DictConfig:
    """The tree of a primary config such as `speak` with overrides such as `model=ar+nar-llama-8` laid over it."""
    register()
    with initialize_config_dir(conf_dir(), **VERSION_BASE):
        return compose(primary, list(overrides))
