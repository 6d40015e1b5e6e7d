"""Runs an app: what a user can mend is told in a few lines, what is our fault shows its traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

from vall_e.config.explain import explain, is_users
from vall_e.config.register import register

SHOWING = {"--cfg", "-c", "--info", "-i", "--help", "-h", "--hydra-help"}


def launch(main: Callable[[], object]) -> None:
    """Run `main`, a function under `hydra.main`; exit status 2 for every error of the user.

    With HYDRA_FULL_ERROR=1 in the environment these show their tracebacks, too.
    """
    register()
    if any(argument.partition("=")[0] in SHOWING for argument in sys.argv[1:]):
        end_with_reader()
    if os.environ.get("HYDRA_FULL_ERROR"):
        main()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises to us instead of printing and leaving
    try:
        main()
    except Exception as error:
        if not is_users(error):
            raise
        print(explain(error), file=sys.stderr)
        sys.exit(2)


def end_with_reader() -> None:
    """Let `--cfg job | head` end as quietly as other commands. Not for jobs: a closed pipe of a worker is an error."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
