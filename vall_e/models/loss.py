"""What is learnt: cross-entropy of the output segment, averaged over samples.

Axes: S packed positions, M predictions, d model width.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .layout import Layout, ModelInput, segment_targets
from .tokens import IGNORED

TOP = 10
"""A prediction counts as right if the target is among this many likeliest ids."""


@dataclass(frozen=True)
class Predictions:
    """Targets of one segment of one sample.

    rows: int64 [M] into the packed hidden states, each the position a prediction is read at; targets: int64 [M].
    """

    sample: int
    segment: str
    head: str
    level: int
    rows: Tensor
    targets: Tensor


@dataclass
class LossOutput:
    """loss: the scalar to minimise; parts: its summands by name; stats: what is only logged."""

    loss: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    stats: dict[str, Tensor] = field(default_factory=dict)


def predictions(
    samples: Sequence[ModelInput], layouts: Sequence[Layout], *, sums: bool, ignore_inputs: bool
) -> list[Predictions]:
    """Everything the batch predicts, segment by segment.

    A causal head reads a prediction one position earlier, so the first id of a segment is read at the separator
    before it. Inputs are ignored only for tasks that have an output of their own (tts, stt, len).
    """
    found, offset = [], 0
    for index, (sample, layout) in enumerate(zip(samples, layouts, strict=True)):
        for segment in layout.segments:
            if ignore_inputs and segment.name != layout.output:
                continue
            targets = segment_targets(sample, segment.name, sums)
            rows = torch.arange(segment.start, segment.start + segment.length) - int(layout.causal_head)
            learnt = (targets != IGNORED) & (rows >= 0)
            if learnt.any():
                row, target = offset + rows[learnt], targets[learnt]
                found.append(Predictions(index, segment.name, layout.head, sample.level, row, target))
        offset += layout.length
    return found


def score(
    hidden: Tensor, batch: Sequence[Predictions], head: Callable[[str, Tensor], Tensor]
) -> tuple[list[Tensor], list[Tensor]]:
    """Negative log-likelihood and top-10 hit of every prediction, [M] each per entry of `batch`.

    hidden: [S, d]. Each head runs once, on the rows it is asked for alone.
    """
    by_head: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(batch):
        by_head[entry.head].append(index)
    losses: dict[int, Tensor] = {}
    hits: dict[int, Tensor] = {}
    for name, members in by_head.items():
        rows = torch.cat([batch[i].rows for i in members]).to(hidden.device)
        targets = torch.cat([batch[i].targets for i in members]).to(hidden.device)
        logits = head(name, hidden[rows]).float()
        sizes = [len(batch[i].rows) for i in members]
        losses |= dict(zip(members, torch.split(cross_entropy(logits, targets, reduction="none"), sizes), strict=True))
        hits |= dict(zip(members, torch.split(hit(logits.detach(), targets), sizes), strict=True))
    return [losses[i] for i in range(len(batch))], [hits[i] for i in range(len(batch))]


def hit(logits: Tensor, targets: Tensor) -> Tensor:
    """Whether each target is among the ten likeliest: [M, V], [M] -> float [M]."""
    best = logits.topk(min(TOP, logits.shape[-1]), -1).indices
    return (best == targets[:, None]).any(-1).float()


def reduce_loss(
    batch: Sequence[Predictions], losses: Sequence[Tensor], hits: Sequence[Tensor], factors: Mapping[str, float]
) -> LossOutput:
    """Mean over samples of the mean over each sample's predictions.

    Without factors all segments of a sample are one (`nll`, `acc`); with them every segment has a loss of its own
    (`resp.nll`, `resp.acc`), multiplied by its factor, and a segment without a factor is not learnt.
    """
    groups: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, entry in enumerate(batch):
        if not factors or factors.get(entry.segment, 0.0):
            groups[f"{entry.segment}." if factors else ""][entry.sample].append(index)
    parts: dict[str, Tensor] = {}
    stats: dict[str, Tensor] = {}
    for prefix, members in groups.items():
        factor = factors[prefix[:-1]] if factors else 1.0
        parts[f"{prefix}nll"] = factor * per_sample_mean(losses, members)
        stats[f"{prefix}acc"] = per_sample_mean(hits, members)
    stats |= level_means(batch, losses)
    loss = torch.stack(list(parts.values())).sum() if parts else torch.zeros((), requires_grad=True)
    return LossOutput(loss, parts, stats)


def per_sample_mean(values: Sequence[Tensor], members: Mapping[int, Sequence[int]]) -> Tensor:
    """Mean over samples of the mean of what belongs to each."""
    return torch.stack([torch.cat([values[i] for i in indices]).mean() for indices in members.values()]).mean()


def level_means(batch: Sequence[Predictions], losses: Sequence[Tensor]) -> dict[str, Tensor]:
    """Mean loss of the response predictions of each RVQ level that the batch trains: `nll.level0`, ..."""
    by_level: dict[int, list[Tensor]] = defaultdict(list)
    for entry, loss in zip(batch, losses, strict=True):
        if entry.segment == "resp":
            by_level[entry.level].append(loss.detach())
    return {f"nll.level{level}": torch.cat(found).mean() for level, found in sorted(by_level.items())}
