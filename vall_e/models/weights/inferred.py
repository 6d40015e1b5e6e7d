"""Settings of a model from its tensors: files before 2024-07-16 carry none.

They can be told of models before version 5, whose sequences have no switches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.model_size import SIZES

HEAD_WIDTH = 64
TEXT_ROWS = 256
GENERATION = {"tones_emb.weight": 4, "langs_emb.weight": 3}
"""The first generation that has a table."""
NEEDED = {
    "sep",
    "text_emb.weight",
    "proms_emb.embeddings.0.weight",
    "resps_emb.embeddings.0.weight",
    "resps_emb.embeddings.1.weight",
    "classifier.weight",
}
"""Tensors that sizes are read from."""
KINDS = {"retention": "retnet", "self_attn": "llama"}
"""Backbones by the name of a part of their layers."""


def inferred_config(tensors: Mapping[str, Tensor]) -> ModelConfig | None:
    """The settings of a model with these tensors, by today's names; None if the tensors do not tell them."""
    kind = next((arch for part, arch in KINDS.items() if any(f".{part}." in name for name in tensors)), None)
    if kind is None or not tensors.keys() >= NEEDED or "rvq_l_emb.weight" in tensors:
        return None
    version = next((number for name, number in GENERATION.items() if name in tensors), 2)
    stop_everywhere = len(tensors["resps_emb.embeddings.1.weight"]) == len(tensors["resps_emb.embeddings.0.weight"])
    return ModelConfig(
        name="ar" if stop_everywhere else "ar+nar",
        version=version,
        size=_size(tensors),
        resp_levels=_count(tensors, r"proms_emb\.embeddings\.(\d+)\."),
        audio_tokens=len(tensors["proms_emb.embeddings.0.weight"]),
        arch_type=kind,
        dropout=0.1,
        capabilities=["ar"] if stop_everywhere else ["ar", "nar"],
        experimental=ModelExperimentalConfig(
            split_classifiers=False,
            unified_position_ids=True,
            noncausal_masks=False,
            layerskip_p_max=0.0,
            retnet_layout=retnet_layout(tensors) or "new",
        ),
        **_rows(tensors),
    )


def retnet_layout(tensors: Mapping[str, Tensor]) -> str | None:
    """`old` or `new`, as the layers of these tensors are; None if they have no retention."""
    if any(name.endswith("retention.q_proj.bias") for name in tensors):
        return "old"
    return "new" if any(name.endswith("ffn.gate.weight") for name in tensors) else None


def _size(tensors: Mapping[str, Tensor]) -> Any:
    """The named size of the model, or its dimensions."""
    dim, layers = len(tensors["sep"]), _count(tensors, r"model\.layers\.(\d+)\.")
    decays = tensors.get("model.retnet_rel_pos.decay")
    heads = max(1, dim // HEAD_WIDTH) if decays is None else len(decays)
    named = [name for name, size in SIZES.items() if (size.dim, size.heads, size.layers) == (dim, heads, layers)]
    return named[0] if named else {"dim": dim, "heads": heads, "layers": layers}


def _rows(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """Rows of the tables that there are. The oldest text tables had as many as those of codes, most of them unread."""
    text = len(tensors["text_emb.weight"])
    shared = text == len(tensors["proms_emb.embeddings.0.weight"])
    tables = {"langs": "langs_emb.weight", "tasks": "tasks_emb.weight", "tones": "tones_emb.weight"}
    found = {setting: len(tensors[name]) for setting, name in tables.items() if name in tensors}
    return found | {"text_tokens": TEXT_ROWS if shared else text}


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """How many numbers stand at the group of `pattern` in the names."""
    return len({found[1] for name in tensors if (found := re.match(pattern, name))})
