"""What the reference system computed with a small model, and from what.

A folder holds `weights.safetensors`, `inputs.npz` (text, prom, resp and, where used, lang, tone, mask; of a batch
`text.0`, ...), `meta.json` (sizes, flags, batches, losses) and the results: `outputs.npz`, `grads.safetensors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.errors import DataError
from vall_e.models.weights.weights_file import read_tensors

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Given:
    """A sample of the inputs. text: int64 [N]; prompt, response: int64 [frames, Q]; mask: bool [T]."""

    text: Tensor
    prompt: Tensor
    response: Tensor
    lang: int | None
    tone: int | None
    mask: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Fixture:
    """A folder.

    batched: whether the samples are shown together; extra: inputs of single passes by name; reference: shapes of the
    reference's results by name, if they are there.
    """

    folder: Path
    config: ModelConfig
    samples: tuple[Given, ...]
    batched: bool
    extra: dict[str, Tensor]
    reference: dict[str, tuple[int, ...]]
    meta: dict[str, Any]

    def weights(self) -> dict[str, Tensor]:
        """Tensors by the reference's names."""
        return read_tensors(self.folder / "weights.safetensors", "fixture")[1]


def read_fixture(folder: Path, sums_mode: str = "legacy") -> Fixture:
    """A folder; `sums_mode` says how it sums embeddings. DataError if something of it is missing or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        with np.load(folder / "inputs.npz", allow_pickle=False) as arrays:
            inputs = {name: torch.from_numpy(arrays[name].astype(_wide(arrays[name]))) for name in arrays.files}
        batched = "text" not in inputs
        marks = [f".{i}" for i in range(len(inputs)) if f"text.{i}" in inputs] if batched else [""]
        return Fixture(
            folder=folder,
            config=model_config(meta, sums_mode),
            samples=tuple(_given(inputs, mark) for mark in marks),
            batched=batched,
            extra={name: array for name, array in inputs.items() if name.startswith("mixed_")},
            reference=reference_shapes(folder / "outputs.npz"),
            meta=meta,
        )
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{folder} is no folder of fixtures: {error}") from error


def model_config(meta: Mapping[str, Any], sums_mode: str) -> ModelConfig:
    """The model of a fixture, without dropout of layers; flags that the reference alone has are left out."""
    small = meta["small"]
    flags = {"audio_embedding_sums_mode": sums_mode} | meta["experimental"] | {"layerskip_p_max": 0.0}
    sizes = {
        "size": {"dim": small["d_model"], "heads": small["n_heads"], "layers": small["n_layers"]},
        "text_tokens": small["n_text_tokens"],
        "audio_tokens": small["n_audio_tokens"],
        "dropout": small["p_dropout"],
    }
    experimental = ModelExperimentalConfig(**_known(ModelExperimentalConfig, flags))
    return ModelConfig(**_known(ModelConfig, meta["model_flags"]) | sizes | {"experimental": experimental})


def reference_shapes(outputs: Path) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays in a file by name; nothing if it is not there."""
    if not outputs.exists():
        return {}
    with np.load(outputs, allow_pickle=False) as arrays:
        return {name: arrays[name].shape for name in arrays.files}


def _known(kind: type, flags: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in fields(kind)}
    return {name: value for name, value in flags.items() if name in names}


def _wide(array: Array) -> type:
    return np.bool_ if array.dtype == np.bool_ else np.int64


def _given(inputs: Mapping[str, Tensor], mark: str) -> Given:
    def single(name: str) -> int | None:
        found = inputs.get(name + mark, inputs.get(name))
        return None if found is None else int(found.reshape(-1)[0])

    return Given(
        text=inputs["text" + mark],
        prompt=inputs["prom" + mark],
        response=inputs["resp" + mark],
        lang=single("lang"),
        tone=single("tone"),
        mask=inputs.get("mask" + mark),
    )
