"""Gradients in a few long buffers: zeroed, averaged over ranks and clipped without a copy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

from .ranks import Ranks, alert

PIECE = 1 << 25
"""Elements that are sent at once."""


class GradientBuffer:
    """Gradients of the parameters that are trained, as views of one buffer for each device and number format.

    A parameter that no sample of a step used has gradient 0, not none: so the optimizer treats it the same on any
    number of ranks, and as sharded engines do.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        kinds: dict[tuple[torch.device, torch.dtype], list[nn.Parameter]] = defaultdict(list)
        for parameter in self.parameters:
            kinds[parameter.device, parameter.dtype].append(parameter)
        self.buffers = [_lay_out(members) for members in kinds.values()]

    def zero(self) -> None:
        """Set every gradient to 0."""
        for buffer in self.buffers:
            buffer.zero_()

    def average(self, ranks: Ranks) -> None:
        """Replace gradients by their mean over ranks."""
        if not ranks.several:
            return
        with alert():
            pending = [
                dist.all_reduce(piece, async_op=True) for buffer in self.buffers for piece in torch.split(buffer, PIECE)
            ]
            for work in pending:
                work.wait()
        for buffer in self.buffers:
            buffer.div_(ranks.size)


def _lay_out(parameters: list[nn.Parameter]) -> Tensor:
    buffer = parameters[0].new_zeros(sum(p.numel() for p in parameters))
    sizes = [p.numel() for p in parameters]
    for parameter, view in zip(parameters, torch.split(buffer, sizes), strict=True):
        parameter.grad = view.view_as(parameter)
    return buffer
