"""Safetensors files, read whole."""

from __future__ import annotations

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from vall_e.errors import WeightsError


def read_safetensors(path: Path, key: str = "weights") -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors, on the CPU; WeightsError, which names the setting `key`, for what is no such file."""
    try:
        with safe_open(path, framework="pt") as file:
            return file.metadata() or {}, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{key}={path} is not a safetensors file: {error}") from error
