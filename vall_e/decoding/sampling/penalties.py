"""What makes ids less likely because of those already said. V ids of a head; previous ids stand oldest first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from vall_e.config.sampling import SamplingConfig

LONGEST_RUN = 50


def penalises(sampling: SamplingConfig) -> bool:
    """Whether any penalty is on."""
    repetition = sampling.repetition_penalty != 1.0 or sampling.repetition_penalty_decay != 0.0
    return repetition or sampling.length_penalty != 0.0 or sampling.dry_multiplier != 0.0


def penalise_each(logits: Tensor, histories: Sequence[Sequence[int]], stop: int, sampling: SamplingConfig) -> Tensor:
    """The penalties of sequences that have said their histories: logits [B, V] -> [B, V]."""
    if not penalises(sampling):
        return logits
    rows = zip(logits.unbind(), histories, strict=True)
    return torch.stack([penalise(row, history, stop, sampling) for row, history in rows])


def penalise(logits: Tensor, previous: Sequence[int], stop: int, sampling: SamplingConfig) -> Tensor:
    """The penalties of level 0 in their order, of which each is off by default: logits [V] -> [V]."""
    logits = penalise_repetition(logits, previous, sampling.repetition_penalty, sampling.repetition_penalty_decay)
    logits = penalise_length(logits, len(previous) + 1, stop, sampling.length_penalty)
    return penalise_runs(logits, previous, sampling.dry_multiplier, sampling.dry_base, sampling.dry_allowed_length)


def penalise_repetition(logits: Tensor, previous: Sequence[int], penalty: float, decay: float) -> Tensor:
    """Make ids already used less likely: logits [V].

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


def penalise_length(logits: Tensor, length: int, stop: int, power: float) -> Tensor:
    """Make `stop` less likely by length^power, or likelier by a power below 0: logits [V], `length` in ids."""
    if power == 0.0:
        return logits
    factor = float(length) ** power
    changed = logits.clone()
    changed[stop] = logits[stop] / factor if logits[stop] > 0 else logits[stop] * factor
    return changed


def penalise_runs(
    logits: Tensor, previous: Sequence[int], multiplier: float, base: float, allowed_length: int
) -> Tensor:
    """Make ids less likely that would go on with a run said before (DRY, text-generation-webui 2024): logits [V].

    An id loses multiplier * base^(n - allowed_length), where n >= allowed_length is the longest run of ids that ends
    what was said and also stood before an earlier use of that id; n is 50 at most.
    """
    if multiplier == 0.0 or not previous:
        return logits
    longest: dict[int, int] = {}
    for place in range(1, len(previous)):
        if previous[place - 1] == previous[-1]:
            run = common_ending(previous[:place], previous)
            longest[previous[place]] = max(run, longest.get(previous[place], 0))
    changed = logits.clone()
    for token, run in longest.items():
        if run >= allowed_length:
            changed[token] -= multiplier * base ** (run - allowed_length)
    return changed


def common_ending(one: Sequence[int], other: Sequence[int]) -> int:
    """How many ids the ends of two sequences have in common, counted up to `LONGEST_RUN`."""
    limit = min(len(one), len(other), LONGEST_RUN)
    return next((n for n in range(limit) if one[-1 - n] != other[-1 - n]), limit)
