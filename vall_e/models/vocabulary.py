"""One vocabulary over all segments, as models with `experimental.hf` read and say it.

Its ranges follow each other: text, languages, RVQ levels, codes of prompts, tasks, tones, codes of responses. Codes
are those of level 0, then those of level 1, and so on. A sequence is

    text · [lang] · level · [prom] · [tone] · resp, stop

with the separator between segments, which is the id that also stops. A sequence of ids cannot say a sum: a sample of
level q > 0 shows the codes of level q - 1 alone, of prompt and response, in whose places those of level q are said.

Axes: N ids, T response frames, Q RVQ levels.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import torch
from torch import Tensor

from vall_e.config.model import ModelConfig

from .heads import SINGLE
from .layout import Layout, ModelInput
from .loss import Predictions
from .prompt import pieces
from .tokens import TASK_IDS

SEPARATOR = 3
"""Stands between segments and ends a response; no text of the IPA tokenizer has it."""


class Vocabulary:
    """Where the ids of each kind start, and how many ids there are."""

    def __init__(self, cfg: ModelConfig) -> None:
        codes = cfg.audio_tokens * cfg.resp_levels
        counts = {
            "text": cfg.text_tokens,
            "lang": cfg.langs,
            "level": cfg.resp_levels,
            "prom": codes,
            "task": cfg.tasks,
            "tone": cfg.tones,
            "resp": codes,
        }
        self.codes, self.size = cfg.audio_tokens, sum(counts.values())
        self.starts = dict(zip(counts, accumulate(counts.values(), initial=0), strict=False))

    def ids(self, kind: str, values: Tensor, level: int = 0) -> Tensor:
        """Text ids, rows of a table or codes of a level, int [N] -> int64 [N]; the stop code is the separator."""
        if kind not in ("prom", "resp"):
            return self.starts[kind] + values.long()
        return (self.starts[kind] + level * self.codes + values.long()).masked_fill(values == self.codes, SEPARATOR)

    def sequence(self, sample: ModelInput, layout: Layout) -> Tensor:
        """A sample, the response of which has its stop: int64 [layout.length]."""
        parts = []
        for segment in layout.segments:
            parts += [self._segment(sample, segment.name), torch.tensor([SEPARATOR])]
        return torch.cat(parts[:-1])

    def targets(self, entry: Predictions) -> Predictions:
        """Predictions of ids of this vocabulary, in place of those of a head of their own."""
        level = entry.level if entry.segment == "resp" else 0
        return replace(entry, head=SINGLE, targets=self.ids(entry.segment, entry.targets, level))

    def choices(self, head: str) -> Tensor:
        """The ids that mean what a head `AR:0:0` or `NAR:{q-1}:{q}` says, its codes and the stop: int64 [codes + 1]."""
        return self.ids("resp", torch.arange(self.codes + 1), int(head.rpartition(":")[2]))

    def _segment(self, sample: ModelInput, name: str) -> Tensor:
        newest = max(sample.level - 1, 0)
        match name:
            case "text":
                return self.ids(name, sample.text)
            case "prom":
                return torch.cat([self._piece(piece, newest) for piece in pieces(sample.prompt)])
            case "resp":
                shown = sample.response
                return torch.zeros(0, dtype=torch.int64) if shown is None else self.ids(name, shown[:, newest], newest)
        return self.ids(name, torch.tensor([getattr(sample, name)]))

    def _piece(self, piece: Tensor | str, newest: int) -> Tensor:
        if isinstance(piece, str):
            return self.ids("task", torch.tensor([TASK_IDS[piece]]))
        return self.ids("prom", piece[:, newest], newest)
