"""From logits to one id: filters, temperature, draw, in the order they are applied. V ids of a head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig

# min-p never leaves fewer ids than this.
KEPT_BY_MIN_P = 32


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How one id is drawn; the defaults draw from the predictions as they are.

    A temperature of 0 takes the likeliest id. `min_temperature` is that of a sure prediction; below 0 it is off, as
    0 is for `min_p`, `top_k` and `top_no`.
    """

    temperature: float = 1.0
    min_temperature: float = -1.0
    min_p: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    top_no: float = 0.0


def level_zero_draw(sampling: SamplingConfig) -> Draw:
    """How codes of RVQ level 0 are drawn."""
    return _draw(sampling, sampling.ar_temperature, sampling.min_ar_temperature)


def upper_level_draw(sampling: SamplingConfig) -> Draw:
    """How codes of the levels above are drawn."""
    return _draw(sampling, sampling.nar_temperature, sampling.min_nar_temperature)


def _draw(sampling: SamplingConfig, temperature: float, min_temperature: float) -> Draw:
    return Draw(
        temperature=temperature,
        min_temperature=min_temperature,
        min_p=sampling.min_p,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        top_no=sampling.top_no,
    )


def pick(logits: Tensor, draw: Draw, thrown: Tensor) -> Tensor:
    """Draw one id per row: logits [M, V] and a number of [0, 1) for each, float64 [M] -> int64 [M].

    It is the id in whose share of the ids' cumulative probability the number falls.
    """
    return logits.argmax(-1) if draw.temperature <= 0 else drawn(narrowed(logits, draw), thrown)


def narrowed(logits: Tensor, draw: Draw) -> Tensor:
    """The logits that are drawn from, behind filters and temperature: [M, V] -> float32 [M, V]."""
    filtered = keep_top_p(keep_top_k(keep_min_p(logits, draw.min_p), draw.top_k), draw.top_p).float()
    heated = heat(filtered, draw.temperature, draw.min_temperature) if draw.temperature > 0 else filtered
    return keep_top_no(heated, draw.top_no)


def drawn(logits: Tensor, thrown: Tensor) -> Tensor:
    """Draw one id per row from all that is left: logits [M, V] and numbers float64 [M] -> int64 [M]."""
    cumulative = logits.double().softmax(-1).cumsum(-1)
    all_of_it = cumulative[:, -1:]
    target = (thrown.to(logits.device)[:, None] * all_of_it).minimum(all_of_it.nextafter(torch.zeros_like(all_of_it)))
    return torch.searchsorted(cumulative, target, right=True)[:, 0]


def keep_min_p(logits: Tensor, share: float) -> Tensor:
    """Rule out ids of [..., V] whose probability is below `share` of the highest, but none of the 32 likeliest."""
    if share <= 0.0 or logits.shape[-1] <= KEPT_BY_MIN_P:
        return logits
    probability = logits.softmax(-1)
    low = probability < share * probability.amax(-1, keepdim=True)
    return logits.masked_fill(low & (logits < logits.topk(KEPT_BY_MIN_P, -1).values[..., -1:]), -torch.inf)


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


def heat(logits: Tensor, temperature: float, min_temperature: float) -> Tensor:
    """Divide [..., V] by a temperature that falls to `min_temperature` where the likeliest id is sure.

    T = t - (t - t_min) / (1 + exp(-10 (p_max - 1/2))); a `min_temperature` below 0 leaves t alone.
    """
    if min_temperature < 0:
        return logits / temperature
    surest = logits.softmax(-1).amax(-1, keepdim=True)
    return logits / (temperature - (temperature - min_temperature) * torch.sigmoid(10 * (surest - 0.5))).clamp_min(1e-3)


def keep_top_no(logits: Tensor, spreads: float) -> Tensor:
    """Rule out ids of [..., V] more than `spreads` standard deviations below the likeliest (top-n-sigma,
    arXiv:2411.07641); the deviation is that of the ids not ruled out before. 0 keeps all."""
    if spreads <= 0.0:
        return logits
    finite = logits.isfinite()
    count = finite.sum(-1, keepdim=True)
    known = logits.masked_fill(~finite, 0.0)
    mean = known.sum(-1, keepdim=True) / count
    variance = ((known - mean) ** 2 * finite).sum(-1, keepdim=True) / (count - 1).clamp_min(1)
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) - spreads * variance.sqrt(), -torch.inf)
