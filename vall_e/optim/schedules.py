"""The course of the learning rate."""

from __future__ import annotations

import math

from vall_e.config.hyperparameters import HyperparametersConfig


def learning_rate_factor(step: int, cfg: HyperparametersConfig, iterations: int) -> float:
    """Share of the peak learning rate at optimizer step `step`, counted from 0.

    A linear warm-up over `warmup_steps`, then constant (`''`, WarmupLR), linear to 0 (WarmupDecayLR) or a cosine to
    `cos_min_ratio` (WarmupCosineLR) at `total_num_steps`.
    """
    if step < cfg.warmup_steps:
        return (step + 1) / cfg.warmup_steps
    total = cfg.scheduler_params.get("total_num_steps", iterations)
    done = min(1.0, (step - cfg.warmup_steps) / max(1.0, total - cfg.warmup_steps))
    match cfg.scheduler.lower():
        case "warmupdecaylr":
            return 1.0 - done
        case "warmupcosinelr":
            lowest = cfg.scheduler_params.get("cos_min_ratio", 0.0)
            return lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * done))
    return 1.0
