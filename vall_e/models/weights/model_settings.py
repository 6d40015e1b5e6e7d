"""Settings of a model as weights carry them: plain data, which is checked before anything is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.plain_data import mistyped, unknown
from vall_e.config.seal import problems, unavailable
from vall_e.errors import WeightsError


def parse_model_config(tree: dict[str, Any], path: Path) -> ModelConfig:
    """Model settings from metadata; WeightsError for what this version does not know or allow."""
    switches = tree["experimental"]
    strangers = [*unknown(tree, ModelConfig), *unknown(switches, ModelExperimentalConfig, "experimental.")]
    if strangers:
        raise WeightsError(f"weights={path} carries the unknown setting {strangers[0]}: written by a newer version?")
    found = [
        *mistyped(tree, ModelConfig, "model."),
        *mistyped(switches, ModelExperimentalConfig, "model.experimental."),
    ]
    if not found:
        config = ModelConfig(**(tree | {"experimental": ModelExperimentalConfig(**switches)}))
        found = [*problems(config, "model."), *unavailable(config, "model.")]
    if found:
        raise WeightsError(f"weights={path} carries settings this version does not allow: " + "; ".join(found))
    return config
