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

ARCHITECTURES = (
    "llama", "mistral", "mixtral", "retnet", "retnet-hf", "transformer", "bitnet",
    "mamba", "mamba2", "mamba2-hf", "mmfreelm",
)  # fmt: skip
ARCHITECTURES_NEED = {name: f"the {name} backbone" for name in ARCHITECTURES if name != "llama"}
ATTENTIONS = (
    "auto", "eager", "default", "sdpa", "math", "mem_efficient", "flash_(sdpa)", "cudnn",
    "flash_attention_2", "flash_attn", "flash_attn_v100", "fused_attn", "xformers", "sageattn",
)  # fmt: skip
ATTENTIONS_NEED = {name: f"the kernels of {name}" for name in ATTENTIONS[8:]}
GPU_ATTENTIONS = ("mem_efficient", "cudnn", *ATTENTIONS_NEED)
MASKED_TRAINING = "training of masked decoding (NAR-len)"
LAYERSKIP = "early exits (LayerSkip)"


@dataclass(kw_only=True)
class ModelExperimentalConfig:
    """Switches of the architecture and of the training-time treatment of samples."""

    hf: bool = setting(False, "One vocabulary over all segments.", needs="the single-vocabulary model")
    interleave: bool = setting(False, "AR over all levels, interleaved by frame.", needs="interleaved levels")
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
        needs="embeddings derived from the codec",
    )
    kv_heads: int = setting(
        0, "Key and value heads that share queries; 0 is one for each.", at_least=0, needs="grouped-query attention"
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
        False, "Heads share the weights of embeddings.", needs="heads tied to embeddings"
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
    causal_size: int = setting(1, "AR codes predicted in one step.", at_least=1, needs="several AR codes a step")
    masking_train_p: float = setting(
        0.0, "Chance that a sample of level 0 trains masked decoding.", at_least=0, at_most=1, needs=MASKED_TRAINING
    )
    masking_train_rvq_levels: list[int] = setting(
        [0, 0], "Levels eligible for masked training, inclusive.", at_least=0, needs=MASKED_TRAINING
    )
    masking_ratio: Any = setting(
        0.8,
        "Share of frames masked: a number, random (all shares), rand (the middle ones).",
        needs=MASKED_TRAINING,
        takes=("random", "rand", float),
    )
    ignore_inputs_for_loss: bool = setting(True, "Only the output segment is learnt; false learns the inputs too.")
    noncausal_masks: bool = setting(
        True, "NAR levels see the whole sequence; false masks them causally as weights before 2024-11-22 expect."
    )
    cfg_cond_dropout_p: float = setting(0.0, "Chance to blank the text and drop the prompt.", at_least=0, at_most=1)
    cfg_text_dropout_p: float = setting(
        0.0, "Chance to blank the text alone.", at_least=0, at_most=1, needs="dropping of the text alone"
    )
    cfg_prom_dropout_p: float = setting(0.0, "Chance to drop the prompt alone.", at_least=0, at_most=1)
    layerskip: bool = setting(False, "Train and use early exits.", needs=LAYERSKIP)
    layerskip_r: int = setting(2, "Early exits trained at each step.", at_least=1, needs=LAYERSKIP)
    layerskip_p_max: float = setting(
        0.1, "Chance to skip the last layer in training, falling to 0 at the first.", at_least=0, below=1
    )
    layerskip_e_scale: float = setting(0.2, "Weight of the early exits' loss.", at_least=0, needs=LAYERSKIP)

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        p = self.rvq_levels_p
        if not (
            p in ("auto", "equal") or (isinstance(p, list) and p and all(isinstance(q, int) and q >= 0 for q in p))
        ):
            yield f"rvq_levels_p={p!r} is not allowed, allowed: auto, equal, or a list of levels"
        if len(self.rvq_level_range) not in (0, 2):
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


@dataclass(kw_only=True)
class ModelConfig:
    """The transformer over text and codec tokens."""

    name: str = setting("ar+nar", "First part of the model's full name.")
    version: int = setting(
        5,
        "Generation of the architecture.",
        at_least=1,
        at_most=5,
        options_need={str(v): f"the architecture of generation {v}" for v in range(1, 5)},
    )
    size: Any = setting(
        "full",
        "A named size, a factor of the full one, or {dim, heads, layers, label}.",
        takes=(*SIZES, float, dict[str, Any]),
    )
    resp_levels: int = setting(8, "RVQ levels the model speaks.", at_least=1, at_most=32)
    text_tokens: int = setting(256, "Rows of the text embedding.", at_least=4, at_most=65_536)
    audio_tokens: int = setting(1024, "Codes of each codebook.", at_least=2, at_most=65_536)
    tasks: int = setting(9, "Rows of the task embedding; stt is the ninth task.", at_least=1)
    langs: int = setting(1, "Rows of the language embedding.", at_least=1)
    tones: int = setting(1, "Rows of the tone embedding.", at_least=1)
    experts: int = setting(
        1, "Experts of each MLP; above 1 a router mixes two of them.", at_least=1, needs="a mixture of experts"
    )
    arch_type: str = setting("llama", "Backbone.", allowed=ARCHITECTURES, options_need=ARCHITECTURES_NEED)
    training: bool = setting(True, "Train this model.", needs="models that run beside the one in training")
    teacher: bool = setting(False, "Teach another model.", needs="distillation")
    frozen_params: list[str] = setting([], "Exact names of parameters that are not trained.")
    attention: str = setting(
        "auto", "Attention kernel; auto lets torch choose.", allowed=ATTENTIONS, options_need=ATTENTIONS_NEED
    )
    dropout: float = setting(0.1, "Attention dropout in training.", at_least=0, below=1)
    loss_factors: dict[str, float] = setting({}, "Weight of each segment's loss; {} learns one unified loss.")
    capabilities: list[str] = setting(["ar", "nar"], "What the model can do.", allowed=CAPABILITIES)
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
        if self.experts > 1 and self.arch_type not in ("llama", "mixtral", "retnet"):
            yield f"experts={self.experts} does not go with arch_type={self.arch_type}, allowed: llama, mixtral, retnet"
        yield from self._level_problems()

    def _level_problems(self) -> Iterator[str]:
        flags = self.experimental
        named = {"rvq_level_range": flags.rvq_level_range}
        if isinstance(flags.rvq_levels_p, list):
            named["rvq_levels_p"] = flags.rvq_levels_p
        lowest = 0 if {"ar", "len"} & set(self.capabilities) else 1
        highest = self.resp_levels - 1 if "nar" in self.capabilities else 0
        for name, levels in named.items():
            for level in levels:
                if isinstance(level, int) and level >= self.resp_levels:
                    reason = f"resp_levels={self.resp_levels} allows 0 to {self.resp_levels - 1}"
                    yield f"experimental.{name}={levels}: level {level} does not exist, {reason}"
                    break
                if isinstance(level, int) and not lowest <= level <= highest:
                    yield f"experimental.{name}={levels}: capabilities={self.capabilities} learn no level {level}"
                    break

    @property
    def dimensions(self) -> ModelSize:
        """The sizes that `size` names."""
        return model_size(self.size)

    @property
    def full_name(self) -> str:
        """For example `ar+nar-llama-8`; names run and checkpoint folders."""
        arch = self.arch_type.replace("/", "-") if self.experts == 1 else f"{self.experts}x{self.arch_type}"
        return "-".join(part for part in (self.name, self.dimensions.label, arch, str(self.resp_levels)) if part)


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
