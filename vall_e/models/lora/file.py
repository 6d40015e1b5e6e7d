"""Files of adapters: tensors with the adapter's settings, in the formats of weights, and what others have written.

Ours holds `<linear>.lora_A` [r, in], `<linear>.lora_B` [out, r] and, where embeddings were trained,
`<table>.lora_change`. Its metadata has the keys of a weights file, but `config` is the section of the adapter. Read
are besides

- safetensors without our metadata, those whose `config` is that of a model included: a model exported with an adapter;
- pickles (.pt, .pth) with the tensors under `lora` or else `module`, whose settings may lie under `config`;
- names of the parametrized form, `<linear>.parametrizations.weight.0.lora_A`.

The reference computes that form as B A [in, out] *viewed* as [out, in], with A [r, out] and B [in, r]. For a square map
this is the product above, with B for lora_B and A for lora_A; for another it is none of rank r: its shapes do not fit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.lora import LoraConfig
from vall_e.config.model import ModelConfig
from vall_e.errors import WeightsError
from vall_e.models.weights.weights_file import FORMAT, read_tensors, write_tensors
from vall_e.text import Tokenizer

from .tensors import MARK

BODIES = ("lora", "module")
"""Where a pickle may have the tensors, what is there first."""
PARAMETRIZATION = re.compile(r"\.parametrizations\.weight\.\d+\.")


@dataclass(frozen=True)
class AdapterFile:
    """Tensors of an adapter, as ours names them; its settings and the arch_type of its model, as far as it tells."""

    tensors: dict[str, Tensor]
    settings: dict[str, Any] = field(default_factory=dict)
    arch_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


def save_adapter(
    path: Path,
    tensors: Mapping[str, Tensor],
    cfg: LoraConfig,
    model: ModelConfig,
    tokenizer: Tokenizer,
    codec: CodecIdentity,
    step: int,
) -> None:
    """Write an adapter of a model as `save_weights` writes weights; `tensors` are those of `adapter_state_dict`."""
    own = {"format": FORMAT, "full_name": cfg.full_name, "model": asdict(model), "codec": asdict(codec)}
    metadata = {
        "config": json.dumps(asdict(cfg)),
        "stats": json.dumps({"global_step": step}),
        "userdata": json.dumps({"symmap": tokenizer.vocabulary}, ensure_ascii=False),
        "vall_e": json.dumps(own, ensure_ascii=False),
    }
    write_tensors(path, tensors, metadata)


def read_adapter(path: Path, key: str = "loras.NAME.path") -> AdapterFile:
    """Read an adapter of ours or of others; `key` is the setting that names it.

    WeightsError if the file is missing, damaged or has no tensor of an adapter.
    """
    metadata, found = read_tensors(path, key, BODIES)
    tensors = {PARAMETRIZATION.sub(".", name): tensor for name, tensor in found.items() if MARK in name}
    if not tensors:
        raise WeightsError(f"{key}={path} holds no adapter: none of its tensors has {MARK} in its name")
    return AdapterFile(tensors, metadata=metadata, **_told(metadata, path, key))


def _told(metadata: Mapping[str, str], path: Path, key: str) -> dict[str, Any]:
    """What the metadata tells of the adapter; the section of a model, which has no rank, tells nothing."""
    try:
        settings = json.loads(metadata.get("config", "{}"))
        own = json.loads(metadata.get("vall_e", "{}"))
        arch_type = own.get("model", settings).get("arch_type")
        return {"settings": settings if "rank" in settings else {}, "arch_type": arch_type}
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{key}={path} has damaged metadata: {error}") from error
