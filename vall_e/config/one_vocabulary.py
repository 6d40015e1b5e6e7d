"""What models of one vocabulary (`model.experimental.hf`) do not go with."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from .generations import LATEST
from .model_experimental import ModelExperimentalConfig
from .setting import shown

ONE_OF_EACH = ("split_classifiers", "audio_embedding_sums")
"""Switches that one table and one head leave no choice about: they are off."""
OFF = {"interleave": False, "token_dropout_rate": 0.0, **dict.fromkeys(ONE_OF_EACH, False)}


def vocabulary_problems(version: int, capabilities: Collection[str], flags: ModelExperimentalConfig) -> Iterator[str]:
    """Settings of such a model that mean nothing to it; none of other models."""
    if not flags.hf:
        return
    here = "does not go with experimental.hf=true"
    if version != LATEST:
        yield f"version={version} {here}, allowed there: {LATEST}"
    if "len" in capabilities:
        yield f"capabilities={list(capabilities)}: len {here}, whose vocabulary has neither lengths nor a mask"
    for name, allowed in OFF.items():
        if (value := getattr(flags, name)) != allowed:
            yield f"experimental.{name}={shown(value)} {here}, allowed there: {shown(allowed)}"
