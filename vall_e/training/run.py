"""Everything a training run holds, built from its settings."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vall_e.audio import open_codec
from vall_e.audio.codec import Codec
from vall_e.config.schema import Config
from vall_e.data.cursor import SampleCursor
from vall_e.data.dataset import SpeechDataset
from vall_e.data.loader import Loader, open_loader
from vall_e.data.store import Store
from vall_e.engines.checkpoint import find_checkpoint, remove_oldest
from vall_e.engines.local import LocalEngine
from vall_e.errors import DataError, WeightsError
from vall_e.evaluation.evaluator import Evaluator
from vall_e.text import Tokenizer, open_tokenizer

from .metrics_log import MetricsLog

log = logging.getLogger(__name__)


@dataclass
class Run:
    """A training run in its folder."""

    cfg: Config
    folder: Path
    engine: LocalEngine
    loader: Loader
    validation: SampleCursor
    evaluator: Evaluator
    metrics: MetricsLog
    started: int
    """Unix time of the launch; names the folder of its evaluations."""
    first_step: int = 0
    """Steps made before this launch."""

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints and exports of this model lie."""
        return self.folder / "ckpt" / self.cfg.model.full_name

    @property
    def weights(self) -> Path:
        """The exported weights."""
        return self.checkpoints / f"{self.cfg.weights_name}.{self.cfg.weights_format}"

    def save(self) -> None:
        """Write a checkpoint; export too if wanted; remove the oldest ones."""
        trainer, step = self.cfg.trainer, self.engine.global_step
        tag = str(step) if trainer.save_tag.lower().startswith(("step", "it")) else trainer.save_tag
        positions = {"loader": self.loader.state_dict(), "validation": self.validation.state_dict()}
        log.info("Saved %s", self.engine.save(self.checkpoints, tag, positions))
        remove_oldest(self.checkpoints, trainer.keep_last_checkpoints)
        if trainer.export_on_save:
            self.export()

    def export(self) -> None:
        """Write the weights to speak with."""
        self.engine.export(self.weights)
        log.info("Exported %s", self.weights)

    def evaluate(self) -> None:
        """Generate speech from training and validation texts and compare it with the recordings."""
        size, step = self.cfg.evaluation.size, self.engine.global_step
        if not size:
            log.info("Nothing is evaluated: evaluation.size=0")
            return
        passes = {"subtrain": self.loader.recent(size), "val": self.validation.take(size)}
        folder = self.folder / "logs" / str(self.started) / str(step)
        result = self.evaluator.evaluate(self.engine.model, passes, folder, step)
        self.metrics.log(step, result.metrics)
        log.info("%s: %s", result.summary(), result.page)

    def resume(self) -> None:
        """Go on from the newest whole checkpoint, or begin with `weights`, or from nothing."""
        trainer = self.cfg.trainer
        folder = None if trainer.load_state_dict else find_checkpoint(self.checkpoints, trainer.load_tag)
        weights = self._exported() if trainer.load_state_dict else self.cfg.weights and Path(self.cfg.weights)
        if folder is not None:
            positions = self.engine.load(folder)
            self._restore(positions)
            log.info("Resumed from %s at step %d", folder, self.engine.global_step)
        elif weights:
            self.engine.start_from(weights)
            log.info("Started from the weights %s", weights)
        self.first_step = self.engine.global_step
        if folder is not None and not self.first_step:
            self._keep_metrics_aside()
        self.metrics.truncate(self.first_step)

    def _exported(self) -> Path:
        if not self.weights.is_file():
            raise WeightsError(f"trainer.load_state_dict=true wants the exported weights {self.weights}: no such file")
        return self.weights

    def _keep_metrics_aside(self) -> None:
        # Steps are counted from 0 again, which would drop every line of before.
        aside = self.metrics.path.with_name(f"metrics.before-{self.started}.jsonl")
        shutil.copyfile(self.metrics.path, aside)
        log.info("Steps are counted from 0 again; the metrics of before are in %s", aside)

    def _restore(self, positions: dict[str, Any]) -> None:
        if positions:
            self.loader.load_state_dict(positions["loader"])
            self.validation.load_state_dict(positions["validation"])

    def seconds_per_step(self) -> float:
        """Mean wall time of a step since the launch, evaluations and saves included."""
        return (time.time() - self.started) / max(1, self.engine.global_step - self.first_step)

    def close(self) -> None:
        """End the loader's workers and the logs."""
        self.loader.close()
        self.metrics.close()


def open_run(cfg: Config, folder: Path) -> Run:
    """Build a run and resume what its folder holds."""
    tokenizer = open_tokenizer(cfg.tokenizer, cfg.tokenizer_path)
    codec = open_codec(cfg.audio_backend, cfg.codec, cfg.device)
    training = open_split(cfg, tokenizer, codec, "training")
    validation = open_split(cfg, tokenizer, codec, "validation")
    run = Run(
        cfg=cfg,
        folder=folder,
        engine=LocalEngine(cfg, tokenizer, codec.identity),
        loader=open_loader(training, cfg.dataset, cfg.hyperparameters.batch_size, cfg.seed),
        validation=SampleCursor(validation, cfg.seed),
        evaluator=Evaluator(codec, cfg.evaluation, cfg.seed),
        metrics=MetricsLog(folder, cfg.trainer.tensorboard),
        started=int(time.time()),
    )
    try:
        run.resume()
    except BaseException:
        run.close()
        raise
    return run


def open_split(cfg: Config, tokenizer: Tokenizer, codec: Codec, split: str) -> SpeechDataset:
    """A split of the dataset; without validation speech the training speech stands in, which is said.

    DataError if the codes are not those of the codec in use.
    """
    path = Path(cfg.dataset.hdf5_name)
    with Store(path) as store:
        if store.info.codec != codec.identity:
            raise DataError(
                f"{path} was prepared with other weights of the codec {codec.identity.name}: prepare it again"
            )
        if split == "validation" and not has_split(store, split):
            log.warning("%s has no validation speech: training speech is evaluated in its place", path)
            split = "training"
    rate = codec.identity.frame_rate
    return SpeechDataset(path, cfg.dataset, tokenizer, split, rate, cfg.seed, tolerant=cfg.silent_errors)


def has_split(store: Store, split: str) -> bool:
    """Whether any utterance belongs to `split`."""
    return split in store.info.splits and bool(np.any(store.column("split") == store.info.splits.index(split)))
