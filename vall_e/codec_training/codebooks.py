"""Whether codebooks are used, and how ranks learn them together."""

from __future__ import annotations

import torch
from torch import Tensor

from vall_e.audio.builtin.residual_quantizer import ResidualQuantizer
from vall_e.engines.ranks import Ranks


def pool_over(quantizer: ResidualQuantizer, ranks: Ranks) -> None:
    """Let every rank learn the codebooks from what all of them hear, so that they stay the same everywhere."""
    if ranks.several:
        quantizer.pool = lambda rows: torch.cat(ranks.gather(rows.cpu())).to(rows.device)


def usage_of(quantizer: ResidualQuantizer) -> dict[str, float]:
    """`entropy.levelN` in bits, at most the logarithm of the entries, and `dead.levelN`, codes just re-seeded."""
    found = {}
    for level, book in enumerate(quantizer.books()):
        found[f"entropy.level{level}"] = entropy(book.usage)
        found[f"dead.level{level}"] = float(book.revived)
    return found


def entropy(counts: Tensor) -> float:
    """Of how often each code is used: [K] -> bits."""
    share = counts.double() / counts.double().sum()
    return float(-torch.special.xlogy(share, share).sum() / torch.log(torch.tensor(2.0)))
