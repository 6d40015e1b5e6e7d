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

from .layout import MASKED_HEAD, Layout, ModelInput, segment_targets
from .tokens import IGNORED

TOP = 10
"""A prediction counts as right if the target is among this many likeliest ids."""
BALANCE_SHARE = 0.001
"""Of the balance loss of routers in the whole loss."""


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


@dataclass(frozen=True)
class Predicted:
    """Logits of everything a batch predicts.

    batch: what is predicted; logits: float32 [M, V] by head, the entries of `batch` that share it one after another.
    """

    batch: Sequence[Predictions]
    logits: dict[str, Tensor]

    def by_entry(self, values: Mapping[str, Tensor]) -> list[Tensor]:
        """Values [M] by head, one a prediction -> those of each entry of `batch`."""
        found: dict[int, Tensor] = {}
        for head, members in entries_by_head(self.batch).items():
            sizes = [len(self.batch[i].rows) for i in members]
            found |= dict(zip(members, torch.split(values[head], sizes), strict=True))
        return [found[i] for i in range(len(self.batch))]


@dataclass
class LossOutput:
    """loss: the scalar to minimise; parts: its summands by name; stats: what is only logged.

    predicted: the logits it was computed from, if they were asked for.
    """

    loss: Tensor
    parts: dict[str, Tensor] = field(default_factory=dict)
    stats: dict[str, Tensor] = field(default_factory=dict)
    predicted: Predicted | None = None


def predictions(
    samples: Sequence[ModelInput], layouts: Sequence[Layout], *, sums: bool, ignore_inputs: bool
) -> list[Predictions]:
    """Everything the batch predicts, segment by segment.

    A causal head reads a prediction `causal_size` positions earlier: with one the first id of a segment is read at the
    separator before it. With `ignore_inputs` the output segment alone is learnt, in every task.
    """
    found, offset = [], 0
    for index, (sample, layout) in enumerate(zip(samples, layouts, strict=True)):
        for segment in layout.segments:
            if ignore_inputs and segment.name != layout.output:
                continue
            targets = segment_targets(sample, segment.name, sums)
            rows = torch.arange(segment.start, segment.start + segment.length) - layout.ahead
            for head, level, turn in layout.turns(segment, sample.level):
                learnt = (targets[turn] != IGNORED) & (rows[turn] >= 0)
                if learnt.any():
                    row, target = offset + rows[turn][learnt], targets[turn][learnt]
                    found.append(Predictions(index, segment.name, head, level, row, target))
        offset += layout.length
    return found


def entries_by_head(batch: Sequence[Predictions]) -> dict[str, list[int]]:
    """Which entries of the batch are read by each head."""
    found: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(batch):
        found[entry.head].append(index)
    return found


def read_heads(hidden: Tensor, batch: Sequence[Predictions], head: Callable[[str, Tensor], Tensor]) -> Predicted:
    """The logits of `batch` from hidden states [S, d]. Each head runs once, on the rows it is asked for alone."""
    logits = {}
    for name, members in entries_by_head(batch).items():
        rows = torch.cat([batch[i].rows for i in members]).to(hidden.device)
        logits[name] = head(name, hidden[rows]).float()
    return Predicted(batch, logits)


def score(predicted: Predicted) -> tuple[list[Tensor], list[Tensor]]:
    """Negative log-likelihood and top-10 hit of every prediction, [M] each per entry of the batch."""
    losses, hits = {}, {}
    for name, members in entries_by_head(predicted.batch).items():
        logits = predicted.logits[name]
        targets = torch.cat([predicted.batch[i].targets for i in members]).to(logits.device)
        losses[name] = cross_entropy(logits, targets, reduction="none")
        hits[name] = hit(logits.detach(), targets)
    return predicted.by_entry(losses), predicted.by_entry(hits)


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
        if is_learnt(entry, factors):
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


def with_balance(output: LossOutput, balance: Sequence[Tensor]) -> LossOutput:
    """The loss with that of routers, a scalar for each of their layers, as its part `aux_loss`; as is without any."""
    if not balance:
        return output
    auxiliary = BALANCE_SHARE * torch.stack([loss.to(output.loss.device) for loss in balance]).mean()
    return LossOutput(output.loss + auxiliary, output.parts | {"aux_loss": auxiliary}, output.stats)


def is_learnt(entry: Predictions, factors: Mapping[str, float]) -> bool:
    """Whether the factors of segments, if there are any, have one for that of `entry`."""
    return not factors or bool(factors.get(entry.segment))


def per_sample_mean(values: Sequence[Tensor], members: Mapping[int, Sequence[int]]) -> Tensor:
    """Mean over samples of the mean of what belongs to each."""
    return torch.stack([torch.cat([values[i] for i in indices]).mean() for indices in members.values()]).mean()


def level_means(batch: Sequence[Predictions], losses: Sequence[Tensor]) -> dict[str, Tensor]:
    """Mean loss of the output predictions of each RVQ level that the batch trains, and of each other kind of output.

    Named `nll.level0`, ..., `nll.masked` for masked ones of level 0, `nll.stt` and `nll.len`.
    """
    by_kind: dict[str, list[Tensor]] = defaultdict(list)
    for entry, loss in zip(batch, losses, strict=True):
        if (kind := output_kind(entry)) is not None:
            by_kind[kind].append(loss.detach())
    return {f"nll.{name}": torch.cat(found).mean() for name, found in sorted(by_kind.items())}


def output_kind(entry: Predictions) -> str | None:
    """`level0`, `masked`, `stt` or `len`; None for predictions of an input."""
    if entry.segment == "resp":
        return "masked" if entry.head == MASKED_HEAD else f"level{entry.level}"
    return entry.head if (entry.head, entry.segment) in (("stt", "text"), ("len", "len")) else None
