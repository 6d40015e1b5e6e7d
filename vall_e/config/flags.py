"""The flags of Hydra on a command line."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from contextlib import redirect_stderr
from io import StringIO

from hydra._internal.utils import get_args_parser

from vall_e.errors import ConfigError


def flags(arguments: Sequence[str]) -> Namespace:
    """Flags and `overrides`; ConfigError for a flag that does not exist, or that would unpickle a file."""
    usage = StringIO()
    try:
        with redirect_stderr(usage):
            given = get_args_parser().parse_args(list(arguments))
    except SystemExit as end:
        if not end.code:
            raise
        problem = usage.getvalue().rpartition("error: ")[2].strip()
        raise ConfigError(f"{problem}; --hydra-help lists the flags, overrides stand together") from end
    if given.experimental_rerun:
        file = given.experimental_rerun
        raise ConfigError(f"--experimental-rerun={file} would execute what the file holds: use python -m vall_e.repeat")
    return given
