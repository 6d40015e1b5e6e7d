"""How much memory is taken, what it looks like when it runs out, and what a user is told then."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import torch

from vall_e.config.schema import Config

from .micro_batch import MicroBatch

# What torch says on the CPU, where running out of memory has no class of its own.
CPU_ALLOCATION_FAILED = ("not enough memory", "can't allocate memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the machine has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in CPU_ALLOCATION_FAILED)


def sizes(micro_batches: Sequence[MicroBatch]) -> str:
    """The largest of the micro-batches in words."""
    largest = max(micro_batches, key=lambda batch: batch.frames)
    return f"{len(largest.inputs)} samples with {largest.frames} frames of speech"


def advice(cfg: Config, device: torch.device, step: int, micro_batches: Sequence[MicroBatch]) -> str:
    """Sizes of the batch that did not fit even in single samples, and the settings that make it smaller."""
    return (
        f"memory ran out on {device} at step {step}, in a micro-batch of {sizes(micro_batches)}: "
        f"lower hyperparameters.batch_size={cfg.hyperparameters.batch_size} and raise "
        "hyperparameters.gradient_accumulation_steps, or lower dataset.duration_range"
    )


def peak_memory(device: torch.device) -> float:
    """GiB at most taken so far: by tensors on a GPU, else by this process in main memory; 0 where it cannot be told."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    if sys.platform == "win32":
        return 0.0
    import resource

    unit = 1 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
