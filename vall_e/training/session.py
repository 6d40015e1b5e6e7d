"""From the launch of a run to its end, whatever it trains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from vall_e.engines.ranks import Ranks, joined_ranks

from .commands import Commands
from .folder_lock import sole_user
from .training_run import R

log = logging.getLogger(__name__)


@contextmanager
def session(open_run: Callable[[Ranks], R], folder: Path, device: str) -> Iterator[tuple[R, Commands]]:
    """The run that `open_run` builds on each rank, alone in `folder`, and what it is told; closed behind the block.

    The first rank alone reads commands. A launcher that signalled the end of its job's time gets its signal when
    everything is closed, and may not return.
    """
    with joined_ranks(device) as ranks, ExitStack() as stack:
        if ranks.first:
            stack.enter_context(sole_user(folder))
        run = stack.enter_context(closing(open_run(ranks)))
        log.info("%s on %s", run.subject, f"{ranks.size} ranks" if ranks.several else run.engine.device)
        commands = stack.enter_context(Commands(file=folder / "commands", reads=ranks.first))
        yield run, commands
    commands.signals.hand_on()
