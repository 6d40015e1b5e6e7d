"""Several ranks start one run: they must mean the same folder, and the app must know what to do with them."""

from __future__ import annotations

import os

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from vall_e.errors import ConfigError

from .rank import tell_torch, world_size

CLOCK = "${now:"


def start_jointly(*, several: bool) -> None:
    """Make the launch of this rank known to torch; ConfigError for one that cannot come to a good end.

    Without `several` the app runs in one process alone.
    """
    if world_size() == 1:
        return
    job = HydraConfig.get()
    told = f"the launch has {world_size()} ranks (WORLD_SIZE)"
    if not several:
        raise ConfigError(f"{told}, but {job.job.name} runs in one process: start it without a launcher")
    if job.mode is RunMode.MULTIRUN and "WORLD_SIZE" in os.environ:
        raise ConfigError(
            f"{told}, but a sweep cannot be shared by ranks: start it in one process, "
            "and let experiment=slurm/sweep give every job its ranks"
        )
    folder = OmegaConf.to_container(job.run, resolve=False)["dir"]  # type: ignore[call-overload, index]
    if job.mode is RunMode.RUN and CLOCK in str(folder):
        raise ConfigError(
            f"{told}, but hydra.run.dir={folder} names another folder for each: give one without a time of day"
        )
    tell_torch()
