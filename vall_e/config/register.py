"""Makes schemas and resolvers known to Hydra, and links the settings that follow from others."""

from __future__ import annotations

from functools import cache

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf

from .codec import CodecConfig
from .codec_training import CodecTrainingConfig
from .dataset import DatasetConfig
from .evaluation import EvaluationConfig
from .hyperparameters import HyperparametersConfig
from .inference import InferenceConfig
from .lora import LoraConfig
from .model import ModelConfig
from .optimizations import OptimizationsConfig
from .resolvers import register_resolvers
from .schema import Config
from .trainer import TrainerConfig

SCHEMAS: dict[str, type] = {
    "codec": CodecConfig,
    "dataset": DatasetConfig,
    "evaluation": EvaluationConfig,
    "hyperparameters": HyperparametersConfig,
    "inference": InferenceConfig,
    "lora": LoraConfig,
    "model": ModelConfig,
    "optimizations": OptimizationsConfig,
    "trainer": TrainerConfig,
}

# Links between groups stand here and not in the fragments: whichever fragment is chosen, they hold.
LINKS = {
    "config": {"sample_rate": "${codec.sample_rate}"},
    "codec": {
        fact: f"${{vall_e.codec:{fact},${{audio_backend}}}}"
        for fact in ("sample_rate", "frame_rate", "levels", "codebook_size")
    },
    "model": {"resp_levels": "${codec.levels}", "audio_tokens": "${codec.codebook_size}"},
}


@cache
def register() -> None:
    """Register resolvers and the schemas `schema/<group>`, once a process."""
    register_resolvers()
    store = ConfigStore.instance()
    root = linked("config", Config)
    for group, kind in SCHEMAS.items():
        schema = linked(group, kind)
        if group in root:
            root[group] = schema
        store.store(group="schema", name=group, node=schema, provider="vall_e")
    store.store(group="schema", name="config", node=root, provider="vall_e")
    store.store(group="schema", name="codec_training", node=CodecTrainingConfig, provider="vall_e")


def linked(group: str, kind: type) -> DictConfig:
    """The schema of a group, or of the root `config`; settings that follow from other groups are linked to them."""
    schema: DictConfig = OmegaConf.structured(kind)
    for name, link in LINKS.get(group, {}).items():
        schema[name] = link
    return schema
