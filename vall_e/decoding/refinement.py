"""A second look at level 0 once it is all said. T response frames."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE


@torch.inference_mode()
def refine(model: VallE, prefix: ModelInput, codes: Tensor) -> Tensor:
    """The likeliest code of every frame after those before it, unguided: int64 [T] -> int64 [T] on the CPU."""
    begun = codes.new_zeros(0, 1) if prefix.response is None else prefix.response
    packed = model.pack([replace(prefix, response=torch.cat([begun, codes[:, None]]))])
    end = packed.lengths[0] - packed.layouts[0].ahead
    logits = model.logits(packed.layouts[0].head, model.hidden(packed)[end - len(codes) : end])
    return logits[:, : model.stop].argmax(-1).cpu()
