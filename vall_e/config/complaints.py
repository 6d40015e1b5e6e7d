"""Everything that is wrong with a command line at once: Hydra itself stops at the first setting it refuses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra._internal.utils import get_args_parser
from omegaconf import DictConfig

from vall_e.errors import ConfigError

from .composing import compose_config
from .explain import explain, is_users
from .origins import origins, with_origins
from .schema import Config
from .seal import seal


def complaints(app: str, arguments: Sequence[str], root: type = Config) -> list[str]:
    """Sentences on all refused settings among the command-line `arguments` of an app; none for what it cannot judge.

    An override that Hydra refuses is set aside and the others are composed again, until they compose.
    """
    args = get_args_parser().parse_args(list(arguments))
    if args.multirun:
        return []
    overrides = list(args.overrides)
    given = [f"hydra.searchpath=[file://{Path(args.config_dir).absolute()}]"] if args.config_dir else []
    told: list[str] = []
    while isinstance(composed := _composed(app, overrides + given), str):
        told.append(composed)
        culprit = next(
            (o for o in overrides if _composed(app, [x for x in overrides if x != o] + given) != composed), None
        )
        if culprit is None:
            return told
        overrides.remove(culprit)
    refused = with_origins("\n".join(_refused(composed, root)), origins(app, overrides + given)).splitlines()
    return list(dict.fromkeys(told + refused))


def _composed(app: str, overrides: Sequence[str]) -> DictConfig | str:
    try:
        return compose_config(app, overrides)
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
