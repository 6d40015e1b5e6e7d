"""What happens when a step does not fit into memory."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from vall_e.data.sample import Sample
from vall_e.errors import VallEError

from .run import Run

log = logging.getLogger(__name__)

# What torch says on the CPU, where running out of memory has no class of its own.
CPU_ALLOCATION_FAILED = ("not enough memory", "can't allocate memory")


def step_in_memory(run: Run, micro_batches: Sequence[Sequence[Sample]]) -> dict[str, float]:
    """One optimizer step of the engine.

    When memory runs out the run is saved if `save_on_oom`, so that it goes on behind this batch when it is started
    again, and a VallEError tells the sizes and what to change. With `check_for_oom` off torch's own error is raised.
    """
    try:
        return run.engine.step(micro_batches)
    except (RuntimeError, MemoryError) as error:
        if not (run.cfg.trainer.check_for_oom and is_out_of_memory(error)):
            raise
        if run.cfg.trainer.save_on_oom:
            run.save()
        raise VallEError(told(run, micro_batches)) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device or the machine has no memory left."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in CPU_ALLOCATION_FAILED)


def told(run: Run, micro_batches: Sequence[Sequence[Sample]]) -> str:
    """The sizes of the batch that did not fit, and the settings that make it smaller."""
    largest = max(micro_batches, key=lambda batch: sum(len(sample.response) for sample in batch))
    frames = sum(len(sample.response) for sample in largest)
    size = f"{len(largest)} samples with {frames} frames of speech"
    return (
        f"memory ran out on {run.engine.device} at step {run.engine.global_step + 1}, in a micro-batch of {size}: "
        f"lower hyperparameters.batch_size={run.cfg.hyperparameters.batch_size} and raise "
        "hyperparameters.gradient_accumulation_steps, or lower dataset.duration_range"
    )
