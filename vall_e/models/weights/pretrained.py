"""A model written to a folder, and read from one that lies here or on the Hugging Face hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch
from safetensors.torch import save_file

from vall_e.atomic import replacing_folder
from vall_e.config.hub import weights_path
from vall_e.config.pretrained import CONFIG, FILES, FORMAT, NAIVE, TENSORS, TOKENIZER, PretrainedConfig
from vall_e.device import choose_device
from vall_e.errors import WeightsError
from vall_e.text import IpaTokenizer

from .content import WeightsContent
from .weights_file import LoadedWeights, load_weights


def from_pretrained(place: str | Path, device: str | torch.device = "auto") -> LoadedWeights:
    """The model of a pretrained folder, or of `hf://owner/name[@revision]`, in eval mode with all that it speaks with.

    WeightsError if there is none, or if it is damaged: names and shapes of the tensors that do not fit are told.
    """
    folder = weights_path(str(place))
    if not folder.is_dir():
        raise WeightsError(f"{place}: no such folder; what lies on the hub is named hf://owner/name")
    return load_weights(folder, choose_device(device) if isinstance(device, str) else device)


def save_pretrained(folder: str | Path, weights: WeightsContent | LoadedWeights) -> Path:
    """Write `config.json`, `model.safetensors` and, but for the naive tokenizer, `tokenizer.json`; returns `folder`.

    The folder is whole or as it was. WeightsError if it holds files of others, as these would be lost.
    """
    content = weights if isinstance(weights, WeightsContent) else weights.content
    final = Path(folder).resolve()
    check_replaceable(final)
    with replacing_folder(final) as partial:
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in content.tensors.items()}
        save_file(tensors, partial / TENSORS, {"format": "pt"})
        config = json.dumps(asdict(described(content)), indent=2, ensure_ascii=False)
        (partial / CONFIG).write_text(config + "\n", encoding="utf-8")
        if isinstance(content.tokenizer, IpaTokenizer):
            (partial / TOKENIZER).write_text(content.tokenizer.json, encoding="utf-8")
    return Path(folder)


def check_replaceable(folder: Path) -> None:
    """WeightsError for a folder, or a file, that a pretrained folder must not take the place of."""
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"{folder} is a file, allowed: a new folder, or a pretrained one")
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in FILES) if folder.is_dir() else []
    if foreign:
        raise WeightsError(
            f"{folder} holds {foreign[0]}, which would be lost, allowed: a new folder, or a pretrained one"
        )


def described(content: WeightsContent) -> PretrainedConfig:
    """What `config.json` says of a model."""
    return PretrainedConfig(
        format=FORMAT,
        vall_e=_version(),
        model=asdict(content.config),
        tokenizer=TOKENIZER if isinstance(content.tokenizer, IpaTokenizer) else NAIVE,
        codec=asdict(content.codec),
        step=content.step,
        bitnet=content.bitnet,
    )


def _version() -> str:
    try:
        return version("vall_e")
    except PackageNotFoundError:  # a checkout that was not installed
        return ""
