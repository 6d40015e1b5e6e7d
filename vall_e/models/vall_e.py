"""The codec language model: embeddings, a backbone, a head per RVQ level and task.

Axes: S positions of all sequences together, M predictions, d model width, V ids of a head.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from vall_e.config.model import ModelConfig

from .backbones.architectures import build_backbone
from .embeddings import (
    CodeEmbedding,
    embed_heard,
    embed_interleaved,
    embed_prompt,
    embed_response,
    has_extra_row,
    response_tables,
    segment_tables,
    sums_mode,
)
from .heads import SINGLE, Heads, TiedHead, head_rows, tied_tables
from .layerskip import NO_EXITS, with_early_exits
from .layout import MASKED_HEAD, Layout, ModelInput, is_causal, lay_out, position_ids
from .lora.adapter import Adapter
from .loss import LossOutput, Predicted, Predictions, predictions, read_heads, reduce_loss, score, with_balance
from .packed import Packed, occupancy
from .prompt import pieces
from .tokens import TASK_IDS


class VallE(nn.Module):
    """Predicts codes from text and a voice prompt, or text from speech.

    Names of parameters are those of the published weights. Which tables beside text and codes there are depends on the
    generation.
    """

    langs_emb: nn.Embedding
    tasks_emb: nn.Embedding
    tones_emb: nn.Embedding
    rvq_l_emb: nn.Embedding
    len_emb: nn.Embedding

    def __init__(self, cfg: ModelConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.sums = sums_mode(cfg)
        self.stop = cfg.audio_tokens
        self.tied = tied_tables(cfg)
        self.adapters: dict[str, Adapter] = {}
        self._add_tables(cfg)
        self.model = build_backbone(cfg)
        self._add_heads(cfg)
        for name in self.tied.values():
            nn.init.normal_(self._table(name), std=cfg.dimensions.dim**-0.5)

    def _add_tables(self, cfg: ModelConfig) -> None:
        dim, weighted = cfg.dimensions.dim, cfg.generation.weighted
        self.tables = response_tables(cfg.capabilities, cfg.resp_levels)
        self.sep = nn.Parameter(torch.randn(dim))
        self.dropout_token = nn.Parameter(torch.randn(dim))
        self.text_emb = nn.Embedding(cfg.text_tokens, dim)
        self.proms_emb = CodeEmbedding([cfg.audio_tokens] * cfg.resp_levels, dim, weighted)
        self.resps_emb = CodeEmbedding([cfg.audio_tokens + has_extra_row(t) for t in self.tables], dim, weighted)
        for name, table in segment_tables(cfg).items():
            self.add_module(name, table)

    def _add_heads(self, cfg: ModelConfig) -> None:
        if cfg.experimental.split_classifiers:
            self.classifiers = Heads(head_rows(cfg), cfg.dimensions.dim, self.tied)
        else:
            self._add_single_head(cfg.audio_tokens + 1)

    def _add_single_head(self, rows: int) -> None:
        self.classifier = TiedHead(rows) if self.tied else nn.Linear(self.cfg.dimensions.dim, rows)

    def head_widths(self) -> dict[str, int]:
        """How many ids each head tells apart, by its name; one head for all has the same width under every name."""
        rows = head_rows(self.cfg)
        shared = not self.cfg.experimental.split_classifiers
        return dict.fromkeys(rows, self.cfg.audio_tokens + 1) if shared else rows

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return next(self.parameters()).dtype

    def lay_out(self, sample: ModelInput) -> Layout:
        """The layout of a sample as this model reads it."""
        flags, levels = self.cfg.experimental, self.cfg.resp_levels
        return lay_out(
            sample,
            self.cfg.capabilities,
            level="level" in self.cfg.generation.tables and not flags.interleave,
            causal_size=flags.causal_size,
            interleaved=levels if flags.interleave else 0,
        )

    def pack(self, samples: Sequence[ModelInput]) -> Packed:
        """Embed samples and lay them end to end."""
        layouts = tuple(map(self.lay_out, samples))
        embedded = [self._embed(sample, layout) for sample, layout in zip(samples, layouts, strict=True)]
        unified = self.cfg.experimental.unified_position_ids
        positions = torch.cat([position_ids(layout, unified) for layout in layouts])
        return Packed(torch.cat(embedded), positions.to(self.device), layouts)

    def hidden(self, packed: Packed, within: Any = None, skipped: Collection[int] = ()) -> Tensor:
        """Run the backbone: [S, d]. `within` replaces what it is told of a pass, for decoding through a cache."""
        within = self.within(packed.layouts) if within is None else within
        hidden: Tensor = self.model(packed.embeddings, packed.positions, within, skipped)[0]
        return hidden

    def within(self, layouts: Sequence[Layout]) -> Any:
        """What the backbone is told: each sequence sees itself, causally or as its head and the settings want it."""
        causal = [is_causal(layout, self.cfg.experimental.noncausal_masks) for layout in layouts]
        return self.model.packed([layout.length for layout in layouts], causal)

    def logits(self, head: str, hidden: Tensor) -> Tensor:
        """Logits of a head by name: [M, d] -> [M, V]."""
        is_split = self.cfg.experimental.split_classifiers
        own = self.classifiers.find(head) if is_split else self.classifier
        table = self.tied.get(head if is_split else SINGLE)
        logits: Tensor = own(hidden, self._table(table)) if table else own(hidden)
        return logits

    def _table(self, name: str) -> Tensor:
        """Vectors of the embedding table `name`, rows [V, d]."""
        vectors: Tensor = self.get_submodule(name).weight  # type: ignore[assignment]
        return vectors

    def wanted(self, samples: Sequence[ModelInput], layouts: Sequence[Layout]) -> list[Predictions]:
        """What a batch with these layouts is to predict."""
        ignore = self.cfg.experimental.ignore_inputs_for_loss
        return predictions(samples, layouts, sums=self.sums is not None, ignore_inputs=ignore)

    def spoken(self, codes: Tensor) -> Tensor:
        """Codes int [T, Q] of a response as the model is shown them when it says level Q."""
        return codes

    def embed_first(self, codes: Tensor) -> Tensor:
        """Codes of level 0 where they are predicted one by one: int64 [T] -> [T, d]."""
        return self.resps_emb.read(0, codes)

    def forward(
        self,
        samples: Sequence[ModelInput],
        skipped: Collection[int] = (),
        exits: Mapping[int, float] = NO_EXITS,
        keep_logits: bool = False,
    ) -> LossOutput:
        """The loss of a batch, by all layers but `skipped`; `keep_logits` adds what it was computed from.

        exits: layers whose hidden states the heads read, too, and the weights of these losses.
        """
        packed = self.pack(samples)
        wanted = self.wanted(samples, packed.layouts)
        states, balance = self.model.states(
            packed.embeddings, packed.positions, self.within(packed.layouts), exits, skipped
        )
        last = max(states)
        output, predicted = self._read(states[last], wanted)
        parts = output.parts
        output = with_early_exits(
            output, exits, lambda layer: parts if layer == last else self._read(states[layer], wanted)[0].parts
        )
        output = with_balance(output, balance)
        output.stats |= occupancy(packed)
        output.predicted = predicted if keep_logits else None
        return output

    def _read(self, hidden: Tensor, wanted: list[Predictions]) -> tuple[LossOutput, Predicted]:
        """The loss from hidden states [S, d], and what it was computed from."""
        predicted = read_heads(hidden, wanted, self.logits)
        return reduce_loss(wanted, *score(predicted), self.cfg.loss_factors), predicted

    def _embed(self, sample: ModelInput, layout: Layout) -> Tensor:
        """One sequence: its segments with a separator between neighbours, [length, d]."""
        parts = []
        for segment in layout.segments:
            parts += [self._embed_segment(sample, segment.name), self.sep[None]]
        return torch.cat(parts[:-1])

    def _embed_segment(self, sample: ModelInput, name: str) -> Tensor:
        match name:
            case "text":
                vectors: Tensor = self.text_emb(sample.text.to(self.device))
            case "lang":
                vectors = self.langs_emb(self._row(sample.lang))
            case "tone":
                vectors = self.tones_emb(self._row(sample.tone))
            case "level":
                vectors = self.rvq_l_emb(self._row(sample.level))
            case "prom":
                vectors = torch.cat([self._embed_piece(piece, sample.level) for piece in pieces(sample.prompt)])
            case "len":
                assert sample.length is not None
                vectors = self.len_emb(sample.length.to(self.device))
            case _:
                vectors = self._embed_response(sample)
        return vectors

    def _embed_piece(self, piece: Tensor | str, level: int) -> Tensor:
        if isinstance(piece, str):
            task: Tensor = self.tasks_emb(self._row(TASK_IDS[piece]))
            return task
        return embed_prompt(self.proms_emb, piece.to(self.device), level, self.sums)

    def _row(self, index: int | None) -> Tensor:
        return torch.tensor([index], device=self.device)

    def _embed_response(self, sample: ModelInput) -> Tensor:
        if sample.response is None or not len(sample.response):
            return self.sep.new_zeros(0, self.cfg.dimensions.dim)
        codes = sample.response.to(self.device)
        if codes.ndim == 1:
            return embed_interleaved(self.resps_emb, codes, self.cfg.resp_levels)
        if sample.task == "stt":
            return embed_heard(self.resps_emb, codes, self.cfg.resp_levels, self.sums)
        if sample.mask is not None:
            hidden_codes = codes[:, 0].long().masked_fill(sample.mask.to(self.device), self.stop)
            return self.resps_emb.read(self.tables.index(MASKED_HEAD), hidden_codes)
        vectors = embed_response(self.resps_emb, codes, sample.level, self.sums)
        if sample.dropped is None:
            return vectors
        return torch.where(sample.dropped.to(self.device)[:, None], self.dropout_token, vectors)
