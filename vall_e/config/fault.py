"""Whose fault an error is: a user's is told in a sentence, ours shows its traceback."""

from __future__ import annotations

import errno
from traceback import walk_tb

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from vall_e.errors import VallEError

NO_WAY = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG}
"""What the system answers where files cannot be kept: no permission, no space, no such long names."""


def is_users(error: BaseException) -> bool:
    """Whether a user can mend what was raised."""
    ours = (HydraException, OmegaConfBaseException, VallEError, YAMLError)
    return isinstance(error, ours) or is_no_way(error) or in_hydra(error)


def is_no_way(error: BaseException) -> bool:
    """Whether the system refused to read or keep a file."""
    return isinstance(error, OSError) and error.errno in NO_WAY


def in_hydra(error: BaseException) -> bool:
    """Whether Hydra stumbled while none of our code ran: over a flag, an override, a fragment or a folder.

    Hydra has no class of its own for many of these; what it raises may be any built-in error.
    """
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    ours = max((i for i, name in enumerate(modules) if name.partition(".")[0] in ("vall_e", "__main__")), default=-1)
    return any(name.partition(".")[0] == "hydra" for name in modules[ours + 1 :])
