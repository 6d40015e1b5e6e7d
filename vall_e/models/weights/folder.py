"""Pretrained folders, read as weights files are: metadata and tensors."""

from __future__ import annotations

import json
from pathlib import Path

from torch import Tensor

from vall_e.audio.codec import CodecIdentity
from vall_e.config.plain_data import misfits
from vall_e.config.pretrained import CONFIG, NAIVE, TENSORS, TOKENIZER, PretrainedConfig, read_config
from vall_e.errors import TextError, WeightsError
from vall_e.text import IpaTokenizer, NaiveTokenizer

from .safetensors_file import read_safetensors


def read_folder(folder: Path, key: str = "weights") -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata, as of a weights file, and tensors; WeightsError names the setting `key` and what is wrong."""
    metadata = read_folder_metadata(folder, key)
    if not (folder / TENSORS).is_file():
        raise WeightsError(f"{key}={folder} has no {TENSORS}")
    return metadata, read_safetensors(folder / TENSORS, key)[1]


def read_folder_metadata(folder: Path, key: str = "weights") -> dict[str, str]:
    """What a weights file of the same model has for metadata, every value as JSON."""
    config = read_config(folder, key)
    if found := list(misfits(config.codec, CodecIdentity, "codec.")):
        raise WeightsError(f"{key}={folder}: {CONFIG} is not as it should be: " + "; ".join(found))
    tokenizer = _tokenizer(folder, config, key)
    text = tokenizer.json if isinstance(tokenizer, IpaTokenizer) else None
    own = {"format": config.format, "codec": config.codec, "tokenizer": text, "bitnet": config.bitnet}
    return {
        "config": json.dumps(config.model),
        "stats": json.dumps({"global_step": config.step}),
        "userdata": json.dumps({"symmap": tokenizer.vocabulary}, ensure_ascii=False),
        "vall_e": json.dumps(own, ensure_ascii=False),
    }


def _tokenizer(folder: Path, config: PretrainedConfig, key: str) -> IpaTokenizer | NaiveTokenizer:
    if config.tokenizer == NAIVE:
        return NaiveTokenizer()
    if not (folder / TOKENIZER).is_file():
        raise WeightsError(f"{key}={folder} has no {TOKENIZER}")
    try:
        return IpaTokenizer(folder / TOKENIZER)
    except TextError as error:
        raise WeightsError(f"{key}={folder}: {error}") from error
