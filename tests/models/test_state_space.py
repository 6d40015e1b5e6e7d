"""A state space is the same by chunks as one position after another; a convolution sees its last positions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vall_e.models.backbones.causal_convolution import CausalConvolution
from vall_e.models.backbones.mamba2 import Mixer
from vall_e.models.backbones.state_space import CHUNK, scan, step


def drawn(positions: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, decay, b, c = (torch.randn(positions, *shape, generator=generator) for shape in [(3, 4), (3,), (8,), (8,)])
    return x, -decay.abs(), b, c


@pytest.mark.parametrize("positions", [1, 5, CHUNK, CHUNK + 1, 2 * CHUNK + 40])
def test_chunks_give_what_the_recurrence_gives(positions: int) -> None:
    x, decay, b, c = drawn(positions)
    state, expected = torch.zeros(3, 4, 8), []
    for t in range(positions):
        state = decay[t].exp()[:, None, None] * state + x[t][:, :, None] * b[t]
        expected.append(state @ c[t])
    y, last = scan(x, decay, b, c)
    torch.testing.assert_close(y, torch.stack(expected), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(last, state, atol=1e-4, rtol=1e-4)


def test_a_step_goes_on_from_where_a_scan_ended() -> None:
    whole = drawn(CHUNK + 9)
    expected, last = scan(*whole)
    _, state = scan(*(part[:-1] for part in whole))
    y, after = step(*(part[-1:] for part in whole), state[None])
    torch.testing.assert_close(y[0], expected[-1], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(after[0], last, atol=1e-4, rtol=1e-4)


def test_what_forgets_at_once_yields_finite_gradients() -> None:
    x, decay, b, c = drawn(50)
    decay = (1e4 * decay).requires_grad_()
    scan(x, decay, b, c)[0].sum().backward()
    assert decay.grad is not None and decay.grad.isfinite().all()


def test_a_convolution_sees_the_last_positions_of_its_own_sequence() -> None:
    convolution, x = CausalConvolution(2, 3), torch.randn(7, 2)
    found, last = convolution(x, [5, 2])
    weight, bias = convolution.weight[:, 0], convolution.bias
    assert bias is not None
    padded = {5: torch.zeros(2), 4: torch.zeros(2)} | {6: x[5], 7: x[6]}
    second = [sum((weight[:, k] * padded[t + k] for k in range(3)), bias) for t in (4, 5)]
    torch.testing.assert_close(found[5:], torch.stack(second))
    assert last[0].equal(x[3:5]) and last[1].equal(x[5:])
    more, _ = convolution(torch.cat([x[:5], x[:1]]), [6])
    stepped, moved = convolution(x[:1], [1], last[:1])
    torch.testing.assert_close(stepped, more[-1:])
    assert moved[0].equal(torch.stack([x[4], x[0]]))


def test_steps_begin_between_a_thousandth_and_a_tenth_and_decays_between_1_and_16() -> None:
    torch.manual_seed(0)
    mixer = Mixer(32, 64)
    sizes, decays = torch.nn.functional.softplus(mixer.dt_bias), mixer.A_log.exp()
    assert 1e-3 <= sizes.min() < 3e-3 and 0.03 < sizes.max() <= 0.1
    assert 1 <= decays.min() < 3 and 14 < decays.max() <= 16
