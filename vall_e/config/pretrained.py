"""Pretrained folders: `config.json` with the settings of a model, `model.safetensors`, `tokenizer.json`.

`config.json` is data: it is checked against the fields below, and nothing in it names code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vall_e.errors import WeightsError

from .plain_data import misfits

CONFIG, TENSORS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
FILES = (CONFIG, TENSORS, TOKENIZER)
MODEL_TYPE = "vall_e"
FORMAT = 1
NAIVE = "naive"


@dataclass(frozen=True, kw_only=True)
class PretrainedConfig:
    """What `config.json` says.

    model: settings as of the group `model`; tokenizer: the name of its file, or `naive`, which has none; codec: the
    fields of its identity; vall_e: the version that wrote the folder; bitnet: the part whose layers are BitNet's.
    """

    model_type: str = MODEL_TYPE
    format: int
    vall_e: str = ""
    model: dict[str, Any]
    tokenizer: str = TOKENIZER
    codec: dict[str, Any]
    step: int = 0
    bitnet: str = ""

    @property
    def files(self) -> tuple[str, ...]:
        """The files of the folder."""
        return FILES if self.tokenizer == TOKENIZER else (CONFIG, TENSORS)


def read_config(folder: Path, key: str = "weights") -> PretrainedConfig:
    """The `config.json` of a pretrained folder; WeightsError, which names the setting `key`, for what is none."""
    here = f"{key}={folder}"
    if not (folder / CONFIG).is_file():
        raise WeightsError(f"{here} has no {CONFIG}, allowed: a weights file, or a folder with {', '.join(FILES)}")
    try:
        tree = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(f"{here}: {CONFIG} is not readable JSON: {error}") from error
    if not isinstance(tree, dict) or tree.get("model_type") != MODEL_TYPE:
        found = tree.get("model_type") if isinstance(tree, dict) else tree
        raise WeightsError(f"{here}: {CONFIG} is of the model type {found!r}, allowed: {MODEL_TYPE}")
    if found := list(misfits(tree, PretrainedConfig)):
        raise WeightsError(f"{here}: {CONFIG} is not as it should be: " + "; ".join(found))
    config = PretrainedConfig(**tree)
    if config.format != FORMAT:
        raise WeightsError(f"{here} has format {config.format}, this vall_e reads format {FORMAT}")
    if config.tokenizer not in (TOKENIZER, NAIVE):
        raise WeightsError(f"{here}: {CONFIG} has tokenizer={config.tokenizer!r}, allowed: {TOKENIZER}, {NAIVE}")
    return config
