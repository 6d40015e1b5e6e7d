"""Settings of the codec language model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .architectures import ARCHITECTURES, ARCHITECTURES_NEED, ATTENTION_DROPPING, GROUPED, MIXING, RECURRENT, RETENTIVE
from .generations import FIRST_NEEDS, GENERATIONS, Generation, generation_problems
from .model_experimental import ModelExperimentalConfig
from .model_size import SIZES, ModelSize, model_size, size_problems
from .one_vocabulary import vocabulary_problems
from .setting import setting

CAPABILITIES = ("ar", "nar", "len", "lang", "tone")
SEGMENTS = ("text", "prom", "resp", "lang", "level", "tone", "len")

ATTENTIONS = (
    "auto", "eager", "default", "sdpa", "math", "mem_efficient", "flash_(sdpa)", "cudnn",
    "flex", "varlen", "flash_attention_2", "flash_attn", "flash_attn_v100", "fused_attn", "xformers", "sageattn",
)  # fmt: skip
ATTENTIONS_NEED = {name: f"the kernels of {name}" for name in ATTENTIONS[12:]}
VARLEN_ATTENTIONS = ("varlen", "flash_attention_2", "flash_attn")
"""Kernels for sequences of several lengths end to end, in 16 bits: torch's own, and those of the package flash-attn."""
GPU_ATTENTIONS = ("mem_efficient", "cudnn", *VARLEN_ATTENTIONS, *ATTENTIONS_NEED)
BATCH_ATTENTIONS = ("flex", *VARLEN_ATTENTIONS)
"""Those that attend to a whole packed batch in one call, and are meant for training on GPUs."""


@dataclass(kw_only=True)
class ModelConfig:
    """The sequence model over text and codec tokens."""

    name: str = setting("ar+nar", "First part of the model's full name.")
    version: int = setting(
        5,
        "Generation of the architecture.",
        at_least=1,
        at_most=5,
        options_need={"1": FIRST_NEEDS},
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
    experts: int = setting(1, "Experts of each MLP; above 1 a router mixes two of them.", at_least=1)
    arch_type: str = setting("llama", "Backbone.", allowed=ARCHITECTURES, options_need=ARCHITECTURES_NEED)
    training: bool = setting(True, "Train this model.", needs="models that run beside the one in training")
    teacher: bool = setting(
        False, "Teach another model.", needs="several models in a run; a teacher is named by its file, teacher=WEIGHTS"
    )
    frozen_params: list[str] = setting([], "Exact names of parameters that are not trained.")
    attention: str = setting(
        "auto",
        "Attention kernel; auto lets torch choose, one sequence after another. On GPUs flex, or in 16 bits varlen "
        "(torch) and flash_attn (package flash-attn), attend to a whole batch in one call, which saves launches.",
        allowed=ATTENTIONS,
        options_need=ATTENTIONS_NEED,
    )
    dropout: float = setting(
        0.1, "Dropout in training: of attention in llama, mistral and mixtral, else of blocks.", at_least=0, below=1
    )
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
        yield from generation_problems(self.version, self.capabilities, self.experimental)
        yield from vocabulary_problems(self.version, self.capabilities, self.experimental)
        yield from self._order_problems()
        yield from self._backbone_problems()
        yield from self._level_problems()

    def _order_problems(self) -> Iterator[str]:
        flags, able = self.experimental, self.capabilities
        if flags.interleave and ("ar" not in able or {"nar", "len"} & set(able)):
            yield f"experimental.interleave=true does not go with capabilities={able}, allowed: ar without nar and len"
        if flags.interleave and flags.causal_size > 1:
            several = f"experimental.causal_size={flags.causal_size}"
            yield f"{several} does not go with experimental.interleave=true, allowed there: 1"

    def _backbone_problems(self) -> Iterator[str]:
        arch, flags = self.arch_type.lower(), self.experimental
        if self.experts > 1 and arch not in MIXING:
            yield f"experts={self.experts} does not go with arch_type={arch}, allowed there: {', '.join(MIXING)}"
        if (shared := flags.kv_heads) and arch not in GROUPED:
            yield f"experimental.kv_heads={shared} does not go with arch_type={arch}, allowed there: 0"
        elif shared and not any(size_problems(self.size)) and self.dimensions.heads % shared:
            yield f"experimental.kv_heads={shared} does not divide the {self.dimensions.heads} heads of the model"
        if flags.layerskip and not any(size_problems(self.size)) and flags.layerskip_r > self.dimensions.layers:
            allowed = f"the model has {self.dimensions.layers} layers"
            yield f"experimental.layerskip_r={flags.layerskip_r} is out of range: {allowed}"
        if arch in RECURRENT and flags.noncausal_masks:
            yield f"experimental.noncausal_masks=true does not go with arch_type={arch}, which is causal: set it false"
        if flags.retnet_layout.lower() != "new" and arch not in RETENTIVE:
            yield f"experimental.retnet_layout={flags.retnet_layout} does not go with arch_type={arch}, allowed: new"
        if arch in RECURRENT and self.attention.lower() != "auto":
            yield f"attention={self.attention} does not go with arch_type={arch}, which has none, allowed: auto"
        if self.attention.lower() == "varlen" and self.dropout and arch in ATTENTION_DROPPING:
            lacking = f"dropout={self.dropout:g} does not go with attention={self.attention}, which has none"
            yield f"{lacking}: set it 0, or attention=flex or flash_attn"

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
    def generation(self) -> Generation:
        """What `version` has."""
        return GENERATIONS[self.version]

    @property
    def full_name(self) -> str:
        """For example `ar+nar-llama-8`; names run and checkpoint folders."""
        arch = self.arch_type.replace("/", "-") if self.experts == 1 else f"{self.experts}x{self.arch_type}"
        return "-".join(part for part in (self.name, self.dimensions.label, arch, str(self.resp_levels)) if part)
