"""Everything a training run holds, built from its settings."""

from __future__ import annotations

import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from vall_e.audio import open_codec
from vall_e.config.schema import Config
from vall_e.data.loader import Loader, open_loader
from vall_e.data.sample import Sample
from vall_e.data.sampling.cursor import SampleCursor
from vall_e.engines.checkpoint import remove_oldest
from vall_e.engines.engine import Engine
from vall_e.engines.open_engine import open_engine
from vall_e.engines.ranks import ALONE, Ranks
from vall_e.engines.snapshot import Snapshot
from vall_e.evaluation.evaluator import Evaluator
from vall_e.models.vall_e import VallE
from vall_e.text import open_tokenizer

from .metrics_log import open_metrics_log
from .run_files import RunFiles
from .split import open_split
from .training_run import TrainingRun, resumed

log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Run(TrainingRun):
    """The training of a model in its folder, on one of its ranks."""

    cfg: Config
    engine: Engine
    loader: Loader
    validation: SampleCursor
    evaluator: Evaluator
    started: int
    """Unix time of the launch; names the folder of its evaluations."""

    @property
    def subject(self) -> str:
        """The model's name and its numbers of parameters."""
        every, trained = self.engine.parameter_counts()
        some = f" ({trained:,} are trained)" if trained < every else ""
        return f"{self.cfg.model.full_name}: {every:,} parameters{some}"

    @property
    def last_step(self) -> int:
        """Steps after which it ends."""
        return self.cfg.trainer.iterations

    @property
    def files(self) -> RunFiles:
        """Where checkpoints and exports lie."""
        return RunFiles(self.cfg, self.folder)

    @property
    def positions(self) -> dict[str, Any]:
        """How far loader and evaluations have come."""
        return {"loader": self.loader.state_dict(), "validation": self.validation.state_dict()}

    def save(self) -> None:
        """Write a checkpoint, and export too if wanted, in the background; remove the oldest checkpoints."""
        self._keep(self.engine.snapshot(self.positions))
        if self.cfg.trainer.export_on_save:
            self.export()

    def save_alone(self, positions: dict[str, Any]) -> None:
        """Save without the other ranks, one of which is gone; does nothing if the state is spread over ranks."""
        if self.ranks.first and self.engine.whole and self.engine.global_step > self.first_step:
            self._keep(self.engine.snapshot(positions))
            self.writer.finish()

    def export(self) -> None:
        """Write the weights to speak with, of adapters in training theirs alone, in the background."""
        step, adapters = self.engine.global_step, self.engine.adapters()
        weights = {} if self.files.adapters_alone else self.engine.weights()
        if self.ranks.first:
            self.writer.submit("the export", lambda: self._export(weights, adapters, step))

    def _keep(self, snapshot: Snapshot) -> None:
        if self.ranks.first:
            self.writer.submit("the checkpoint", lambda: self._write(snapshot))

    def _write(self, snapshot: Snapshot) -> None:
        trainer = self.cfg.trainer
        by_step = trainer.save_tag.lower().startswith(("step", "it"))
        tag = str(snapshot.counters["step"]) if by_step else trainer.save_tag
        log.info("Saved %s", self.engine.write(snapshot, self.files.checkpoints, tag))
        remove_oldest(self.files.checkpoints, trainer.keep_last_checkpoints)

    def _export(self, weights: dict[str, Tensor], adapters: dict[str, dict[str, Tensor]], step: int) -> None:
        if weights:
            self.engine.write_weights(self.files.weights, weights, step)
            log.info("Exported %s", self.files.weights)
        for name, tensors in adapters.items():
            path = self.files.adapter(name)
            self.engine.write_adapter(path, name, tensors, step)
            log.info("Exported %s", path)

    def evaluate(self) -> None:
        """Generate speech from training and validation texts and compare it with the recordings."""
        size = self.cfg.evaluation.size
        if not size:
            log.info("Nothing is evaluated: evaluation.size=0")
            return
        passes = {"subtrain": self.loader.recent(size), "val": self.validation.take(size)}
        with self.engine.speaking() as model:
            if self.ranks.first:
                self._evaluate(model, passes)
            self.ranks.wait()

    def _evaluate(self, model: VallE, passes: dict[str, list[Sample]]) -> None:
        step = self.engine.global_step
        folder = self.folder / "logs" / str(self.started) / str(step)
        result = self.evaluator.evaluate(model, passes, folder, step)
        self.log(result.metrics)
        log.info("%s: %s", result.summary(), result.page)

    def resume(self) -> None:
        """Go on from the newest whole checkpoint, or begin with `weights`, or from nothing."""
        told = self.cfg.trainer
        folder = None if told.load_state_dict else self.newest_checkpoint(self.files.checkpoints, told.load_tag)
        if folder is not None:
            positions = self.engine.load(folder)
            self._restore(positions)
            log.info("Resumed from %s at step %d", folder, self.engine.global_step)
        else:
            self._begin()
        self.first_step = self.engine.global_step
        if self.metrics is not None:
            if not self.first_step and (folder is not None or self.files.adapters):
                self._keep_aside(self.metrics.path)
            self.metrics.truncate(self.first_step)

    def _begin(self) -> None:
        weights = self.files.to_start_from()
        if weights is not None:
            self.engine.start_from(weights)
            log.info("Started from the weights %s", weights)
        elif self.files.adapters_alone:
            log.warning("Adapters are trained on a model that has learnt nothing: name its weights with weights=FILE")
        for name, path in self.files.adapters_to_start_from().items():
            self.engine.start_adapter_from(name, path)
            log.info("Started from the adapter %s", path)

    def _keep_aside(self, metrics: Path) -> None:
        if not metrics.stat().st_size:
            return
        # Steps are counted from 0 again, which would drop every line of before.
        aside = metrics.with_name(f"metrics.before-{self.started}.jsonl")
        shutil.copyfile(metrics, aside)
        log.info("Steps are counted from 0 again; the metrics of before are in %s", aside)

    def _restore(self, positions: dict[str, Any]) -> None:
        if positions:
            self.loader.load_state_dict(positions["loader"])
            self.validation.load_state_dict(positions["validation"])

    def close(self) -> None:
        """End the loader's workers, what is being written, and the logs."""
        self.loader.close()
        super().close()


def open_run(cfg: Config, folder: Path, ranks: Ranks = ALONE) -> Run:
    """Build a run on one of its ranks and resume what its folder holds."""
    tokenizer = open_tokenizer(cfg.tokenizer, cfg.tokenizer_path)
    codec = open_codec(cfg.audio_backend, cfg.codec, cfg.device)
    training = open_split(cfg, tokenizer, codec, "training")
    validation = open_split(cfg, tokenizer, codec, "validation")
    run = Run(
        cfg=cfg,
        folder=folder,
        ranks=ranks,
        engine=open_engine(cfg, tokenizer, codec.identity, ranks),
        loader=open_loader(training, cfg.dataset, cfg.hyperparameters.batch_size, cfg.seed, ranks.rank, ranks.size),
        validation=SampleCursor(validation, cfg.seed),
        evaluator=Evaluator(
            codec, cfg.evaluation, cfg.seed, tokenizer=tokenizer if "stt" in cfg.dataset.tasks else None
        ),
        metrics=open_metrics_log(cfg, folder, project=RunFiles(cfg, folder).checkpoints.name) if ranks.first else None,
        started=ranks.share(int(time.time())),
    )
    return resumed(run)
