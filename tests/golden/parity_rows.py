"""Embeddings and logits that the reference implementation computed with random weights, cut to a few rows.

`python -m tests.golden.parity_rows A=FOLDER C=FOLDER` cuts them from folders of fixtures, which hold weights of 7 MB
each, into `parity/`: inputs, flags, and `rows.npz` with

    PASS.embeds        [R, d], the input vectors at the positions `chosen`
    PASS.position_ids  [S]
    PASS.hidden        [d], that of the last position
    PASS.logits        [C], those of `COLUMNS` from it
    row.TABLE, at.TABLE  the rows of embeddings and heads that these follow from, and their numbers
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from vall_e.evaluation.parity.fixture import Fixture, read_fixture
from vall_e.evaluation.parity.passes import passes
from vall_e.models.layout import Layout
from vall_e.models.vall_e import VallE

FOLDER = Path(__file__).with_name("parity")
COLUMNS = torch.arange(0, 256, 36)
KEPT = ("small", "model_flags", "experimental", "segments", "batch1", "batch2")


def chosen(layout: Layout) -> Tensor:
    """Of every segment the first two vectors, the last, and the separator behind it."""
    places = {
        place
        for s in layout.segments
        for place in (*range(s.start, s.start + min(2, s.length)), s.start + s.length - 1, s.start + s.length)
    }
    return torch.tensor(sorted(place for place in places if place < layout.length))


def names(fixture: Fixture, name: str, index: int) -> str:
    return f"{name}.{index}" if fixture.batched else name


def used_rows(fixture: Fixture) -> dict[str, Tensor]:
    """Numbers of the rows that the chosen vectors are made of: those whose gradient is not 0."""
    model = VallE(fixture.config)
    for samples in passes(fixture).values():
        packed = model.pack(samples)
        for layout, vectors in zip(packed.layouts, torch.split(packed.embeddings, packed.lengths), strict=True):
            vectors[chosen(layout)].sum().backward(retain_graph=True)
    found = {name: p.grad for name, p in model.named_parameters() if p.grad is not None and p.ndim == 2}
    return {name: grad.abs().sum(-1).nonzero()[:, 0] for name, grad in found.items()}


def cut(source: Path, target: Path) -> None:
    fixture = read_fixture(source)
    weights = load_file(source / "weights.safetensors")
    rows = used_rows(fixture) | {name: COLUMNS for name in weights if name.startswith("classifiers")}
    kept: dict[str, Any] = {f"at.{name}": at.numpy().astype(np.int16) for name, at in rows.items()}
    kept |= {f"row.{name}": weights[name][at].numpy() for name, at in rows.items()} | {"sep": weights["sep"].numpy()}
    outputs, model = np.load(source / "outputs.npz"), VallE(fixture.config)
    for name, samples in passes(fixture).items():
        for index, layout in enumerate(model.pack(samples).layouts):
            place = names(fixture, name, index)
            if f"{place}.embeds" in outputs:
                kept[f"{place}.embeds"] = outputs[f"{place}.embeds"][chosen(layout)]
                kept[f"{place}.position_ids"] = outputs[f"{place}.position_ids"].astype(np.int16)
                kept[f"{place}.hidden"] = outputs[f"{place}.hidden"][-1]
                kept[f"{place}.logits"] = outputs[f"{place}.logits"][-1, COLUMNS]
    target.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(target / "rows.npz", **kept)
    (target / "inputs.npz").write_bytes((source / "inputs.npz").read_bytes())
    meta = {key: value for key, value in fixture.meta.items() if key in KEPT}
    (target / "meta.json").write_text(json.dumps(meta) + "\n")


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        letter, _, folder = argument.partition("=")
        cut(Path(folder), FOLDER / letter)
