"""What the reference computed against what was computed here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from .fixture import Array


@dataclass(frozen=True)
class Difference:
    """One array. largest: of floating-point numbers the largest absolute difference, of ids how many differ."""

    name: str
    largest: float
    agrees: bool
    reason: str = ""

    def __str__(self) -> str:
        told = self.reason or f"{self.largest:.3g}"
        return f"{'ok' if self.agrees else 'DIFFERS':8} {self.name}: {told}"


def expected_arrays(folder: Path) -> dict[str, Array]:
    """Everything that a folder says of the reference: outputs, gradients, losses and the course of training."""
    with np.load(folder / "outputs.npz", allow_pickle=False) as outputs:
        found = dict(outputs)
    if (grads := folder / "grads.safetensors").exists():
        found |= {f"grads.{name}": grad for name, grad in load_file(grads).items()}
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return found | dict(_told(meta))


def _told(meta: Mapping[str, Any]) -> Iterator[tuple[str, Array]]:
    for name, variants in meta.get("losses", {}).items():
        parts = variants.get("configured", {}).get("loss", {})
        yield from ((f"losses.{name}.{part}", np.array(value)) for part, value in parts.items())
    if "training" in meta:
        yield "training.loss", np.array([step["loss"] for step in meta["training"]["steps"]])
    if "greedy.len" in meta:
        yield "greedy.len", np.array(meta["greedy.len"])


def compare(ours: Mapping[str, Array], reference: Mapping[str, Array], tolerance: float) -> list[Difference]:
    """Every array of the reference against ours, by name."""
    return [difference(name, ours.get(name), reference[name], tolerance) for name in sorted(reference)]


def difference(name: str, ours: Array | None, reference: Array, tolerance: float) -> Difference:
    """Ids have to be equal, other numbers within `tolerance`; the same infinity on both sides is equal."""
    if ours is None:
        return Difference(name, np.inf, False, "missing here")
    if ours.shape != reference.shape:
        return Difference(name, np.inf, False, f"{ours.shape} here, {reference.shape} there")
    if reference.dtype.kind in "iub":
        count = int(np.sum(ours != reference))
        return Difference(name, count, not count)
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    largest = float(np.abs(np.subtract(a, b, out=np.zeros_like(a), where=a != b)).max(initial=0.0))
    return Difference(name, largest, bool(largest <= tolerance))
