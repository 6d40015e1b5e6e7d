"""Whose fault an error is: a user's is told in a sentence, ours shows its traceback."""

from __future__ import annotations

from traceback import walk_tb

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vall_e.errors import VallEError


def is_users(error: BaseException) -> bool:
    """Whether a user can mend what was raised."""
    return isinstance(error, (HydraException, OmegaConfBaseException, VallEError, YAMLError)) or in_hydra(error)


def in_hydra(error: BaseException) -> bool:
    """Whether Hydra stumbled while none of our code ran: over a flag, an override, a fragment or a folder.

    Hydra has no class of its own for many of these; what it raises may be any built-in error.
    """
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    ours = max((i for i, name in enumerate(modules) if name.partition(".")[0] in ("vall_e", "__main__")), default=-1)
    return any(name.partition(".")[0] == "hydra" for name in modules[ours + 1 :])
