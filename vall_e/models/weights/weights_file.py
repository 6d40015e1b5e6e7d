"""Weights files, which carry the settings of their model, their tokenizer and their codec: safetensors, or pickled.

The metadata is data: it is parsed into dataclasses, nothing in it names code. Its keys `config`, `stats` and
`userdata` are those of the published weights; `vall_e` holds what these lack.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from vall_e.atomic import replacing
from vall_e.audio.codec import CodecIdentity
from vall_e.config.model import BATCH_ATTENTIONS, GPU_ATTENTIONS, ModelConfig
from vall_e.config.weights_format import is_pickled
from vall_e.errors import WeightsError
from vall_e.models.build import build_model
from vall_e.models.lora.tensors import base_state_dict
from vall_e.models.swapping import checked_part, to_bitnet
from vall_e.models.vall_e import VallE
from vall_e.text import IpaTokenizer, NaiveTokenizer, Tokenizer

from .content import WeightsContent as WeightsContent
from .fit import fit
from .folder import read_folder, read_folder_metadata
from .model_settings import parse_model_config
from .pickled import read_pickled, write_pickled
from .published import is_published, published_content
from .safetensors_file import read_safetensors

FORMAT = 1


@dataclass(frozen=True)
class LoadedWeights:
    """A model in eval mode with everything that is needed to speak with it."""

    model: VallE
    config: ModelConfig
    tokenizer: Tokenizer
    codec: CodecIdentity
    step: int
    bitnet: str = ""
    """The part of the model whose linear layers are BitNet's."""

    @property
    def content(self) -> WeightsContent:
        """What is written of it; adapters that the model may have are left out."""
        told = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "model"}
        return WeightsContent(tensors=base_state_dict(self.model), **told)


def save_weights(
    path: Path,
    tensors: dict[str, Tensor],
    config: ModelConfig,
    tokenizer: Tokenizer,
    codec: CodecIdentity,
    step: int,
    bitnet: str = "",
) -> None:
    """Write a weights file atomically: pickled if `path` ends with .pt or .pth, else safetensors.

    `bitnet`: the part of the model whose linear layers are BitNet's, of `swapping.PARTS`, if any.
    """
    own = {"format": FORMAT, "codec": asdict(codec), "tokenizer": getattr(tokenizer, "json", None), "bitnet": bitnet}
    metadata = {
        "config": json.dumps(asdict(config)),
        "stats": json.dumps({"global_step": step}),
        "userdata": json.dumps({"symmap": tokenizer.vocabulary}, ensure_ascii=False),
        "vall_e": json.dumps(own, ensure_ascii=False),
    }
    write_tensors(path, tensors, metadata)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and `metadata`, every value of it JSON, atomically, in the format that the suffix names."""
    here = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with replacing(path) as partial:
        if is_pickled(path):
            write_pickled(partial, here, metadata)
        else:
            save_file(here, partial, metadata)


def load_weights(path: Path, device: torch.device) -> LoadedWeights:
    """The model of a weights file; WeightsError as of `read_weights`, or if it does not fit the settings it carries."""
    content = read_weights(path)
    model = build_model(runnable(content.config, device))
    fit(model, content.tensors, path)
    if content.bitnet:
        to_bitnet(model, content.bitnet)
    told = {name: value for name, value in vars(content).items() if name != "tensors"}
    return LoadedWeights(model.to(device).eval(), **told)


def runnable(config: ModelConfig, device: torch.device) -> ModelConfig:
    """The settings with an attention kernel for speaking on `device`, which changes speed and not what is computed.

    Kernels for a batch in training would have to be there, and compiled.
    """
    name = config.attention.lower()
    unfit = name in BATCH_ATTENTIONS or (device.type == "cpu" and name in GPU_ATTENTIONS)
    return replace(config, attention="auto") if unfit else config


def read_weights(path: Path) -> WeightsContent:
    """Read a weights file or a pretrained folder. WeightsError if it is missing, foreign or damaged."""
    metadata, tensors = read_tensors(path)
    try:
        if is_published(metadata):
            return published_content(path, metadata, tensors)
        own = json.loads(metadata["vall_e"])
        return WeightsContent(
            tensors=tensors,
            config=parse_model_config(json.loads(metadata["config"]), path),
            tokenizer=IpaTokenizer(path, own["tokenizer"]) if own["tokenizer"] else NaiveTokenizer(),
            codec=CodecIdentity(**own["codec"]),
            step=int(json.loads(metadata["stats"])["global_step"]),
            bitnet=checked_part(own.get("bitnet", "")),
        )
    except WeightsError:
        raise
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"weights={path} has damaged metadata: {error}") from error


def read_tensors(
    path: Path, key: str = "weights", bodies: Sequence[str] = ("module",)
) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata, every value as JSON, and tensors of a weights file, on the CPU; its suffix says how it is read.

    A folder is read as a pretrained one. `key` is the setting that names it; `bodies` is where pickled tensors may lie.
    """
    if path.is_dir():
        return read_folder(path, key)
    if not path.is_file():
        raise WeightsError(f"{key}={path}: no such file")
    return read_pickled(path, key, bodies) if is_pickled(path) else read_safetensors(path, key)


def read_metadata(path: Path) -> dict[str, str]:
    """Metadata of a weights file or folder; of safetensors without reading the tensors."""
    if path.is_dir():
        return read_folder_metadata(path)
    if is_pickled(path):
        return read_pickled(path, "weights")[0]
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}
