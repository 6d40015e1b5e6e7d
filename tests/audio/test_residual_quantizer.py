"""Residual vector quantisation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vall_e.audio.builtin.residual_quantizer import ResidualQuantizer

ALL = torch.full((4,), 4)


@pytest.fixture
def latents() -> Tensor:
    return torch.randn(4, 100, 8, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def trained(latents: Tensor) -> ResidualQuantizer:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(levels=4, entries=16, width=8)
    for _ in range(5):
        quantizer(latents, ALL)
    return quantizer


def test_every_level_leaves_less_over(trained: ResidualQuantizer, latents: Tensor) -> None:
    codes = trained.encode(latents)
    assert codes.shape == (4, 100, 4)
    left = [float((latents - trained.decode(codes[..., :levels])).square().mean()) for levels in (1, 2, 3, 4)]
    assert left == sorted(left, reverse=True)
    assert left[0] < float(latents.square().mean())


def test_codes_name_the_nearest_vectors(trained: ResidualQuantizer, latents: Tensor) -> None:
    codes = trained.encode(latents)
    vectors = trained.codebooks[0].vectors
    assert codes[..., 0].equal(torch.cdist(latents.flatten(0, 1), vectors).argmin(-1).view(4, 100))


def test_quantised_vectors_are_their_own_quantisation(trained: ResidualQuantizer) -> None:
    vectors = trained.codebooks[0].vectors[None]
    assert trained.encode(vectors)[0, :, 0].equal(torch.arange(16))


def test_gradients_pass_straight_through(trained: ResidualQuantizer, latents: Tensor) -> None:
    inputs = latents.clone().requires_grad_()
    quantised, commitment = trained(inputs, ALL)
    quantised.sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.eq(1).all()
    assert commitment.item() > 0


def test_rows_use_only_the_levels_kept(trained: ResidualQuantizer, latents: Tensor) -> None:
    codes = trained.encode(latents)
    expected = [trained.decode(codes[row : row + 1, :, :levels])[0] for row, levels in enumerate([1, 2, 3, 4])]
    quantised, _ = trained(latents, torch.tensor([1, 2, 3, 4]))
    torch.testing.assert_close(quantised, torch.stack(expected))


def test_codes_nobody_uses_are_seeded_anew(latents: Tensor) -> None:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(levels=1, entries=16, width=8)
    quantizer(latents, torch.ones(4))
    lost = quantizer.codebooks[0]
    lost.vectors[3], lost.sums[3], lost.usage[3] = 1e3, 0.0, 0.01
    quantizer(latents, torch.ones(4))
    assert float(lost.vectors[3].abs().max()) < 10
