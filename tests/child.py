"""Processes forked from that of the tests, so that nothing is imported anew: they are to be killed."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable


def forked(work: Callable[[], object]) -> int:
    """The id of a process, the leader of a group of its own, that does `work` and exits with 0, or with 1 if that
    fails; it never comes back to the tests."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        work()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
