"""`python -m tests.engines.trajectory SPEECH OUT STEPS MOVED_STEPS ENGINE...`: train with engines, one after another.

Started on all ranks; an engine that goes on with the checkpoint of another makes MOVED_STEPS.

Writes OUT/ENGINE.json, the losses and gradient norms of every step, and OUT/ENGINE, a checkpoint of the end.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from tests.small_run import TINY, identity, small
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.schema import Config
from vall_e.config.trainer import Backend
from vall_e.data.dataset import SpeechDataset
from vall_e.data.loader import Loader, open_loader
from vall_e.engines.engine import Engine
from vall_e.engines.open_engine import open_engine
from vall_e.engines.ranks import Ranks, joined_ranks
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.text import open_tokenizer

COMMON: dict[str, Any] = {"dropout": 0.0, "torch_optimizer": True, "torch_scheduler": True, "warmup_steps": 3}
FOUR_LAYERS = TINY | {"layers": 4}
"""So that layers are skipped, and learn as early exits."""
TIGHT = "tight-"
"""Before an engine's name: its second rank has little memory."""
FROZEN = "frozen-"
"""Before an engine's name: some of its parameters are not trained, within the backbone and around it."""
TIED = "tied-"
"""Before an engine's name: heads share the weights of embeddings."""
UNTRAINED = ["sep", "text_emb.weight", "resps_emb.embeddings.0.weight", "model.layers.0.mlp.up_proj.weight"]
PARTITIONED = {"zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0}}
"""Else ZeRO's third stage keeps parameters of such a small model whole."""


def settings(speech: Path, name: str, ranks: int, total: int = 2) -> Config:
    """Settings of an engine by name, `total` micro-batches a step on all ranks together."""
    cfg = small(speech, **COMMON, model__size=FOUR_LAYERS, gradient_accumulation_steps=total // ranks, iterations=100)
    tied = name.startswith(TIED)
    cfg.model.experimental = ModelExperimentalConfig(
        layerskip_p_max=0.3, layerskip=True, layerskip_r=3, tie_classifier_to_embedding=tied
    )
    cfg.model.frozen_params = UNTRAINED if name.startswith(FROZEN) else []
    name, trainer = name.removeprefix(FROZEN).removeprefix(TIED), cfg.trainer
    if name == "fsdp":
        return replace(cfg, trainer=replace(trainer, fsdp=True))
    if name.startswith("zero"):
        level = int(name[4:])
        zero = replace(trainer.deepspeed, zero_optimization_level=level, config=PARTITIONED if level == 3 else {})
        return replace(cfg, trainer=replace(trainer, backend=Backend.deepspeed, deepspeed=zero))
    return cfg


@contextmanager
def short_of_memory() -> Iterator[None]:
    """Inside the block this rank has memory for one sample at a time."""
    roomy = VallE.forward

    def tight(self: VallE, samples: Sequence[ModelInput], *rest: Any) -> Any:
        if len(samples) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return roomy(self, samples, *rest)

    VallE.forward = tight  # type: ignore[method-assign]
    try:
        yield
    finally:
        VallE.forward = roomy  # type: ignore[method-assign]


def trained(engine: Engine, loader: Loader, steps: int) -> list[list[float]]:
    """[loss, gradient norm] of so many steps."""
    found = []
    for _ in range(steps):
        stats = engine.step(list(islice(loader, engine.cfg.hyperparameters.gradient_accumulation_steps)))
        found.append([stats["loss"], stats["grad_norm"]])
    return found


def opened(cfg: Config, ranks: Ranks, start: Path | None = None) -> tuple[Engine, Loader]:
    """An engine and its data, from the checkpoint `start` on."""
    tokenizer, codec = open_tokenizer(None, None), identity()
    path, batch_size = Path(cfg.dataset.hdf5_name), cfg.hyperparameters.batch_size
    dataset = SpeechDataset(path, cfg.dataset, tokenizer, "training", codec.frame_rate, cfg.seed)
    loader = open_loader(dataset, cfg.dataset, batch_size, cfg.seed, ranks.rank, ranks.size)
    engine = open_engine(cfg, tokenizer, codec, ranks)
    if start is not None:
        loader.load_state_dict(engine.load(start)["loader"])
    return engine, loader


def main() -> None:
    """Train with every engine named, `ENGINE@OTHER` from the checkpoint of another on."""
    speech, out, first_steps, moved_steps = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with joined_ranks("cpu") as ranks:
        for told in sys.argv[5:]:
            name, _, start = told.removeprefix(TIGHT).partition("@")
            engine, loader = opened(settings(speech, name, ranks.size), ranks, out / start / "end" if start else None)
            with short_of_memory() if told.startswith(TIGHT) and not ranks.first else nullcontext():
                found = trained(engine, loader, moved_steps if start else first_steps)
            snapshot = engine.snapshot({"loader": loader.state_dict()})
            if ranks.first:
                (out / f"{told}.json").write_text(json.dumps(found))
                engine.write(snapshot, out / told, "end")
            ranks.wait()


if __name__ == "__main__":
    main()
