"""How a model is given to DeepSpeed."""

from __future__ import annotations

import os
from typing import Any

import torch.distributed as dist

from vall_e.config.schema import Config
from vall_e.errors import MissingExtra, VallEError
from vall_e.optim.optimizers import build_optimizer
from vall_e.optim.parameter_groups import WEIGHT_DECAY, parameter_groups

from .deepspeed_settings import builds_optimizer
from .trained_module import TrainedModule


def hand_over(module: TrainedModule, cfg: Config, settings: dict[str, Any]) -> Any:
    """DeepSpeed's engine around a model; VallEError if it refuses the settings, MissingExtra where it is missing."""
    try:
        import deepspeed
    except ImportError as error:
        raise MissingExtra("deepspeed", "deepspeed", "trainer.backend=deepspeed") from error
    # Sums in shared memory, for inference alone; without a GPU DeepSpeed would compile them for half a minute.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    if not dist.is_initialized():
        os.environ.setdefault("LOCAL_RANK", "0")  # DeepSpeed insists on it, in a single process, too
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)  # type: ignore[attr-defined]
    try:
        engine, *_ = deepspeed.initialize(model=module, **_optimizer(module, cfg, settings), dist_init_required=False)
    except (ValueError, AssertionError, deepspeed.DeepSpeedConfigError) as error:
        if isinstance(error, VallEError):
            raise
        raise VallEError(f"DeepSpeed refuses these settings: {error}") from error
    return engine


def _optimizer(module: TrainedModule, cfg: Config, settings: dict[str, Any]) -> dict[str, Any]:
    """Arguments with our own optimizer, or with the parameters for the one that DeepSpeed builds."""
    model = module.valle
    if builds_optimizer(cfg):
        decay = settings["optimizer"]["params"].get("weight_decay", WEIGHT_DECAY)
        return {"model_parameters": parameter_groups(model, decay), "config": dict(settings)}
    config = {name: value for name, value in settings.items() if name != "optimizer"}
    return {"optimizer": build_optimizer(model, cfg.hyperparameters, [], cfg.optimizations), "config": config}
