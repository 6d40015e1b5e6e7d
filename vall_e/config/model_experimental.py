"""Switches of the model (`model.experimental`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .setting import setting


@dataclass(kw_only=True)
class ModelExperimentalConfig:
    """Switches of the architecture and of the training-time treatment of samples."""

    hf: bool = setting(False, "One vocabulary over all segments: one table, one head, codes of one prior level.")
    interleave: bool = setting(False, "One AR over all levels, which take turns frame by frame.")
    split_classifiers: bool = setting(True, "A head of its own for every RVQ level and task; false shares one head.")
    audio_embedding_sums: bool = setting(True, "Sum the embeddings of all prior levels; false embeds the newest.")
    audio_embedding_sums_mode: str = setting(
        "inclusive",
        "Prior levels that are summed: all (inclusive), or all but the newest as weights of 2024 expect (legacy).",
        allowed=("inclusive", "legacy"),
    )
    audio_embedding_mode: str | None = setting(
        None,
        "Embeddings derived from the codec's codebooks.",
        allowed=("exclusive", "inclusive"),
        needs="maps from a codec's vectors to the width of the model, which neither published weights nor codecs have",
    )
    kv_heads: int = setting(
        0, "Heads of keys and values, each shared by several queries; 0 is one for each query.", at_least=0
    )
    retnet_layout: str = setting(
        "new",
        "Layers of arch_type=retnet: new, or old as weights before 2024-05-09 have them, whatever their version.",
        allowed=("new", "old"),
    )
    rvq_levels_p: Any = setting(
        "auto",
        "Target levels: auto (lower ones more often), equal, or a list drawn from uniformly.",
        takes=("auto", "equal", list[int]),
    )
    rvq_level_range: list[int] = setting(
        [], "Lowest and highest target level trained, inclusive; [] trains all.", at_least=0
    )
    unified_position_ids: bool = setting(False, "One run of position ids; false restarts them in every segment.")
    tie_classifier_to_embedding: bool = setting(
        False,
        "Heads share the weights of the tables that embed what they predict, where there is one with as many rows.",
    )
    token_dropout_error: float = setting(
        0.0, "Chance to nudge an input code of a prior level by one.", at_least=0, at_most=1
    )
    token_dropout_rate: float = setting(
        0.0, "Chance to replace a response embedding by the learnt dropout vector.", at_least=0, at_most=1
    )
    token_dropout_rvq_levels: list[int] = setting(
        [1, 8], "Target levels where token dropout acts, inclusive.", at_least=0
    )
    causal_size: int = setting(1, "Ids that AR, stt and len predict in one step.", at_least=1)
    masking_train_p: float = setting(
        0.0,
        "Chance that a sample of an eligible level learns masked decoding of level 0; without ar level 0 always does.",
        at_least=0,
        at_most=1,
    )
    masking_train_rvq_levels: list[int] = setting(
        [0, 0], "Target levels eligible for masked training, inclusive.", at_least=0
    )
    masking_ratio: Any = setting(
        0.8,
        "Share of frames masked: a number, random (all shares), rand (the middle ones).",
        takes=("random", "rand", float),
    )
    ignore_inputs_for_loss: bool = setting(True, "Only the output segment is learnt; false learns the inputs too.")
    noncausal_masks: bool = setting(
        True, "NAR levels see the whole sequence; false masks them causally as weights before 2024-11-22 expect."
    )
    cfg_cond_dropout_p: float = setting(0.0, "Chance to blank the text and drop the prompt.", at_least=0, at_most=1)
    cfg_text_dropout_p: float = setting(0.0, "Chance to blank the text alone.", at_least=0, at_most=1)
    cfg_prom_dropout_p: float = setting(0.0, "Chance to drop the prompt alone.", at_least=0, at_most=1)
    layerskip: bool = setting(False, "Train layers as early exits (LayerSkip): heads read their output, too.")
    layerskip_r: int = setting(2, "Early exits trained at each step, a step further on at the next.", at_least=1)
    layerskip_p_max: float = setting(
        0.1, "Chance to skip the last layer in training, falling to 0 at the first.", at_least=0, below=1
    )
    layerskip_e_scale: float = setting(
        0.2, "Scale of the exits' weights, which are then made to sum to 1; 0 trains none.", at_least=0
    )

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        p = self.rvq_levels_p
        if not (p in ("auto", "equal") or (isinstance(p, list) and p and all(type(q) is int and q >= 0 for q in p))):
            yield f"rvq_levels_p={p!r} is not allowed, allowed: auto, equal, or a list of levels"
        if len(self.rvq_level_range) not in (0, 2) or self.rvq_level_range != sorted(self.rvq_level_range):
            yield f"rvq_level_range={self.rvq_level_range} must be [] or two levels, the lower first"
        for name in ("token_dropout_rvq_levels", "masking_train_rvq_levels"):
            levels = getattr(self, name)
            if len(levels) != 2 or levels[0] > levels[1]:
                yield f"{name}={levels} must be two levels, the lower first"
        if self.masking_ratio not in ("random", "rand") and not is_share(self.masking_ratio):
            yield f"masking_ratio={self.masking_ratio!r} is not allowed, allowed: random, rand, or a number of 0 to 1"


def is_share(value: Any) -> bool:
    """Whether `value` is a number of 0 to 1."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
