"""Entropy and use of codebooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vall_e.evaluation.codec.codebook_use import codebook_use, entropy_bits


@pytest.mark.parametrize(
    ("counts", "bits"), [([5, 5, 5, 5], 2), ([7, 0, 0, 0], 0), ([2, 1, 1, 0], 1.5), ([0, 0, 0, 0], 0)]
)
def test_entropy_of_known_distributions(counts: list[int], bits: float) -> None:
    assert entropy_bits(np.array(counts)) == pytest.approx(bits)


def test_levels_are_counted_apart_over_all_utterances() -> None:
    first = torch.tensor([[0, 3], [1, 3], [2, 3]], dtype=torch.int16)
    second = torch.tensor([[3, 3]], dtype=torch.int16)
    found = codebook_use([first, second], levels=2, codebook_size=8)
    assert found.frames == 4
    assert found.entropy_bits == pytest.approx([2, 0])
    assert found.used == [0.5, 0.125]


def test_random_codes_use_nearly_all_bits() -> None:
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 16, (20_000, 1)).astype(np.int16))
    found = codebook_use([codes], levels=1, codebook_size=16)
    assert 3.99 < found.entropy_bits[0] <= 4
    assert found.used == [1]
