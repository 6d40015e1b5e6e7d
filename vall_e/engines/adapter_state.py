"""Adapters in a checkpoint: `adapter.<name>.<tensor>`, beside the weights of the plain model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from vall_e.errors import CheckpointError
from vall_e.models.lora.tensors import adapter_state_dict
from vall_e.models.vall_e import VallE

from .checkpoint import load_part

PREFIX = "adapter."


def adapter_tensors(model: VallE) -> Iterator[tuple[str, Tensor]]:
    """The tensors of all adapters of a model, by their names in a checkpoint."""
    for name in model.adapters:
        yield from ((f"{PREFIX}{name}.{key}", tensor) for key, tensor in adapter_state_dict(model, name).items())


@torch.no_grad()
def take_adapters(model: VallE, checkpoint: Path) -> None:
    """Fill the adapters of a model from a checkpoint; CheckpointError if it has others or none of theirs."""
    own, saved = dict(adapter_tensors(model)), load_part(checkpoint, PREFIX)
    if {k: v.shape for k, v in own.items()} != {k: v.shape for k, v in saved.items()}:
        raise CheckpointError("the checkpoint has other adapters than loras: give this run a folder of its own")
    for name, tensor in own.items():
        tensor.copy_(saved[name])
