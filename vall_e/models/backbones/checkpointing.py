"""Gradient checkpointing (arXiv:1604.06174): which layers forget their activations, and where their inputs wait."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from vall_e.config.optimizations import OptimizationsConfig
from vall_e.config.trainer import TrainerConfig


@dataclass(frozen=True, kw_only=True)
class Checkpointing:
    """How the layers of a backbone run in training.

    every: layers 0, every, 2 every, ... keep nothing but their input and run again in the backward pass; 0 is none.
    offload: these inputs wait in main memory.
    """

    every: int = 0
    offload: bool = False

    @classmethod
    def chosen_by(cls, trainer: TrainerConfig, optimizations: OptimizationsConfig) -> Checkpointing:
        """What the settings of a run ask for."""
        every = trainer.checkpoint_every if trainer.gradient_checkpointing else 0
        return cls(every=every, offload=optimizations.unsloth)

    def run(self, layer: nn.Module, index: int, *arguments: Any) -> Any:
        """The output of the layer of number `index`."""
        if not self.every or index % self.every:
            return layer(*arguments)
        with self._waiting():
            return checkpoint(layer, *arguments, use_reentrant=False)

    def _waiting(self) -> AbstractContextManager[None]:
        # Inside, hooks of `checkpoint` itself lie above these, which so see its inputs alone.
        return saved_tensors_hooks(to_main_memory, to_device) if self.offload else nullcontext()


Waiting = tuple[torch.device, Tensor]
"""A tensor in main memory and the device it came from."""


def to_main_memory(tensor: Tensor) -> Waiting:
    """From a GPU a copy into pinned memory, which the GPU makes while the next layer runs; else the tensor itself."""
    if not tensor.is_cuda:
        return tensor.device, tensor
    pinned = torch.empty_like(tensor, device="cpu", pin_memory=True)
    return tensor.device, pinned.copy_(tensor, non_blocking=True)


def to_device(waiting: Waiting) -> Tensor:
    """The tensor back where it was; the GPU waits for it by itself, as all is asked of the same stream."""
    device, tensor = waiting
    return tensor.to(device, non_blocking=True)
