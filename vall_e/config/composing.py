"""Composes settings outside `hydra.main`: for `python -m vall_e`, whose text is data and not a setting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from hydra import compose, initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_search_path import SearchPathQuery
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from .conf_dir import conf_dir
from .register import register
from .versions import VERSION_BASE


def compose_config(primary: str, overrides: Sequence[str]) -> DictConfig:
    """The tree of a primary config such as `speak` with overrides such as `model=ar+nar-llama-8` laid over it."""
    with fragments():
        return compose(primary, list(overrides))


@contextmanager
def fragments(config_dir: str | None = None) -> Iterator[ConfigLoaderImpl]:
    """Hydra over our fragments, those of installed packages, and those in `config_dir`."""
    register()
    with initialize_config_dir(conf_dir(), **VERSION_BASE):
        loader = cast(ConfigLoaderImpl, GlobalHydra.instance().config_loader())
        if config_dir is not None:
            path = loader.get_search_path()
            path.prepend("command-line", f"file://{Path(config_dir).absolute()}", SearchPathQuery(provider="schema"))
            loader.repository.initialize_sources(path)
        yield loader
