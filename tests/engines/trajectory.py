"""`python -m tests.engines.trajectory SPEECH OUT STEPS ENGINE...`: train with engines, one after another, on all ranks.

Writes OUT/ENGINE.json, the losses and gradient norms of every step, and OUT/ENGINE, a checkpoint of the end.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from tests.small_run import identity, small
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.schema import Config
from vall_e.config.trainer import Backend
from vall_e.data.dataset import SpeechDataset
from vall_e.data.loader import open_loader
from vall_e.engines.engine import Engine
from vall_e.engines.open_engine import open_engine
from vall_e.engines.ranks import Ranks, joined_ranks
from vall_e.text import open_tokenizer

COMMON: dict[str, Any] = {"dropout": 0.0, "torch_optimizer": True, "torch_scheduler": True, "warmup_steps": 3}
PARTITIONED = {"stage3_param_persistence_threshold": 0, "stage3_max_live_parameters": 1}
"""Else ZeRO's third stage keeps parameters of such a small model whole."""


def settings(speech: Path, name: str, ranks: int, total: int = 2) -> Config:
    """Settings of an engine by name, `total` micro-batches a step on all ranks together."""
    cfg = small(speech, **COMMON, gradient_accumulation_steps=total // ranks, iterations=100)
    cfg.model.experimental = ModelExperimentalConfig(layerskip_p_max=0.3)
    trainer = cfg.trainer
    if name == "fsdp":
        return replace(cfg, trainer=replace(trainer, fsdp=True))
    if name.startswith("zero"):
        level = int(name[4:])
        zero = replace(trainer.deepspeed, zero_optimization_level=level)
        return replace(cfg, trainer=replace(trainer, backend=Backend.deepspeed, deepspeed=zero))
    return cfg


def trained(cfg: Config, ranks: Ranks, steps: int, start: Path | None = None) -> tuple[Engine, list[list[float]]]:
    """An engine after `steps` steps from the checkpoint `start`, and [loss, gradient norm] of each."""
    tokenizer, codec = open_tokenizer(None, None), identity()
    dataset = SpeechDataset(Path(cfg.dataset.hdf5_name), cfg.dataset, tokenizer, "training", codec.frame_rate, cfg.seed)
    loader = open_loader(dataset, cfg.dataset, cfg.hyperparameters.batch_size, cfg.seed, ranks.rank, ranks.size)
    engine = open_engine(cfg, tokenizer, codec, ranks)
    if start is not None:
        loader.load_state_dict(engine.load(start)["loader"])
    found = []
    for _ in range(steps):
        stats = engine.step(list(islice(loader, cfg.hyperparameters.gradient_accumulation_steps)))
        found.append([stats["loss"], stats["grad_norm"]])
    snapshot = engine.snapshot({"loader": loader.state_dict()})
    engine.last = snapshot  # type: ignore[attr-defined]
    return engine, found


def main() -> None:
    """Train with every engine named."""
    speech, out, steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with joined_ranks("cpu") as ranks:
        for told in sys.argv[4:]:
            name, _, start = told.partition("@")
            cfg = settings(speech, name, ranks.size)
            engine, found = trained(cfg, ranks, steps, out / start / "end" if start else None)
            if ranks.first:
                (out / f"{told}.json").write_text(json.dumps(found))
                engine.write(engine.last, out / told, "end")  # type: ignore[attr-defined]
            ranks.wait()


if __name__ == "__main__":
    main()
