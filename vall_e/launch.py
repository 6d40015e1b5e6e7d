"""Runs an app: what a user can mend is told in a few lines, what is our fault shows its traceback."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable

from vall_e.config.complaints import complaints
from vall_e.config.explain import explain
from vall_e.config.fault import is_users
from vall_e.config.flags import flags
from vall_e.config.rank import rank, without_local_rank
from vall_e.config.register import register
from vall_e.config.schema import Config
from vall_e.errors import VallEError
from vall_e.sweep_callback import ranking

SHOWING = {"--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help"}


def launch(main: Callable[[], object], app: str = "", root: type = Config) -> None:
    """Run `main`, a function under `hydra.main`; exit status 2 for every error of the user.

    With the name of the `app` and the `root` of its settings all refused settings are told, not the first alone. With
    HYDRA_FULL_ERROR=1 in the environment errors show their tracebacks, too.
    """
    sys.argv[1:] = without_local_rank(sys.argv[1:])
    if any(argument.partition("=")[0] in SHOWING for argument in sys.argv[1:]):
        end_with_reader()
    with_traceback = bool(os.environ.get("HYDRA_FULL_ERROR"))
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises to us instead of printing and leaving
    warnings.filterwarnings("error", "provider=.* is not available")  # Hydra goes on without a folder that was named
    warnings.filterwarnings("ignore", r".*resolved _target_='vall_e\.")  # Hydra 1.4 has no way to trust our callback
    try:
        register()
        if app:
            flags(sys.argv[1:])
        ranking()(main)()
    except Exception as error:
        if with_traceback or not is_users(error):
            raise
        print("\n".join(told(error, app, root)), file=sys.stderr)
        sys.exit(2)


def told(error: BaseException, app: str, root: type) -> list[str]:
    """What a user is told of an error: one sentence, or one for each setting that Hydra refuses.

    Ranks but the first say which they are.
    """
    found = complaints(app, sys.argv[1:], root) if app and not isinstance(error, VallEError) else []
    return [f"rank {rank()}: {line}" if rank() else line for line in found or [explain(error)]]


def end_with_reader() -> None:
    """Let `--cfg job | head` end as quietly as other commands. Not for jobs: a closed pipe of a worker is an error."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
