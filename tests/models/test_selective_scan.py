"""Packed sequences of Mamba's state space are what each is alone, one position after another, and so are gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from vall_e.models.backbones.selective_scan import POSITIONS, LinearRecurrence, selective_scan

CHANNELS, STATE = 3, 5


def drawn(positions: int, channels: int = CHANNELS) -> tuple[tuple[Tensor, ...], Tensor]:
    """d_t x_t, d_t, b and c of so many positions, and rates."""
    generator = torch.Generator().manual_seed(0)
    widths = (channels, channels, STATE, STATE)
    parts = [torch.randn(positions, width, generator=generator, dtype=torch.float64) for width in widths]
    rates = torch.rand(channels, STATE, generator=generator, dtype=torch.float64)
    return (parts[0], parts[1].abs(), *parts[2:]), -rates


def plainly(told: tuple[Tensor, ...], rates: Tensor) -> tuple[Tensor, Tensor]:
    """One sequence: y [N, E] and the last state [E, D]."""
    state, found = torch.zeros_like(rates), []
    for gain, size, b, c in zip(*told, strict=True):
        state = (size[:, None] * rates).exp() * state + gain[:, None] * b
        found.append((state * c).sum(-1))
    return torch.stack(found), state


@pytest.mark.parametrize("lengths", [[1], [POSITIONS + 1], [4, 4, 4], [7, 1, 2 * POSITIONS // 3, 30]], ids=str)
def test_packed_sequences_are_what_each_is_alone(lengths: list[int]) -> None:
    told, rates = drawn(sum(lengths))
    y, last = selective_scan(told, rates, lengths)
    rows = zip(*(part.split(lengths) for part in told), strict=True)
    expected, states = zip(*(plainly(row, rates) for row in rows), strict=True)
    torch.testing.assert_close(y, torch.cat(expected))
    torch.testing.assert_close(last, torch.stack(states))


def test_it_goes_on_from_where_it_ended() -> None:
    told, rates = drawn(2 * 9)
    expected, whole = selective_scan(told, rates, [9, 9])
    rows = [part.view(2, 9, -1) for part in told]
    _, state = selective_scan([row[:, :6].flatten(0, 1) for row in rows], rates, [6, 6])
    y, after = selective_scan([row[:, 6:].flatten(0, 1) for row in rows], rates, [3, 3], state)
    assert y.view(2, 3, -1).equal(expected.view(2, 9, -1)[:, 6:]) and after.equal(whole)


def test_gradients_of_the_recurrence_are_those_of_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = [(4, 2, 3), (4, 2, 3), (2, 3)]
    told = [torch.rand(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]
    assert torch.autograd.gradcheck(LinearRecurrence.apply, told)


def gradients(told: tuple[Tensor, ...], rates: Tensor, packed: bool, lengths: list[int]) -> list[Tensor]:
    leaves = [part.clone().requires_grad_() for part in (*told, rates)]
    if packed:
        y, last = selective_scan(leaves[:4], leaves[4], lengths)
    else:
        rows = zip(*(part.split(lengths) for part in leaves[:4]), strict=True)
        found, states = zip(*(plainly(row, leaves[4]) for row in rows), strict=True)
        y, last = torch.cat(found), torch.stack(states)
    (y.square().sum() + last.sum()).backward()
    return [leaf.grad for leaf in leaves if leaf.grad is not None]


def test_gradients_are_those_of_one_position_after_another() -> None:
    lengths = [POSITIONS // 2, 3, 20]
    told, rates = drawn(sum(lengths))
    found, expected = (gradients(told, rates, packed, lengths) for packed in (True, False))
    assert len(found) == 5
    torch.testing.assert_close(found, expected)


def test_what_forgets_at_once_yields_finite_gradients() -> None:
    told, rates = drawn(50)
    found = gradients(told, 1e6 * rates, True, [50])
    assert all(gradient.isfinite().all() for gradient in found)


def test_states_of_a_long_sequence_are_not_kept_for_gradients() -> None:
    (*told, c), rates = drawn(8 * POSITIONS, 64)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Any:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        y, _ = selective_scan([part.requires_grad_() for part in (*told, c)], rates, [len(c)])
    states = 8 * len(c) * 64 * STATE
    assert y.requires_grad and 0 < sum(kept.values()) < states / 2
