"""The model as engines want it that spread it over ranks: one module whose forward pass gives the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vall_e.models.layerskip import NO_EXITS
from vall_e.models.layout import ModelInput
from vall_e.models.loss import LossOutput
from vall_e.models.vall_e import VallE

Parts = dict[str, Tensor]


class TrainedModule(nn.Module):
    """Every rank uses every parameter outside the backbone in every pass, and in the same order.

    Which embeddings and heads a batch needs depends on its RVQ levels, so ranks differ. Engines that reduce gradients
    as they come would add up those of different parameters, or wait for ever.
    """

    def __init__(self, model: VallE, *, fill_skipped: bool = False) -> None:
        """`fill_skipped` gives the parameters of layers that are left out gradient 0, not none."""
        super().__init__()
        self.valle, self.fill_skipped = model, fill_skipped

    @property
    def around(self) -> list[nn.Parameter]:
        """The trained parameters outside the backbone."""
        within = {id(p) for p in self.valle.model.parameters()}
        return [p for p in self.valle.parameters() if p.requires_grad and id(p) not in within]

    def forward(
        self, samples: Sequence[ModelInput], skipped: frozenset[int], exits: Mapping[int, float] = NO_EXITS
    ) -> tuple[Tensor, Parts, Parts]:
        """Loss, its parts and statistics: see `LossOutput`."""
        # Backward passes run the newest operation first, so these gradients come last, one after another.
        unused = [*self.around, *self._skipped(skipped)]
        nothing = [use_all(unused)] if unused else []
        output: LossOutput = self.valle(samples, skipped, exits)
        return sum(nothing, output.loss), output.parts, output.stats

    def _skipped(self, layers: frozenset[int]) -> list[nn.Parameter]:
        if not self.fill_skipped:
            return []
        stack = self.valle.model.stack
        return [p for index in sorted(layers) for p in stack[index].parameters() if p.requires_grad]


def use_all(parameters: Sequence[nn.Parameter]) -> Tensor:
    """0, whose gradient with respect to each parameter is 0."""
    zero: Tensor = _UseAll.apply(*parameters)  # type: ignore[no-untyped-call]
    return zero


class _UseAll(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *parameters: Tensor) -> Tensor:
        ctx.likes = [(p.shape, p.dtype, p.device) for p in parameters]
        return parameters[0].new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.zeros(shape, dtype=dtype, device=device) for shape, dtype, device in ctx.likes)
