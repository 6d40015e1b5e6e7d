"""The training loop: next batches, a step, log, maybe evaluate, maybe save, obey commands."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from vall_e.config.schema import Config
from vall_e.engines.memory import peak_memory
from vall_e.engines.ranks import alert_within
from vall_e.errors import MemoryExhausted, RankLostError

from .commands import Commands
from .curves import plot_curves
from .obey import agreed, is_due, obey
from .progress_bar import Bar, progress_bar
from .run import Run, open_run
from .session import session

log = logging.getLogger(__name__)


def train(cfg: Config, folder: Path) -> float:
    """Train in `folder` until `trainer.iterations` or told to quit; returns the mean loss of the last steps.

    Every rank of a run calls it, the first alone reads commands and writes.
    """
    with session(lambda ranks: open_run(cfg, folder, ranks), folder, cfg.device) as (run, commands):
        with progress_bar(run, cfg.model.full_name, refresh_seconds=0.5) as bar:
            told_to_quit = go_on(run, commands, bar)
        return finish(run, told_to_quit=told_to_quit)


def go_on(run: Run, commands: Commands, bar: Bar) -> bool:
    """Make steps until none is left (False) or the run is told to quit (True); before the first it may evaluate."""
    if obey(run, agreed(run.ranks, commands.poll(run.engine.global_step, only=("eval", "eval_quit")))):
        return True
    while run.engine.global_step < run.cfg.trainer.iterations:
        with saved_alone(run):
            stats = make_step(run)
        with saved_alone(run):
            step = run.engine.global_step
            run.log(stats | {"epoch": run.loader.epoch, "tokens": run.engine.tokens})
            show(bar, stats)
            told = agreed(run.ranks, commands.poll(step))
            if obey(run, told):
                return True
            act_on_schedule(run, {command.name for command in told})
    return False


def make_step(run: Run) -> dict[str, float]:
    """Load the micro-batches of an optimizer step and make it; returns what is to be logged.

    If not even single samples fit into memory the run is saved, so that it goes on behind this batch.
    """
    began = time.perf_counter()
    micro_batches = list(islice(run.loader, run.cfg.hyperparameters.gradient_accumulation_steps))
    waited = time.perf_counter() - began
    try:
        stats = run.engine.step(micro_batches)
    except MemoryExhausted:
        if run.cfg.trainer.save_on_oom:
            run.save()
            run.writer.finish()
        raise
    seconds = time.perf_counter() - began
    pace = {"seconds": seconds, "data_wait": waited / seconds, "memory_gib": peak_memory(run.engine.device)}
    return stats | pace | {"remaining_hours": run.remaining_seconds(run.last_step) / 3600}


@contextmanager
def saved_alone(run: Run) -> Iterator[None]:
    """A block that all ranks go through: if another one is lost there, the run is saved as it was before the block.

    This is so wherever this rank has the whole state.
    """
    positions = run.positions
    try:
        with alert_within():
            yield
    except RankLostError as error:
        run.save_alone(positions)
        place = f"step {run.engine.global_step}" if run.engine.whole else "the last checkpoint"
        raise RankLostError(f"{error}; the same command goes on from {place}") from error


def act_on_schedule(run: Run, done: Collection[str]) -> None:
    """Evaluate and save when their step has come, unless a command had it `done`; `finish` saves the last step."""
    step = run.engine.global_step
    if is_due(step, run.cfg.evaluation.frequency) and run.cfg.evaluation.size and "eval" not in done:
        run.evaluate()
    if is_due(step, run.cfg.trainer.save_frequency) and step < run.cfg.trainer.iterations and "save" not in done:
        run.save()


def finish(run: Run, *, told_to_quit: bool) -> float:
    """Leave the folder as the settings want it, and say where things are; returns the mean loss of the last steps."""
    trainer, progress = run.cfg.trainer, run.engine.global_step > run.first_step
    if progress and (trainer.save_on_quit or not told_to_quit):
        run.save()
    if trainer.export_on_quit:
        run.export()
    run.writer.finish()
    if run.metrics is not None:
        plot_curves(run.metrics.path, run.folder / "metrics.png")
    if not progress:
        log.info("Nothing is left to do: trainer.iterations=%d is reached, a larger one goes on", trainer.iterations)
    log.info("%s at step %d: %s", "Stopped" if told_to_quit else "Finished", run.engine.global_step, run.folder)
    return run.mean_loss()


def show(bar: Bar, stats: dict[str, float]) -> None:
    """Loss, accuracy, speed and padding beside the bar."""
    accuracy = next((value for name, value in stats.items() if name.endswith("acc")), float("nan"))
    bar.set_postfix_str(
        f"loss {stats['loss']:.3f}, accuracy {accuracy:.0%}, {stats['tokens_per_second']:,.0f} tokens/s, "
        f"padding {stats['padding_waste']:.0%}, data wait {stats['data_wait']:.0%}",
        refresh=False,
    )
    bar.update()
