"""Whether the files that the settings name are there and belong together, asked before anything slow begins."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from vall_e.errors import ConfigError, DataError

from .facts import DatasetFacts, dataset_facts, vocabulary_size, weights_settings
from .generations import LATEST
from .schema import Config
from .setting import shown

log = logging.getLogger(__name__)

ROWS = ("text_tokens", "tasks", "langs", "tones", "resp_levels")
ARCHITECTURE = (
    *ROWS,
    "version",
    "size",
    "audio_tokens",
    "experts",
    "arch_type",
    "capabilities",
    "experimental.split_classifiers",
    "experimental.audio_embedding_sums",
    "experimental.audio_embedding_sums_mode",
    "experimental.unified_position_ids",
    "experimental.noncausal_masks",
    "experimental.kv_heads",
    "experimental.retnet_layout",
    "experimental.causal_size",
    "experimental.hf",
)
"""Settings of a model that its weights were trained with and must go on with; `ROWS` can be resized."""
OF_THE_LATEST = ("experimental.audio_embedding_sums", "experimental.audio_embedding_sums_mode")
"""Those that mean nothing in older generations."""


def check_tokenizer(config: Config) -> None:
    """The tokenizer's file exists, and every token has a row in the text embedding."""
    size, rows = vocabulary_size(config.tokenizer, config.tokenizer_path), config.model.text_tokens
    if size > rows:
        name = config.tokenizer_path or config.tokenizer or "ipa"
        raise ConfigError(f"model.text_tokens={rows} is too small for the {size} tokens of the tokenizer {name}")


def check_dataset(config: Config) -> None:
    """The dataset exists, was made by `vall_e.prepare`, and holds the codes of the codec in use."""
    here, backend = f"dataset.hdf5_name={config.dataset.hdf5_name}", config.audio_backend.name
    facts = dataset_facts(config.dataset.hdf5_name)
    if facts.codec != backend:
        advice = f"prepare it again, or set audio_backend={facts.codec}"
        raise DataError(f"{here} holds codes of the codec {facts.codec}, but audio_backend={backend}: {advice}")
    for name in ("sample_rate", "frame_rate", "levels", "codebook_size"):
        found, expected = getattr(facts, name), getattr(config.codec, name)
        if found != expected:
            raise DataError(f"{here} has {name} {found}, but codec.{name}={expected}")
    if not facts.utterances:
        raise DataError(f"{here} holds no utterance")
    log.info("%s", described(config.dataset.hdf5_name, facts))


def check_weights(config: Config) -> None:
    """The weights to start from were trained with the architecture of `model`, even where others would fit."""
    if config.weights is None:
        return
    learnt, ours = _by_name(weights_settings(config.weights)), _by_name(asdict(config.model))
    if learnt.get("version", LATEST) != LATEST:
        learnt = {name: value for name, value in learnt.items() if name not in OF_THE_LATEST}
    found = [
        f"model.{key}={shown(ours[key])} contradicts weights={config.weights}, which have {shown(learnt[key])}"
        for key in ARCHITECTURE
        if key in learnt and learnt[key] != ours[key] and not (key in ROWS and config.trainer.resize_modules)
    ]
    if found:
        raise ConfigError("\n".join(found))


def _by_name(model: dict[str, Any]) -> dict[str, Any]:
    """Settings of a model, those of its section `experimental` by dotted names; `size` may be a mapping."""
    switches = model.get("experimental")
    inner = switches if isinstance(switches, dict) else {}
    return {**model, **{f"experimental.{name}": value for name, value in inner.items()}}


def described(path: str, facts: DatasetFacts) -> str:
    """One line on a dataset."""
    duration = f"{facts.hours:.1f} hours" if facts.hours >= 1 else f"{facts.hours * 60:.1f} minutes"
    speech = f"{facts.utterances} utterances, {duration}, {len(facts.speakers)} speakers ({', '.join(facts.languages)})"
    return f"{path}: {speech}; {facts.codec} codes, {facts.levels} levels at {facts.frame_rate:g} frames/s"


CHECKS: dict[str, Callable[[Config], None]] = {
    "tokenizer": check_tokenizer,
    "dataset": check_dataset,
    "weights": check_weights,
}
