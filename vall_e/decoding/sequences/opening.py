"""Which kind of sequences decode an output: how many ids they get a step, and by which layers."""

from __future__ import annotations

from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.guidance import Guidance, guidance
from vall_e.errors import ConfigError
from vall_e.models.backbones.attention_backbone import AttentionBackbone
from vall_e.models.exit_rule import exit_rule
from vall_e.models.vall_e import VallE

from .early_exits import ExitingSequences
from .interleaved import TakingTurns
from .sequences import Embed, Sequences
from .several_ids import SeveralIds
from .speculation import Speculation, SpeculativeSequences


def open_sequences(
    model: VallE, embed: Embed, steps: int, guide: Guidance | None = None, watched: bool = False
) -> Sequences:
    """Sequences of ids that get as many at a step as the model was trained to say."""
    if model.cfg.experimental.causal_size > 1:
        return SeveralIds(model, embed, steps, guide)
    return Sequences(model, embed, steps, guide, watched)


def open_level_zero(model: VallE, sampling: SamplingConfig) -> Sequences:
    """Sequences of codes of level 0, or of all levels in turns, as the settings want them.

    ConfigError for what the model cannot do.
    """
    steps, guide = sampling.max_duration, guidance(sampling)
    rule = exit_rule(sampling, len(model.model.stack))
    if model.cfg.experimental.interleave:
        refuse(sampling, "model.experimental.interleave=true", "refine_on_stop", "chunk_frames")
        return TakingTurns(model, steps * model.cfg.resp_levels, guide)
    embed = model.embed_first
    if model.cfg.experimental.causal_size > 1:
        refuse(sampling, f"model.experimental.causal_size={model.cfg.experimental.causal_size}")
    watched = sampling.entropix_sampling
    if rule:
        return ExitingSequences(model, embed, steps, guide, watched, rule=rule)
    if sampling.speculative_layers:
        return SpeculativeSequences(model, embed, steps, speculation(model, sampling))
    return open_sequences(model, embed, steps, guide, watched)


def refuse(sampling: SamplingConfig, trained: str, *further: str) -> None:
    """ConfigError for what wants ids that are said one at a time by one head, and for further settings that are on."""
    names = ("layer_skip", "speculative_layers", *further)
    used = [f"{name}={str(getattr(sampling, name)).lower()}" for name in names if getattr(sampling, name)]
    for way in (*used, *sampling.by_code):
        raise ConfigError(f"{way} does not go with weights of {trained}")


def speculation(model: VallE, sampling: SamplingConfig) -> Speculation:
    """How codes are drafted; ConfigError if the model has no such layers, or cannot take back what it was told."""
    layers, all_layers = sampling.speculative_layers, len(model.model.stack)
    if layers >= all_layers:
        raise ConfigError(f"speculative_layers={layers} is out of range, allowed: less than the {all_layers} there are")
    if not isinstance(model.model, AttentionBackbone):
        raise ConfigError(
            f"speculative_layers={layers} needs a backbone that attends; {model.cfg.arch_type} cannot take codes back"
        )
    return Speculation(layers, sampling.speculative_codes)
