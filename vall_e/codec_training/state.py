"""All that changes while a codec is trained, by name, as checkpoints hold it: float32, none of it rounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from vall_e.audio.builtin.residual_quantizer import Codebook
from vall_e.errors import CheckpointError

CODEC, DISCRIMINATORS = "codec.", "discriminators."


def changing_tensors(module: nn.Module, prefix: str) -> Iterator[tuple[str, Tensor]]:
    """Parameters and the statistics of codebooks, which an exported codec lacks; constants are left out."""
    for name, parameter in module.named_parameters():
        yield prefix + name, parameter
    for place, part in module.named_modules():
        if isinstance(part, Codebook):
            yield from ((f"{prefix}{place}.{name}", buffer) for name, buffer in part.named_buffers())


@torch.no_grad()
def take_tensors(module: nn.Module, prefix: str, states: Mapping[str, Tensor]) -> None:
    """Put back what a checkpoint holds; CheckpointError if it is of a module of other sizes."""
    own = dict(changing_tensors(module, prefix))
    saved = {name: tensor for name, tensor in states.items() if name.startswith(prefix)}
    if {name: tensor.shape for name, tensor in own.items()} != {name: t.shape for name, t in saved.items()}:
        raise CheckpointError(f"the checkpoint has {prefix.rstrip('.')} of other sizes than these settings")
    for name, tensor in own.items():
        tensor.copy_(saved[name])


@torch.no_grad()
def start_codebooks(module: nn.Module) -> None:
    """Let codebooks that came with weights go on from there, where new ones would be placed by k-means."""
    for part in module.modules():
        if isinstance(part, Codebook):
            part.sums.copy_(part.vectors)
            part.usage.fill_(1.0)
            part.started.fill_(True)
