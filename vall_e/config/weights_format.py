"""Formats of weights files, by suffix, and the folder."""

from __future__ import annotations

from pathlib import PurePath

PICKLED = ("pt", "pth")
WEIGHTS_FORMATS = ("safetensors", "sft", *PICKLED)
PRETRAINED = "pretrained"
"""In place of a suffix: a folder with config.json, model.safetensors and tokenizer.json."""


def is_pickled(path: PurePath) -> bool:
    """Whether a file is one of `torch.save`; any other suffix stands for safetensors."""
    return path.suffix.lstrip(".") in PICKLED
