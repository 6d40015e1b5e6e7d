"""Which blocks of a packed batch see each other, for FlexAttention, which leaves out all others.

Axes: S packed positions, n blocks of BLOCK positions.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask

BLOCK = 128


def packed_block_mask(lengths: Sequence[int], causal: Sequence[bool], device: torch.device) -> BlockMask:
    """Every sequence sees itself alone, causally or in full.

    Made from the lengths: torch's own `create_block_mask` asks every pair of positions.
    """
    sequences = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths)).to(device)
    is_causal = torch.tensor(causal).to(device)[sequences]

    def visible(_batch: Tensor, _head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        return (sequences[query] == sequences[key]) & ((key <= query) | ~is_causal[query])

    some, every = (listed(blocks, device) for blocks in seen_blocks(lengths, causal))
    return BlockMask.from_kv_blocks(
        *some, *every, BLOCK_SIZE=BLOCK, mask_mod=visible, seq_lengths=(len(sequences), len(sequences))
    )


def seen_blocks(lengths: Sequence[int], causal: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """Of bool [n, n] for blocks of queries and of keys: where some pairs are visible but not all, and where all are."""
    count = -(-sum(lengths) // BLOCK)
    touched, whole = torch.zeros(2, count, count, dtype=torch.bool)
    start = 0
    for length, is_causal in zip(lengths, causal, strict=True):
        end = start + length
        within = slice(start // BLOCK, -(-end // BLOCK))
        touched[within, within] |= _square(within, 0 if is_causal else count)
        inside = slice(-(-start // BLOCK), max(-(-start // BLOCK), end // BLOCK))
        whole[inside, inside] = _square(inside, -1 if is_causal else count)
        start = end
    return touched & ~whole, whole


def _square(blocks: slice, diagonal: int) -> Tensor:
    """True up to a diagonal, among these blocks."""
    side = blocks.stop - blocks.start
    return torch.ones(side, side, dtype=torch.bool).tril(diagonal)


def listed(blocks: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """bool [n, n] -> int32 [1, 1, n] and [1, 1, n, n]: how many blocks of keys each of queries has, and these first."""
    order = blocks.int().argsort(dim=-1, descending=True, stable=True)
    return blocks.sum(-1)[None, None].int().to(device), order[None, None].int().to(device)
