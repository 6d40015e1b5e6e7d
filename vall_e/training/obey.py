"""What a run does when it is told to, whatever it trains."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vall_e.engines.ranks import Ranks

from .command import Command
from .training_run import TrainingRun

log = logging.getLogger(__name__)


def agreed(ranks: Ranks, commands: list[Command]) -> list[Command]:
    """What any rank was told, for all of them: a signal may have reached one alone."""
    found: list[Command] = []
    if ranks.any(bool(commands)):
        for own in ranks.gather(commands):
            found += [command for command in own if command not in found]
    return found


def obey(run: TrainingRun, commands: Sequence[Command]) -> bool:
    """Carry out live commands; True if the run is to end."""
    for command in commands:
        match command.name:
            case "save":
                run.save()
            case "eval":
                run.evaluate()
            case "export":
                run.export()
            case "lr":
                assert command.value is not None
                run.engine.set_learning_rate(command.value)
                log.info("Peak learning rate is now %g", command.value)
            case "time":
                tell_remaining_time(run, command.value)
            case "quit":
                return True
            case "eval_quit":
                run.evaluate()
                return True
    return False


def tell_remaining_time(run: TrainingRun, step: float | None) -> None:
    """Log how long the run will take to `step`, or to its end."""
    last = int(step or run.last_step)
    if run.engine.global_step == run.first_step:
        log.info("How long it takes is known after the first step")
        return
    missing = max(0, last - run.engine.global_step)
    log.info("%d steps, about %.0f minutes", missing, run.remaining_seconds(last) / 60)


def is_due(step: int, frequency: int) -> bool:
    """Whether something that happens every `frequency` steps happens now; 0 is never."""
    return frequency > 0 and step % frequency == 0
