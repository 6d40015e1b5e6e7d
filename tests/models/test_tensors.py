"""Names and shapes of tensors are those of the published weights."""

from __future__ import annotations

import pytest
import torch

from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.models.vall_e import VallE

LAYER = {
    **{f"self_attn.{letter}_proj": (1024, 1024) for letter in "qkvo"},
    "mlp.gate_proj": (4096, 1024),
    "mlp.up_proj": (4096, 1024),
    "mlp.down_proj": (1024, 4096),
    "input_layernorm": (1024,),
    "post_attention_layernorm": (1024,),
}
REFERENCE: dict[str, tuple[int, ...]] = {
    "sep": (1024,),
    "dropout_token": (1024,),
    "text_emb.weight": (256, 1024),
    **{f"proms_emb.embeddings.{level}.weight": (1024, 1024) for level in range(8)},
    "resps_emb.embeddings.0.weight": (1025, 1024),
    **{f"resps_emb.embeddings.{level}.weight": (1024, 1024) for level in range(1, 8)},
    "langs_emb.weight": (4, 1024),
    "tasks_emb.weight": (9, 1024),
    "tones_emb.weight": (1, 1024),
    "rvq_l_emb.weight": (8, 1024),
    "len_emb.weight": (11, 1024),
    **{f"model.layers.{layer}.{name}.weight": shape for layer in range(12) for name, shape in LAYER.items()},
    "model.norm.weight": (1024,),
    "classifiers.proj.0.weight": (1025, 1024),
    "classifiers.proj.0.bias": (1025,),
    **{f"classifiers.proj.{level}.weight": (1024, 1024) for level in range(1, 8)},
    **{f"classifiers.proj.{level}.bias": (1024,) for level in range(1, 8)},
    "classifiers.proj.8.weight": (256, 1024),
    "classifiers.proj.8.bias": (256,),
}
WITH_LEN = REFERENCE | {
    "resps_emb.embeddings.8.weight": (1025, 1024),
    "classifiers.proj.8.weight": (1024, 1024),
    "classifiers.proj.8.bias": (1024,),
    "classifiers.proj.9.weight": (256, 1024),
    "classifiers.proj.9.bias": (256,),
    "classifiers.proj.10.weight": (11, 1024),
    "classifiers.proj.10.bias": (11,),
}
SINGLE_HEAD = {name: shape for name, shape in REFERENCE.items() if not name.startswith("classifiers")} | {
    "classifier.weight": (1025, 1024),
    "classifier.bias": (1025,),
}


def shapes(capabilities: list[str], **flags: bool) -> dict[str, tuple[int, ...]]:
    experimental = ModelExperimentalConfig(**flags)
    with torch.device("meta"):
        model = VallE(ModelConfig(langs=4, capabilities=capabilities, experimental=experimental))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize(
    ("found", "expected", "tensors", "elements"),
    [
        (shapes(["ar", "nar"]), REFERENCE, 151, 227_088_641),
        (shapes(["ar", "nar", "len"]), WITH_LEN, 156, 229_199_116),
        (shapes(["ar", "nar"], split_classifiers=False), SINGLE_HEAD, 135, 219_479_041),
    ],
    ids=["ar+nar", "ar+nar-len", "single head"],
)
def test_tensors_are_those_of_the_reference(
    found: dict[str, tuple[int, ...]], expected: dict[str, tuple[int, ...]], tensors: int, elements: int
) -> None:
    assert found == expected
    assert len(found) == tensors
    assert sum(torch.Size(shape).numel() for shape in found.values()) == elements


def test_a_purely_autoregressive_model_has_a_stop_row_in_every_level() -> None:
    found = shapes(["ar"])
    assert {found[f"resps_emb.embeddings.{level}.weight"] for level in range(8)} == {(1025, 1024)}
    assert {found[f"classifiers.proj.{level}.weight"] for level in range(8)} == {(1025, 1024)}


def test_masked_decoding_without_ar_takes_the_place_of_level_0() -> None:
    found = shapes(["nar", "len"])
    assert found["resps_emb.embeddings.0.weight"] == found["classifiers.proj.0.weight"] == (1025, 1024)
    assert found["classifiers.proj.9.weight"] == (11, 1024)
    assert "resps_emb.embeddings.8.weight" not in found
