"""A second look at level 0 once it is all said. T response frames."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE


@torch.inference_mode()
def refine(model: VallE, prefix: ModelInput, codes: Tensor) -> Tensor:
    """The likeliest code of every frame after those before it, in one pass: int64 [T] -> int64 [T]."""
    begun = codes.new_zeros(0, 1) if prefix.response is None else prefix.response
    packed = model.pack([replace(prefix, response=torch.cat([begun, codes[:, None]]))])
    first = packed.lengths[0] - len(codes) - 1
    logits = model.logits(packed.layouts[0].head, model.hidden(packed)[first:-1])
    return logits[:, : model.stop].argmax(-1).cpu()
