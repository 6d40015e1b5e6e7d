"""From logits to one code: penalties, filters, temperature, draw. Order as applied. V ids of a head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def penalise_repetition(logits: Tensor, previous: Sequence[int], penalty: float, decay: float) -> Tensor:
    """Make ids already used less likely: logits [V], previous ids oldest first.

    A positive logit is divided by penalty * distance^decay, a negative one multiplied, by the distance to the id's last
    use (CTRL, arXiv:1909.05858, section 4.1). A factor below 1 is taken as 1, so that nothing is rewarded.
    """
    if penalty == 1.0 and decay == 0.0:
        return logits
    last_use = {token: place for place, token in enumerate(previous)}
    if not last_use:
        return logits
    ids = torch.tensor(list(last_use), device=logits.device)
    distance = torch.tensor([len(previous) - place for place in last_use.values()], device=logits.device)
    factor = (penalty * distance.to(logits.dtype) ** decay).clamp_min(1.0)
    used = logits[ids]
    return logits.index_put((ids,), torch.where(used > 0, used / factor, used * factor))


def keep_top_k(logits: Tensor, k: int) -> Tensor:
    """Rule out all but the k likeliest ids of [..., V]; 0 keeps all."""
    if k <= 0 or k >= logits.shape[-1]:
        return logits
    return logits.masked_fill(logits < logits.topk(k, -1).values[..., -1:], -torch.inf)


def keep_top_p(logits: Tensor, p: float) -> Tensor:
    """Keep the fewest likeliest ids of [..., V] whose probability exceeds p, the one that crosses it included."""
    if p >= 1.0:
        return logits
    ordered, order = logits.sort(-1, descending=True)
    probability = ordered.softmax(-1)
    outside = probability.cumsum(-1) - probability > p
    return logits.masked_fill(torch.zeros_like(outside).scatter(-1, order, outside), -torch.inf)


def pick(logits: Tensor, temperature: float, top_k: int, top_p: float, generator: Generator) -> Tensor:
    """Draw one id per row: [M, V] -> int64 [M]. Temperature 0 takes the likeliest."""
    if temperature <= 0:
        return logits.argmax(-1)
    filtered = keep_top_p(keep_top_k(logits, top_k), top_p)
    probability = (filtered.float() / temperature).softmax(-1).cpu()
    return torch.multinomial(probability, 1, generator=generator)[:, 0].to(logits.device)
