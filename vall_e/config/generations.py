"""Generations of the model (`model.version`), and what each of them has."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from .model_experimental import ModelExperimentalConfig

LATEST = 5
FIRST_NEEDS = "the layout of generation 1, which had one table for all levels and of which no weights were published"
"""Why `version=1` is refused."""


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What a model has beside text, codes, a backbone and heads.

    tables: what it has embeddings of (lang, task, tone, level, len); weighted: whether the codes of each level are
    multiplied by a number of their own before they are summed.
    """

    tables: tuple[str, ...] = ()
    weighted: bool = False


GENERATIONS = {
    2: Generation(),
    3: Generation(tables=("lang", "task")),
    4: Generation(tables=("lang", "task", "tone"), weighted=True),
    LATEST: Generation(tables=("lang", "task", "tone", "level", "len")),
}


def generation_problems(version: int, capabilities: Collection[str], flags: ModelExperimentalConfig) -> Iterator[str]:
    """What a model of this generation cannot do; nothing of generations that there are not."""
    generation = GENERATIONS.get(version)
    if generation is None or version == LATEST:
        return
    here = f"does not go with version={version}"
    for capability in ("lang", "tone", "len"):
        if capability in capabilities and capability not in generation.tables:
            yield f"capabilities={list(capabilities)}: {capability} {here}, which has no embedding of it"
    if not flags.audio_embedding_sums:
        yield f"experimental.audio_embedding_sums=false {here}, allowed there: true"
    if flags.audio_embedding_sums_mode != "inclusive":
        mode = flags.audio_embedding_sums_mode
        yield f"experimental.audio_embedding_sums_mode={mode} {here}, allowed there: inclusive"
