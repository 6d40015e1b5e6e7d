"""Settings of the codec language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .setting import setting


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

CAPABILITIES = ("ar", "nar", "len", "lang", "tone")
SEGMENTS = ("text", "prom", "resp", "lang", "level", "tone", "len")


@dataclass(kw_only=True)
class ModelExperimentalConfig:
    """Switches of the architecture and of the training-time treatment of samples."""

    split_classifiers: bool = setting(True, "A head of its own for every RVQ level and task; false shares one head.")
    audio_embedding_sums: bool = setting(True, "Sum the embeddings of all prior levels; false embeds the newest alone.")
    audio_embedding_sums_mode: str = setting(
        "inclusive",
        "Prior levels that are summed: all (inclusive), or all but the newest as weights of 2024 expect (legacy).",
        allowed=("inclusive", "legacy"),
    )
    unified_position_ids: bool = setting(False, "One run of position ids; false restarts them in every segment.")
    rvq_levels_p: Any = setting(
        "auto", "Target levels: auto (lower ones more often), equal, or a list drawn from uniformly."
    )
    rvq_level_range: list[int] = setting(
        [], "Lowest and highest target level trained, inclusive; [] trains all.", at_least=0
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
    ignore_inputs_for_loss: bool = setting(True, "Only the output segment is learnt; false learns the inputs too.")
    noncausal_masks: bool = setting(
        True, "NAR levels see the whole sequence; false masks them causally as weights before 2024-11-22 expect."
    )
    cfg_cond_dropout_p: float = setting(0.0, "Chance to blank the text and drop the prompt.", at_least=0, at_most=1)
    cfg_prom_dropout_p: float = setting(0.0, "Chance to drop the prompt alone.", at_least=0, at_most=1)
    layerskip_p_max: float = setting(
        0.1, "Chance to skip the last layer in training, falling to 0 at the first.", at_least=0, below=1
    )

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        p = self.rvq_levels_p
        if not (
            p in ("auto", "equal") or (isinstance(p, list) and p and all(isinstance(q, int) and q >= 0 for q in p))
        ):
            yield f"rvq_levels_p={p!r} is not allowed, allowed: auto, equal, or a list of levels"
        if len(self.rvq_level_range) not in (0, 2):
            yield f"rvq_level_range={self.rvq_level_range} must be [] or two levels, the lower first"
        if len(self.token_dropout_rvq_levels) != 2:
            yield f"token_dropout_rvq_levels={self.token_dropout_rvq_levels} must be two levels, the lower first"


@dataclass(kw_only=True)
class ModelConfig:
    """The transformer over text and codec tokens."""

    name: str = setting("ar+nar", "First part of the model's full name.")
    version: int = setting(5, "Generation of the architecture; only 5 is built so far.", at_least=5, at_most=5)
    size: Any = setting("full", "A named size, a factor of the full one, or {dim, heads, layers, label}.")
    resp_levels: int = setting(8, "RVQ levels the model speaks.", at_least=1, at_most=32)
    text_tokens: int = setting(256, "Rows of the text embedding.", at_least=4, at_most=65_536)
    audio_tokens: int = setting(1024, "Codes of each codebook.", at_least=2, at_most=65_536)
    tasks: int = setting(9, "Rows of the task embedding.", at_least=1)
    langs: int = setting(1, "Rows of the language embedding.", at_least=1)
    tones: int = setting(1, "Rows of the tone embedding.", at_least=1)
    arch_type: str = setting("llama", "Backbone.", allowed=("llama",))
    attention: str = setting(
        "auto",
        "Attention kernel; auto lets torch choose.",
        allowed=("auto", "sdpa", "math", "flash_(sdpa)", "mem_efficient"),
    )
    dropout: float = setting(0.1, "Attention dropout in training.", at_least=0, below=1)
    loss_factors: dict[str, float] = setting({}, "Weight of each segment's loss; {} learns one unified loss.")
    capabilities: list[str] = setting(["ar", "nar"], "What the model can do.", allowed=CAPABILITIES)
    frozen_params: list[str] = setting([], "Exact names of parameters that are not trained.")
    experimental: ModelExperimentalConfig = setting(ModelExperimentalConfig, "Switches of the architecture.")

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        yield from size_problems(self.size)
        for segment, factor in self.loss_factors.items():
            if segment not in SEGMENTS:
                near = get_close_matches(segment, SEGMENTS, n=1)
                yield f"loss_factors.{segment} is no segment, allowed: {', '.join(SEGMENTS)}" + (
                    f" (nearest: {near[0]})" if near else ""
                )
            elif factor < 0:
                yield f"loss_factors.{segment}={factor} is out of range, allowed: at least 0"
        if not {"ar", "nar", "len"} & set(self.capabilities):
            yield f"capabilities={self.capabilities} cannot speak, at least one of ar, nar, len is needed"
        over = [q for q in self.experimental.rvq_level_range if q >= self.resp_levels]
        if isinstance(self.experimental.rvq_levels_p, list):
            over += [q for q in self.experimental.rvq_levels_p if isinstance(q, int) and q >= self.resp_levels]
        if over:
            allowed = f"resp_levels={self.resp_levels} allows 0 to {self.resp_levels - 1}"
            yield f"experimental: level {over[0]} does not exist, {allowed}"

    @property
    def dimensions(self) -> ModelSize:
        """The sizes that `size` names."""
        return model_size(self.size)

    @property
    def full_name(self) -> str:
        """For example `ar+nar-llama-8`; names run and checkpoint folders."""
        return "-".join(
            part for part in (self.name, self.dimensions.label, self.arch_type, str(self.resp_levels)) if part
        )


def size_problems(size: Any) -> Iterator[str]:
    """Why `size` names no model size."""
    if isinstance(size, dict):
        missing = {"dim", "heads", "layers"} - set(size)
        foreign = set(size) - {"dim", "heads", "layers", "label"}
        if missing or foreign:
            yield f"size={size} must have dim, heads, layers and may have label"
        elif any(not isinstance(size[k], int) or size[k] < 1 for k in ("dim", "heads", "layers")):
            yield f"size={size}: dim, heads and layers must be whole numbers above 0"
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
