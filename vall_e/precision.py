"""Number formats as torch knows them."""

from __future__ import annotations

import torch

from vall_e.config.trainer import WeightDtype

DTYPES = {
    WeightDtype.float32: torch.float32,
    WeightDtype.float16: torch.float16,
    WeightDtype.bfloat16: torch.bfloat16,
}
