"""Residual vector quantisation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vall_e.audio.builtin import residual_quantizer
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


def nearest_way(quantizer: ResidualQuantizer, left: Tensor) -> Tensor:
    """What the nearest vector of each level in turn leaves over."""
    for book in quantizer.books():
        left = left - book.vectors[book.nearest(left)]
    return left


def test_a_search_keeps_what_leaves_the_least_over(trained: ResidualQuantizer, latents: Tensor) -> None:
    book = trained.books()[0]
    came_from, ids = book.best(latents[0, :, None], 3)
    distances = torch.cdist(latents[0], book.vectors)
    assert not came_from.any()
    assert ids.equal(distances.topk(3, largest=False).indices)


def test_codes_are_of_a_better_way_than_the_nearest(trained: ResidualQuantizer, latents: Tensor) -> None:
    left = latents - trained.decode(trained.encode(latents))
    assert float(left.square().mean()) < 0.95 * float(nearest_way(trained, latents).square().mean())


def test_a_codebook_alone_names_its_nearest_vectors(trained: ResidualQuantizer, latents: Tensor) -> None:
    alone = ResidualQuantizer(levels=1, entries=16, width=8)
    alone.books()[0].vectors.copy_(trained.books()[0].vectors)
    expected = torch.cdist(latents.flatten(0, 1), alone.books()[0].vectors).argmin(-1)
    assert alone.encode(latents)[..., 0].equal(expected.view(4, 100))


def test_what_is_searched_in_parts_is_the_same(
    trained: ResidualQuantizer, latents: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = trained.encode(latents)
    monkeypatch.setattr(residual_quantizer, "SEARCHED", 7)
    assert trained.encode(latents).equal(at_once)


def test_a_search_of_all_ways_finds_what_a_vector_is_the_sum_of(
    trained: ResidualQuantizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = trained.decode(torch.randint(16, (1, 20, 4), generator=torch.Generator().manual_seed(0)))
    monkeypatch.setattr(residual_quantizer, "WAYS", 16**3)
    torch.testing.assert_close(trained.decode(trained.encode(sums)), sums)


def test_gradients_pass_straight_through(trained: ResidualQuantizer, latents: Tensor) -> None:
    inputs = latents.clone().requires_grad_()
    quantised, commitment = trained(inputs, ALL)
    quantised.sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.eq(1).all()
    assert commitment.item() > 0


def test_training_goes_the_way_that_encoding_goes(trained: ResidualQuantizer, latents: Tensor) -> None:
    expected = trained.decode(trained.encode(latents))
    quantised, _ = trained(latents, ALL)
    torch.testing.assert_close(quantised, expected)


def test_rows_use_only_the_levels_kept(trained: ResidualQuantizer, latents: Tensor) -> None:
    expected = [trained.decode(trained.encode(latents[row, None], levels)) for row, levels in enumerate([1, 2, 3, 4])]
    quantised, _ = trained(latents, torch.tensor([1, 2, 3, 4]))
    torch.testing.assert_close(quantised, torch.cat(expected))


def test_the_best_way_through_fewer_levels_is_not_the_beginning_of_that_through_all(
    trained: ResidualQuantizer, latents: Tensor
) -> None:
    whole, one = trained.encode(latents), trained.encode(latents, 1)
    assert one.shape == (4, 100, 1)
    assert 0 < int((one[..., 0] != whole[..., 0]).sum()) < 200


def test_codes_nobody_uses_are_seeded_anew(latents: Tensor) -> None:
    torch.manual_seed(0)
    quantizer = ResidualQuantizer(levels=1, entries=16, width=8)
    quantizer(latents, torch.ones(4, dtype=torch.int64))
    lost = quantizer.codebooks[0]
    lost.vectors[3], lost.sums[3], lost.usage[3] = 1e3, 0.0, 0.01
    quantizer(latents, torch.ones(4, dtype=torch.int64))
    assert float(lost.vectors[3].abs().max()) < 10
