"""Makes schemas, resolvers and outside fragments known to Hydra, and links the settings that follow from others."""

from __future__ import annotations

from functools import cache
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from .codec import CodecConfig
from .codec_evaluation import CodecEvaluationConfig
from .codec_training import CodecTrainingConfig
from .dataset import DatasetConfig
from .evaluation import EvaluationConfig
from .export import ExportConfig
from .hyperparameters import HyperparametersConfig
from .inference import InferenceConfig
from .lora import LoraConfig
from .model import ModelConfig
from .optimizations import OptimizationsConfig
from .plot import PlotConfig
from .preparation import PreparationConfig
from .resolvers import register_resolvers
from .schema import Config
from .search_path import InstalledFragments
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
    "preparation": PreparationConfig,
    "trainer": TrainerConfig,
}

# Links between groups stand here and not in the fragments: whichever fragment is chosen, they hold.
ROOT = "config"
LINKS = {
    ROOT: {"sample_rate": "${codec.sample_rate}"},
    "codec": {
        fact: f"${{vall_e.codec:{fact},${{audio_backend}}}}"
        for fact in ("sample_rate", "frame_rate", "levels", "codebook_size")
    },
    "model": {"resp_levels": "${codec.levels}", "audio_tokens": "${codec.codebook_size}"},
}


@cache
def register() -> None:
    """Register resolvers, fragments of installed packages and the schemas `schema/<group>`, once a process."""
    register_resolvers()
    Plugins.instance().register(InstalledFragments)
    store = ConfigStore.instance()
    store.repo = SharedSchemas(store.repo)
    root = linked_root()
    for group in SCHEMAS:
        store.store(group="schema", name=group, node=root.get(group, SCHEMAS[group]), provider="vall_e")
    store.store(group="schema", name="config", node=root, provider="vall_e")
    store.store(group="schema", name="codec_evaluation", node=CodecEvaluationConfig, provider="vall_e")
    store.store(group="schema", name="codec_training", node=CodecTrainingConfig, provider="vall_e")
    store.store(group="schema", name="export", node=ExportConfig, provider="vall_e")
    store.store(group="schema", name="plot", node=PlotConfig, provider="vall_e")


class SharedSchemas(dict[str, Any]):
    """Schemas that are not copied with Hydra's search path, which it copies for every composition and 130 times for
    a `--help`; each schema is copied when it is taken out."""

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedSchemas:
        return self


def linked_root() -> DictConfig:
    """The schema of everything, with the settings that follow from other groups linked to them."""
    root: DictConfig = OmegaConf.structured(Config)
    for group, links in LINKS.items():
        (root if group == ROOT else root[group]).update(links)
    return root
