"""Named sizes of the model, factors of the full one, and explicit dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """Width, attention heads and layers of the backbone; head width is dim / heads, MLP width 4 dim."""

    dim: int
    heads: int
    layers: int
    label: str = ""


SIZES = {
    "tiny": ModelSize(dim=192, heads=3, layers=4, label="tiny"),
    "quarter": ModelSize(dim=256, heads=4, layers=12, label="quarter"),
    "half": ModelSize(dim=512, heads=8, layers=12, label="half"),
    "full": ModelSize(dim=1024, heads=16, layers=12),
    "double": ModelSize(dim=1024, heads=16, layers=24, label="double"),
    "extended": ModelSize(dim=1024, heads=16, layers=16),
}


def size_problems(size: Any) -> Iterator[str]:
    """Why `size` names no model size."""
    if isinstance(size, dict):
        missing = {"dim", "heads", "layers"} - set(size)
        foreign = set(size) - {"dim", "heads", "layers", "label"}
        if moved := foreign & {"audio_tokens", "text_tokens"}:
            yield f"size={size}: {min(moved)} is a setting of its own, model.{min(moved)}"
        elif missing or foreign:
            yield f"size={size} must have dim, heads, layers and may have label"
        elif any(type(size[k]) is not int or size[k] < 1 for k in ("dim", "heads", "layers")):
            yield f"size={size}: dim, heads and layers must be whole numbers above 0"
        elif not isinstance(size.get("label", ""), str):
            yield f"size={size}: label must be text"
        elif size["dim"] % (2 * size["heads"]):
            yield f"size={size}: dim must be an even multiple of heads"
    elif isinstance(size, str):
        if size not in SIZES:
            near = get_close_matches(size, SIZES, n=1)
            yield f"size={size!r} is not allowed, allowed: {', '.join(SIZES)}" + (
                f" (nearest: {near[0]})" if near else ""
            )
    elif isinstance(size, bool) or not isinstance(size, (int, float)):
        yield f"size={size!r} must be a name, a factor or {{dim, heads, layers}}"
    elif not 1 / 16 <= size <= 16:
        yield f"size={size} is out of range, allowed: 0.0625 to 16"


def model_size(size: Any) -> ModelSize:
    """Sizes of a preset name, of a factor f (1024 f wide, 16 f heads, 12 layers), or of explicit numbers."""
    if isinstance(size, str):
        return SIZES[size]
    if isinstance(size, dict):
        return ModelSize(**size)
    return ModelSize(dim=64 * int(16 * size), heads=int(16 * size), layers=12, label=f"{size:g}")
