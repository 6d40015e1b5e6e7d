"""Weights as a dictionary that torch pickles: `module` holds the tensors, the other keys plain data.

Read with `weights_only=True`, which makes tensors and plain data and executes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vall_e.errors import WeightsError

METADATA = ("config", "stats", "userdata", "vall_e")


def write_pickled(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors, and `metadata`, of which every value is JSON, as plain data beside them."""
    torch.save({"module": dict(tensors), **{key: json.loads(value) for key, value in metadata.items()}}, path)


def read_pickled(
    path: Path, key: str = "weights", bodies: Sequence[str] = ("module",)
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata, every value as JSON, and tensors, on the CPU: those under the first of `bodies` that there is.

    `key` is the setting that names the file.

    WeightsError for what is no such file.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has a dozen classes of errors for a file that it cannot read
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise WeightsError(f"{key}={path} is not a file of torch.save ({why})") from error
    if not isinstance(content, dict):
        raise WeightsError(f"{key}={path} holds a {type(content).__name__}, not a dictionary of tensors")
    tensors = next((content[body] for body in bodies if content.get(body)), content)
    if not _are_tensors(tensors):
        within = " or ".join(bodies)
        raise WeightsError(f"{key}={path} holds no tensors by name, neither as its {within} nor by itself")
    try:
        metadata = {name: json.dumps(content[name], ensure_ascii=False) for name in METADATA if name in content}
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{key}={path} has damaged metadata: {error}") from error
    return metadata, tensors


def _are_tensors(found: Any) -> bool:
    return isinstance(found, dict) and bool(found) and all(isinstance(tensor, Tensor) for tensor in found.values())
