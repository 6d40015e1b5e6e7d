"""The training loop of the codec: a batch, a step, log, maybe evaluate, maybe save, obey commands."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from tqdm import tqdm

from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.engines.memory import peak_memory
from vall_e.engines.ranks import joined_ranks
from vall_e.training.commands import Commands
from vall_e.training.curves import plot_curves
from vall_e.training.folder_lock import sole_user
from vall_e.training.loop import mean_loss
from vall_e.training.obey import agreed, is_due, obey, remaining_seconds

from .charts import CHARTS
from .run import CodecRun, open_run

log = logging.getLogger(__name__)

Bar = Any
"""tqdm comes without types."""


def train_codec(cfg: CodecTrainingConfig, folder: Path) -> float:
    """Train in `folder` until `steps` or told to quit; returns the mean loss of the last steps.

    Every rank calls it, the first alone reads commands and writes. The codec lies in `folder/codec.safetensors`.
    """
    with joined_ranks(cfg.device) as ranks, ExitStack() as stack:
        if ranks.first:
            stack.enter_context(sole_user(folder))
        run = stack.enter_context(closing(open_run(cfg, folder, ranks)))
        describe(run)
        commands = stack.enter_context(Commands(file=folder / "commands", reads=ranks.first))
        with progress_bar(run) as bar:
            told_to_quit = go_on(run, commands, bar)
        loss = finish(run, told_to_quit=told_to_quit)
    commands.signals.hand_on()
    return loss


def go_on(run: CodecRun, commands: Commands, bar: Bar) -> bool:
    """Make steps until none is left (False) or the run is told to quit (True); before the first it may evaluate."""
    if obey(run, agreed(run.ranks, commands.poll(run.engine.global_step, only=("eval", "eval_quit")))):
        return True
    while run.engine.global_step < run.last_step:
        stats = make_step(run)
        run.log(stats)
        show(bar, stats)
        told = agreed(run.ranks, commands.poll(run.engine.global_step))
        if obey(run, told):
            return True
        act_on_schedule(run, {command.name for command in told})
    return False


def make_step(run: CodecRun) -> dict[str, float]:
    """Draw the clips of a step and make it; returns what is to be logged."""
    began = time.perf_counter()
    wave = run.speech.batch(run.engine.global_step, run.ranks)
    waited = time.perf_counter() - began
    stats = run.engine.step(wave)
    seconds = time.perf_counter() - began
    heard = wave.numel() * run.ranks.size / run.speech.sample_rate
    pace = {"seconds": seconds, "data_wait": waited / seconds, "audio_per_second": heard / seconds}
    rest = {
        "memory_gib": peak_memory(run.engine.device),
        "remaining_hours": remaining_seconds(run, run.last_step) / 3600,
    }
    return stats | pace | rest


def act_on_schedule(run: CodecRun, done: Collection[str]) -> None:
    """Evaluate and save when their step has come, unless a command had it `done`; `finish` does so at the end."""
    step = run.engine.global_step
    if step == run.last_step:
        return
    if is_due(step, run.cfg.evaluation_frequency) and "eval" not in done:
        run.evaluate()
    if is_due(step, run.cfg.save_frequency) and "save" not in done:
        run.save()


def finish(run: CodecRun, *, told_to_quit: bool) -> float:
    """Save, and evaluate what is complete; returns the mean loss of the last steps."""
    progress = run.engine.global_step > run.first_step
    if progress and not told_to_quit and run.cfg.evaluation_frequency:
        run.evaluate()
    if progress:
        run.save()
    elif not told_to_quit:
        log.info("Nothing is left to do: steps=%d is reached, a larger one goes on", run.last_step)
    run.writer.finish()
    log.info("%s at step %d: %s", "Stopped" if told_to_quit else "Finished", run.engine.global_step, run.folder)
    loss = 0.0
    if run.metrics is not None:
        plot_curves(run.metrics.path, run.folder / "metrics.png", CHARTS)
        loss = mean_loss(run.metrics.path)
    return run.ranks.share(loss)


def describe(run: CodecRun) -> None:
    """What is trained, in one line."""
    parameters = sum(p.numel() for p in run.engine.codec.parameters())
    where = f"{run.ranks.size} ranks" if run.ranks.several else str(run.engine.device)
    log.info("Codec of %s parameters on %s", f"{parameters:,}", where)


def progress_bar(run: CodecRun) -> Bar:
    """A bar over optimizer steps that starts where the run is."""
    return tqdm(
        total=run.last_step,
        initial=run.engine.global_step,
        desc="train codec",
        unit="step",
        dynamic_ncols=True,
        mininterval=1,
        disable=not run.ranks.first,
    )


def show(bar: Bar, stats: dict[str, float]) -> None:
    """Loss and speed beside the bar."""
    against = f", adversarial {stats['adversarial']:.3f}" if "adversarial" in stats else ""
    bar.set_postfix_str(
        f"loss {stats['loss']:.3f}{against}, {stats['audio_per_second']:.1f} s of speech/s", refresh=False
    )
    bar.update()
