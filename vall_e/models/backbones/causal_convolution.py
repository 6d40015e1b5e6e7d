"""A convolution of each channel over the last few positions of a sequence.

Axes: S packed positions, B rows, C channels, K positions in view.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv1d, pad


class CausalConvolution(nn.Conv1d):
    """Before a sequence begins there are zeros; no sequence sees another."""

    def __init__(self, channels: int, view: int) -> None:
        super().__init__(channels, channels, view, groups=channels)

    def forward(  # type: ignore[override]
        self, x: Tensor, lengths: Sequence[int], last: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """x [S, C] -> [S, C], and what a position after each sequence will see of it, [B, K - 1, C].

        `last`: what the next positions of each row, as many of all, see of those before.
        """
        if last is not None:
            return self._step(x, last)
        before = self.kernel_size[0] - 1
        pieces = [pad(piece, (0, 0, before, 0)) for piece in torch.split(x, list(lengths))]
        found = [conv1d(piece.T[None], self.weight, self.bias, groups=self.groups)[0].T for piece in pieces]
        return torch.cat(found), torch.stack([piece[len(piece) - before :] for piece in pieces])

    def _step(self, x: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        view, before = torch.cat([last, x.view(len(last), -1, x.shape[1])], 1), last.shape[1]
        out = (view.unfold(1, before + 1, 1) * self.weight[:, 0]).sum(-1).flatten(0, 1)
        return out if self.bias is None else out + self.bias, view[:, len(view[0]) - before :]
