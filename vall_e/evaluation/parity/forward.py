"""Forward passes: embeddings, position ids, hidden states and logits of every sample.

Axes: S vectors of a sequence, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from vall_e.models.layout import ModelInput, position_ids
from vall_e.models.packed import Packed
from vall_e.models.prompt import pieces
from vall_e.models.vall_e import VallE
from vall_e.models.weights.fit import fit
from vall_e.models.weights.published import unread

from .fixture import Array, Fixture
from .passes import MIXED, Passes


def load_model(fixture: Fixture) -> VallE:
    """The model of a fixture in eval mode; its heads are as wide as those of its weights."""
    model, weights = VallE(fixture.config), fixture.weights()
    if fixture.config.experimental.split_classifiers:
        for index in range(len(model.classifiers.proj)):
            head = weights.get(f"classifiers.proj.{index}.weight")
            if head is not None:
                model.classifiers.proj[index] = nn.Linear(head.shape[1], len(head))
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith(unread(fixture.config))}
    fit(model, kept, fixture.folder / "weights.safetensors")
    return model.eval()


@torch.inference_mode()
def forward_arrays(model: VallE, fixture: Fixture, passes: Passes) -> dict[str, Array]:
    """`PASS.embeds` [S, d], `PASS.position_ids` [S], `PASS.hidden` [S, d] and `PASS.logits` [S, V], V the widest."""
    found: dict[str, Array] = {}
    for name, samples in passes.items():
        for index, arrays in enumerate(pass_arrays(model, samples)):
            place = f"{name}.{index}" if fixture.batched else name
            wanted = ("logits",) if name.startswith(MIXED) else tuple(arrays)
            found |= {f"{place}.{kind}": arrays[kind].numpy() for kind in wanted}
    return found


def pass_arrays(model: VallE, samples: Sequence[ModelInput]) -> list[dict[str, Tensor]]:
    """The arrays of a pass, by their kind, for each sample."""
    packed = reference_packed(model, samples)
    hidden = torch.split(model.hidden(packed), packed.lengths)
    logits = [model.logits(layout.head, states) for layout, states in zip(packed.layouts, hidden, strict=True)]
    widest = max(rows.shape[-1] for rows in logits)
    padded = [nn.functional.pad(rows, (0, widest - rows.shape[-1]), value=-np.inf) for rows in logits]
    columns = [
        torch.split(packed.embeddings, packed.lengths),
        torch.split(packed.positions.int(), packed.lengths),
        hidden,
        padded,
    ]
    kinds = ("embeds", "position_ids", "hidden", "logits")
    arrays = [dict(zip(kinds, row, strict=True)) for row in zip(*columns, strict=True)]
    if model.cfg.experimental.unified_position_ids:
        arrays = [{kind: array for kind, array in row.items() if kind != "position_ids"} for row in arrays]
    return arrays


def reference_packed(model: VallE, samples: Sequence[ModelInput]) -> Packed:
    """Samples as the reference packs them: it counts no task within a prompt, and fills the positions up with 1."""
    packed = model.pack(samples)
    if model.cfg.experimental.unified_position_ids:
        return packed
    ids = []
    for sample, length in zip(samples, packed.lengths, strict=True):
        counted = replace(sample, prompt=tuple(p for p in pieces(sample.prompt) if not isinstance(p, str)))
        told = position_ids(model.lay_out(counted), unified=False)
        ids.append(nn.functional.pad(told, (0, length - len(told)), value=1))
    return replace(packed, positions=torch.cat(ids))
