"""Where tensors live."""

from __future__ import annotations

import torch

from vall_e.errors import ConfigError


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """`auto` is a GPU if there is one; of several ranks on a machine each takes the GPU of its number.

    ConfigError if the device is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and local_rank:
        name = f"cuda:{local_rank}"
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise ConfigError(
                f"device={name} is not there: torch sees {torch.cuda.device_count()} GPUs (allowed: auto, cpu)"
            )
    return torch.device(name)
