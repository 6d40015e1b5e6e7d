"""Everything that a codec's training holds, built from its settings."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from torch import Tensor

from vall_e.audio.builtin.spectral_codec import SpectralCodec, SpectralCodecShape
from vall_e.audio.builtin.weights import load_codec, write_codec
from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.config.nearest import hint
from vall_e.engines.checkpoint import remove_oldest
from vall_e.engines.ranks import ALONE, Ranks
from vall_e.engines.snapshot import Snapshot
from vall_e.errors import ConfigError
from vall_e.training.metrics_log import MetricsLog
from vall_e.training.training_run import TrainingRun, resumed

from .checkpoint import start_from, take_checkpoint, take_snapshot, write_snapshot
from .engine import CodecEngine
from .evaluation import measure, write_samples
from .speech import Speech, open_speech

log = logging.getLogger(__name__)

EXPORTED = "codec.safetensors"
WITHOUT_WEIGHTS = ("refinements",)
"""Sizes that may change from one training to the next, as no tensor depends on them."""


@dataclass(kw_only=True)
class CodecRun(TrainingRun):
    """The training of a codec in its folder, on one of its ranks. The first rank alone writes and measures."""

    cfg: CodecTrainingConfig
    engine: CodecEngine
    speech: Speech
    measured: Tensor
    """Clips that are measured: [B, N]."""

    @property
    def subject(self) -> str:
        """The codec's number of parameters."""
        return f"Codec of {sum(p.numel() for p in self.engine.codec.parameters()):,} parameters"

    @property
    def last_step(self) -> int:
        """Steps after which it ends."""
        return self.cfg.steps

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.folder / "ckpt"

    @property
    def exported(self) -> Path:
        """The codec to be used."""
        return self.folder / EXPORTED

    def save(self) -> None:
        """Write a checkpoint and the codec in the background; remove the oldest checkpoints."""
        if self.ranks.first:
            snapshot = take_snapshot(self.engine)
            self.writer.submit("the checkpoint", lambda: self._write(snapshot))

    def export(self) -> None:
        """Write the codec in the background."""
        if self.ranks.first:
            tensors = self.engine.weights()
            self.writer.submit("the codec", lambda: write_codec(self.engine.codec.shape, tensors, self.exported))

    def evaluate(self) -> None:
        """Measure the codec on held-out clips and keep some of them to be listened to."""
        if self.ranks.first:
            with self.engine.speaking() as codec:
                found, coded = measure(codec, self.measured, self.engine.terms)
            self.log(found)
            log.info("Held-out loss at step %d: %.4f", self.engine.global_step, found["held_out.loss"])
            self._keep_samples(coded)
        self.ranks.wait()

    def _keep_samples(self, coded: Tensor) -> None:
        count, step = self.cfg.samples, self.engine.global_step
        if count:
            folder, rate = self.folder / "samples" / str(step), self.engine.codec.shape.sample_rate
            title = f"{self.folder.resolve().name}, step {step}"
            log.info("To listen to: %s", write_samples(folder, self.measured[:count], coded[:count], rate, title))

    def resume(self) -> None:
        """Go on from the newest whole checkpoint, or begin with `weights`, or from nothing."""
        folder = self.newest_checkpoint(self.checkpoints)
        if folder is not None:
            take_checkpoint(self.engine, folder)
            log.info("Resumed from %s at step %d", folder, self.engine.global_step)
        elif self.cfg.weights is not None:
            start_from(self.engine, Path(self.cfg.weights))
            log.info("Started from the codec %s", self.cfg.weights)
        self.first_step = self.engine.global_step
        if self.metrics is not None:
            self.metrics.truncate(self.first_step)
        self.ranks.wait()

    def _write(self, snapshot: Snapshot) -> None:
        log.info("Saved %s", write_snapshot(snapshot, self.engine, self.checkpoints))
        remove_oldest(self.checkpoints, self.cfg.keep_last_checkpoints)
        write_codec(self.engine.codec.shape, snapshot.weights, self.exported)


def open_run(cfg: CodecTrainingConfig, folder: Path, ranks: Ranks = ALONE) -> CodecRun:
    """Build the training on one of its ranks and resume what its folder holds."""
    if cfg.batch_size % ranks.size:
        raise ConfigError(f"batch_size={cfg.batch_size} cannot be shared by {ranks.size} ranks: give a multiple of it")
    shape = codec_shape(cfg, _sized_as(cfg, folder))
    speech = open_speech(cfg, shape.sample_rate, shape.hop, ranks)
    run = CodecRun(
        cfg=cfg,
        folder=folder,
        ranks=ranks,
        engine=fresh_engine(cfg, shape, ranks),
        speech=speech,
        measured=speech.measured(shape.hop),
        metrics=MetricsLog(folder, cfg.tensorboard) if ranks.first else None,
    )
    return resumed(run)


def fresh_engine(cfg: CodecTrainingConfig, shape: SpectralCodecShape, ranks: Ranks = ALONE) -> CodecEngine:
    """An engine with weights that follow from the seed."""
    torch.manual_seed(cfg.seed)
    return CodecEngine(cfg, SpectralCodec(shape), ranks)


def codec_shape(cfg: CodecTrainingConfig, weights: Path | None) -> SpectralCodecShape:
    """The sizes of `weights` or of the shipped codec, `shape` laid over them; ConfigError for a size it has not."""
    base = SpectralCodecShape() if weights is None else load_codec(weights, setting="weights").shape
    names = [field.name for field in fields(SpectralCodecShape)]
    for name, size in cfg.shape.items():
        if name not in names:
            raise ConfigError(f"shape.{name}: no such size, allowed: {', '.join(names)}{hint(name, names)}")
        if size < 1 and name not in WITHOUT_WEIGHTS:
            raise ConfigError(f"shape.{name}={size} is too small, allowed: 1 and more")
        if weights is not None and not _goes_on(base, name, size):
            raise ConfigError(f"shape.{name}={size} contradicts weights={weights}, which has {asdict(base)[name]}")
    return replace(base, **cfg.shape)


def _sized_as(cfg: CodecTrainingConfig, folder: Path) -> Path | None:
    """The codec to begin with; what this run has made of it if it is gone, as a run that has begun needs it no more."""
    if cfg.weights is None:
        return None
    weights, exported = Path(cfg.weights), folder / EXPORTED
    return exported if exported.is_file() and not weights.exists() else weights


def _goes_on(base: SpectralCodecShape, name: str, size: int) -> bool:
    """Whether a codec that has the sizes of `base` can be trained on with this one."""
    return name in WITHOUT_WEIGHTS or size == asdict(base)[name] or (name == "expansion" and size > base.expansion)
