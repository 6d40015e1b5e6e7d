"""Formats of weights files, by suffix."""

from __future__ import annotations

from pathlib import PurePath

PICKLED = ("pt", "pth")
WEIGHTS_FORMATS = ("safetensors", "sft", *PICKLED)


def is_pickled(path: PurePath) -> bool:
    """Whether a file is one of `torch.save`; any other suffix stands for safetensors."""
    return path.suffix.lstrip(".") in PICKLED
