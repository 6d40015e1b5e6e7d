"""Losses, gradients and steps of training, as the reference computes them.

It shifts targets within each segment, so that the first id of a segment, which the separator predicts, is not learnt
where segments have losses of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from vall_e.models.layout import Layout, ModelInput
from vall_e.models.loss import LossOutput, Predictions, predictions, read_heads, reduce_loss, score
from vall_e.models.vall_e import VallE

from .fixture import Array, Fixture
from .forward import reference_packed
from .passes import UNLEARNT, Passes

LARGEST_NORM = 1.0


def reference_loss(model: VallE, samples: Sequence[ModelInput]) -> LossOutput:
    """The loss of a batch without the first id of causal segments, unless one loss is unified over all segments."""
    packed = reference_packed(model, samples)
    flags, factors = model.cfg.experimental, model.cfg.loss_factors
    wanted = predictions(
        samples, packed.layouts, sums=model.sums is not None, ignore_inputs=flags.ignore_inputs_for_loss
    )
    if factors:
        wanted = [without_first(entry, packed.layouts[entry.sample]) for entry in wanted]
    return reduce_loss(wanted, *score(read_heads(model.hidden(packed), wanted, model.logits)), factors)


def without_first(entry: Predictions, layout: Layout) -> Predictions:
    """The predictions of a segment that the reference learns."""
    if len(entry.rows) < 2:
        return entry
    return replace(entry, rows=entry.rows[layout.ahead :], targets=entry.targets[layout.ahead :])


@torch.inference_mode()
def loss_arrays(model: VallE, passes: Passes) -> dict[str, Array]:
    """`losses.PASS.PART` with the flags' own factors."""
    found = dict[str, Array]()
    for name in sorted(passes.keys() - {UNLEARNT}):
        parts = reference_loss(model, passes[name]).parts
        found |= {f"losses.{name}.{part}": np.array(value.item()) for part, value in parts.items()}
    return found


def training_arrays(model: VallE, fixture: Fixture, passes: Passes) -> dict[str, Array]:
    """`grads.PARAMETER` of the first step, `training.loss` [steps]; changes the model."""
    if "training" not in fixture.meta:
        return {}
    told, found = fixture.meta["training"], dict[str, Array]()
    optimizer = AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.96), eps=1e-7, weight_decay=0.01)
    losses = []
    for step in range(len(told["steps"])):
        optimizer.zero_grad()
        loss = reference_loss(model, passes[told["batch"]]).loss
        loss.backward()  # type: ignore[no-untyped-call]
        if step == 0:
            grads = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
            found = {f"grads.{name}": grad.clone().numpy() for name, grad in grads.items()}
        losses.append(loss.item())
        clip_grad_norm_(model.parameters(), LARGEST_NORM)
        optimizer.step()
    return found | {"training.loss": np.array(losses)}
