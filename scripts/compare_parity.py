"""Compare the model with what another implementation computed from the same weights.

    python scripts/compare_parity.py FOLDER

FOLDER holds `weights.safetensors` (a state dict), `inputs.npz` (`text`, `prom`, `resp`) and `outputs.npz` with
`PASS.logits`, `PASS.embeds`, `PASS.position_ids` of the passes `ar`, `nar1` .. `nar7` and `stt`, and the ids of greedy
decoding: `greedy.ar`, `greedy.nar`, `greedy.stt`. The sizes of the model are read from the weights; the settings are
those of late 2024: legacy sums, NAR levels that see the whole sequence. Prints the largest differences; leaves with
status 1 if one is over 5e-4 or decoding differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file
from torch import Tensor

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero, seeded, transcribe
from vall_e.decoding.non_autoregressive import decode_levels
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

ALLOWED = 5e-4
HEAD_WIDTH = 16

Arrays = dict[str, npt.NDArray[Any]]


def build(weights: dict[str, Tensor]) -> VallE:
    """A model of the sizes of `weights`, holding them."""
    dim = len(weights["sep"])
    layers = sum(name.endswith("input_layernorm.weight") for name in weights)
    flags = ModelExperimentalConfig(audio_embedding_sums_mode="legacy")
    size = {"dim": dim, "heads": dim // HEAD_WIDTH, "layers": layers}
    rows = {key: len(weights[f"{key}_emb.weight"]) for key in ("langs", "tasks", "tones")}
    model = VallE(ModelConfig(size=size, experimental=flags, **rows))
    model.load_state_dict(weights)
    return model.eval()


def passes(text: Tensor, prompt: Tensor, response: Tensor) -> Iterator[tuple[str, ModelInput]]:
    """The inputs of every pass by name."""
    sample = ModelInput(text=text, prompt=prompt)
    stop = response.new_full((1, 1), 1024)
    yield "ar", replace(sample, response=torch.cat([response[:, :1], stop]))
    for level in range(1, 8):
        yield f"nar{level}", replace(sample, level=level, response=response[:, : level + 1])
    yield "stt", ModelInput(task="stt", text=text, response=response)


@torch.inference_mode()
def compare_pass(model: VallE, name: str, sample: ModelInput, expected: Arrays) -> float:
    """The largest difference of a pass; infinite where positions differ."""
    packed = model.pack([sample])
    found = {"embeds": packed.embeddings, "logits": model.logits(packed.layouts[0].head, model.hidden(packed))}
    same = np.array_equal(packed.positions.numpy(), expected[f"{name}.position_ids"])
    differences = {key: np.abs(value.numpy() - expected[f"{name}.{key}"]).max() for key, value in found.items()}
    print(f"{name:5} positions {'equal' if same else 'DIFFER'}", *(f"{k} {v:.1e}" for k, v in differences.items()))
    return max(map(float, differences.values())) if same else float("inf")


def decode(model: VallE, text: Tensor, prompt: Tensor, response: Tensor, expected: Arrays) -> bool:
    """Whether greedy decoding says the same ids."""
    prefix = [ModelInput(text=text, prompt=prompt)]
    first = decode_level_zero(model, prefix, len(expected["greedy.ar"]), lambda _, logits, __: int(logits.argmax()))
    levels = decode_levels(model, prefix, first, SamplingConfig(), seeded(0, 1))
    heard = transcribe(model, [response], len(expected["greedy.stt"]))
    found = {"greedy.ar": first[0].numpy(), "greedy.nar": levels[0].numpy(), "greedy.stt": np.array(heard[0])}
    same = {name: np.array_equal(ids, expected[name]) for name, ids in found.items()}
    print(*(f"{name} {'equal' if equal else 'DIFFERS'}" for name, equal in same.items()))
    return all(same.values())


def main() -> int:
    """Compare; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    model = build(load_file(folder / "weights.safetensors"))
    with np.load(folder / "inputs.npz", allow_pickle=False) as file:
        text, prompt, response = (torch.from_numpy(file[key]) for key in ("text", "prom", "resp"))
    text = text.long()
    with np.load(folder / "outputs.npz", allow_pickle=False) as file:
        expected = dict(file)
    worst = max(compare_pass(model, *one, expected) for one in passes(text, prompt, response))
    same = decode(model, text, prompt, response, expected)
    print(f"largest difference {worst:.1e}, allowed {ALLOWED:.0e}")
    return int(worst > ALLOWED or not same)


if __name__ == "__main__":
    sys.exit(main())
