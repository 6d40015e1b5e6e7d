"""The training loop of the codec: a batch, a step, log, maybe evaluate, maybe save, obey commands."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from pathlib import Path

from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.engines.memory import peak_memory
from vall_e.training.commands import Commands
from vall_e.training.curves import plot_curves
from vall_e.training.obey import agreed, is_due, obey
from vall_e.training.progress_bar import Bar, progress_bar
from vall_e.training.session import session

from .charts import CHARTS
from .run import CodecRun, open_run

log = logging.getLogger(__name__)


def train_codec(cfg: CodecTrainingConfig, folder: Path) -> float:
    """Train in `folder` until `steps` or told to quit; returns the mean loss of the last steps.

    Every rank calls it, the first alone reads commands and writes. The codec lies in `folder/codec.safetensors`.
    """
    with session(lambda ranks: open_run(cfg, folder, ranks), folder, cfg.device) as (run, commands):
        with progress_bar(run, "train codec", refresh_seconds=1) as bar:
            told_to_quit = go_on(run, commands, bar)
        return finish(run, told_to_quit=told_to_quit)


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
        "remaining_hours": run.remaining_seconds(run.last_step) / 3600,
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
    if run.metrics is not None:
        plot_curves(run.metrics.path, run.folder / "metrics.png", CHARTS)
    return run.mean_loss()


def show(bar: Bar, stats: dict[str, float]) -> None:
    """Loss and speed beside the bar."""
    against = f", adversarial {stats['adversarial']:.3f}" if "adversarial" in stats else ""
    bar.set_postfix_str(
        f"loss {stats['loss']:.3f}{against}, {stats['audio_per_second']:.1f} s of speech/s", refresh=False
    )
    bar.update()
