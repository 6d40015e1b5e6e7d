"""The state space of Mamba with a decay of its own in every place of the state (arXiv:2312.00752, algorithm 2).

h_t = exp(d_t A) h_{t-1} + d_t x_t b_t^T and y_t = h_t c_t, where d_t is the size of a step of each channel.

Axes: S packed positions, T positions of the longest sequence, B rows, E channels, D width of the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.utils.rnn import pad_sequence
from torch.utils.checkpoint import checkpoint

from .recurrence import by_row

POSITIONS = 128
"""Positions, of all rows together, whose states are in memory at once; they are computed again for gradients."""


def selective_scan(
    told: Sequence[Tensor], rates: Tensor, lengths: Sequence[int], state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Sequences end to end: d_t x_t [S, E], d_t [S, E], b and c [S, D] -> y [S, E], the states after them [B, E, D].

    rates: A, below 0, [E, D]; state: [B, E, D] before the first positions, else zeros.
    """
    steps = [by_step(part, lengths) for part in told]
    at_once = max(1, POSITIONS // len(lengths))
    state = rates.new_zeros(len(lengths), *rates.shape) if state is None else state
    scan: Callable[..., tuple[Tensor, Tensor]] = scan_chunk
    if torch.is_grad_enabled():
        scan = partial(checkpoint, scan_chunk, use_reentrant=False, preserve_rng_state=False)
    found = []
    for pieces in zip(*(torch.split(part, at_once) for part in steps), strict=True):
        y, state = scan(*pieces, rates, state)
        found.append(y)
    return packed(torch.cat(found), lengths), state


def scan_chunk(
    gains: Tensor, sizes: Tensor, b: Tensor, c: Tensor, rates: Tensor, state: Tensor
) -> tuple[Tensor, Tensor]:
    """A few positions of each row, [T, B, ...] each, from a state on -> y [T, B, E], the states after them."""
    fading = (sizes[..., None] * rates).exp()
    states: Tensor = LinearRecurrence.apply(fading, gains[..., None] * b[:, :, None], state)  # type: ignore[no-untyped-call]
    return (states @ c[..., None])[..., 0], states[-1].clone()  # a view would keep all of them


class LinearRecurrence(torch.autograd.Function):
    """h_t = a_t h_{t-1} + g_t in every place: a, g [T, ...], h_0 [...] -> h [T, ...].

    One position after another, which is exact however small a is; rows and channels go together.
    """

    @staticmethod
    def forward(ctx: Any, fading: Tensor, gains: Tensor, state: Tensor) -> Tensor:
        """See above."""
        states, before = gains.clone(), state
        for now, kept in zip(states.unbind(), fading.unbind(), strict=True):
            before = now.addcmul_(kept, before)
        ctx.save_for_backward(fading, state, states)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The same recurrence from the last position to the first."""
        fading, state, states = ctx.saved_tensors
        gradient = gradient.clone()
        steps = list(zip(gradient.unbind(), fading.unbind(), strict=True))
        for (earlier, _), (later, kept) in zip(steps[-2::-1], steps[:0:-1], strict=True):
            earlier.addcmul_(kept, later)
        before = torch.cat([state[None], states[:-1]])
        return gradient * before, gradient, fading[0] * gradient[0]


def by_step(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """Sequences end to end, one position of all after another: [S, ...] -> [T, B, ...], zeros after shorter ones."""
    if len(set(lengths)) == 1:
        return by_row(x, len(lengths)).transpose(0, 1)
    return pad_sequence(list(torch.split(x, list(lengths))))


def packed(x: Tensor, lengths: Sequence[int]) -> Tensor:
    """`by_step` undone: [T, B, ...] -> [S, ...]."""
    return torch.cat([row[:length] for row, length in zip(x.unbind(1), lengths, strict=True)])
