"""Where tensors live."""

from __future__ import annotations

import torch

from vall_e.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """`auto` is the first GPU if there is one; ConfigError if the device named is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise ConfigError(
                f"device={name} is not there: torch sees {torch.cuda.device_count()} GPUs (allowed: auto, cpu)"
            )
    return torch.device(name)
