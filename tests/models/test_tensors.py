"""Names and shapes of tensors are those of the published weights."""

from __future__ import annotations

from typing import Any

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
AROUND = {name: shape for name, shape in REFERENCE.items() if not name.startswith("model.")}
"""What no backbone has a say in."""
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


def shapes(capabilities: list[str], settings: dict[str, Any] | None = None, **flags: Any) -> dict[str, tuple[int, ...]]:
    experimental = ModelExperimentalConfig(**flags)
    with torch.device("meta"):
        model = VallE(
            ModelConfig(**{"langs": 4, "capabilities": capabilities} | (settings or {}), experimental=experimental)
        )
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


def backbone(
    settings: dict[str, Any], layer: dict[str, tuple[int, ...]], layers: int = 12, at: str = "layers"
) -> dict[str, tuple[int, ...]]:
    """The tensors of a full model without those outside its backbone and, if they are as told, of its layers."""
    found = shapes(["ar", "nar"], settings, noncausal_masks=False)
    expected = AROUND | {f"model.{at}.{i}.{name}": shape for i in range(layers) for name, shape in layer.items()}
    assert {name: found.pop(name, None) for name in expected} == expected
    assert not [name for name in found if name.startswith(f"model.{at}.")]
    return found


def elements(settings: dict[str, Any], heads: bool = False) -> tuple[int, int]:
    """Number of tensors, and of their elements, with a single head."""
    found = shapes(["ar", "nar"], settings, split_classifiers=heads, noncausal_masks=False)
    return len(found), sum(torch.Size(shape).numel() for shape in found.values())


NORM = (1024,)
EXPERT = {"w1": (4096, 1024), "w2": (1024, 4096), "w3": (4096, 1024)}


def test_queries_share_keys_and_values() -> None:
    found = shapes(["ar", "nar"], kv_heads=4)
    assert (
        found["model.layers.0.self_attn.k_proj.weight"]
        == found["model.layers.11.self_attn.v_proj.weight"]
        == (256, 1024)
    )
    assert found["model.layers.0.self_attn.q_proj.weight"] == (1024, 1024)


def test_tensors_of_mixtral() -> None:
    settings = {"arch_type": "mixtral", "experts": 8}
    layer = {f"{name}.weight": shape for name, shape in LAYER.items() if "mlp" not in name}
    layer["block_sparse_moe.gate.weight"] = (8, 1024)
    layer |= {f"block_sparse_moe.experts.{e}.{w}.weight": shape for e in range(8) for w, shape in EXPERT.items()}
    rest = backbone(settings, layer)
    assert rest == {"model.embed_tokens.weight": (1025, 1024), "model.norm.weight": NORM}
    assert elements(settings) == (400, 1_277_591_553)  # 404 and 1,285,985,281 with the unused `time_emb`


RETENTION = {"q_proj": (1024, 1024), "k_proj": (1024, 1024), "v_proj": (2048, 1024), "g_proj": (2048, 1024)}
RETNET = {
    **{f"retention.{name}": shape for name, shape in RETENTION.items()},
    "retention.out_proj": (1024, 2048),
    "ffn.fc1": (4096, 1024),
    "ffn.fc2": (1024, 4096),
}
RETNET_NORMS = {"retention_layer_norm": NORM, "final_layer_norm": NORM}
RELATIVE = {"model.retnet_rel_pos.angle": (64,), "model.retnet_rel_pos.decay": (16,)}


def test_tensors_of_retnet() -> None:
    layer = {f"{name}.weight": shape for name, shape in (RETNET | RETNET_NORMS | {"ffn.gate": (4096, 1024)}).items()}
    assert backbone({"arch_type": "retnet"}, layer) == RELATIVE | {"model.layer_norm.weight": NORM}
    # 153 and 278,201,425 with the unused `time_emb`
    assert elements({"arch_type": "retnet", "langs": 2, "tasks": 8}) == (149, 269_807_697)


def test_tensors_of_the_older_retnet() -> None:
    norms = RETNET_NORMS | {"ffn.ffn_layernorm": (4096,)}
    layer = {f"{name}.weight": shape for name, shape in (RETNET | norms).items()}
    layer |= {f"{name}.bias": shape[:1] for name, shape in (RETNET | norms).items()}
    rest = {"model.layer_norm.weight": NORM, "model.layer_norm.bias": NORM, "model.embed_tokens.weight": (1025, 1024)}
    assert backbone({"arch_type": "retnet-hf"}, layer) == RELATIVE | rest


def test_tensors_of_mamba() -> None:
    layer = {
        "mixer.in_proj.weight": (2 * 2048, 1024),
        "mixer.conv1d.weight": (2048, 1, 4),
        "mixer.conv1d.bias": (2048,),
        "mixer.x_proj.weight": (64 + 2 * 16, 2048),
        "mixer.dt_proj.weight": (2048, 64),
        "mixer.dt_proj.bias": (2048,),
        "mixer.A_log": (2048, 16),
        "mixer.D": (2048,),
        "mixer.out_proj.weight": (1024, 2048),
        "norm.weight": NORM,
    }
    assert backbone({"arch_type": "mamba"}, layer, layers=24) == {"model.norm_f.weight": NORM}


@pytest.mark.parametrize(("arch", "expand", "layers"), [("mamba2", 2, 24), ("mamba2-hf", 4, 12)])
def test_tensors_of_mamba2(arch: str, expand: int, layers: int) -> None:
    inner, heads = expand * 1024, expand * 16
    layer = {
        "mixer.in_proj.weight": (2 * inner + 2 * 128 + heads, 1024),
        "mixer.conv1d.weight": (inner + 2 * 128, 1, 4),
        "mixer.conv1d.bias": (inner + 2 * 128,),
        **{f"mixer.{name}": (heads,) for name in ("dt_bias", "A_log", "D")},
        "mixer.norm.weight": (inner,),
        "mixer.out_proj.weight": (1024, inner),
        "norm.weight": NORM,
    }
    assert backbone({"arch_type": arch}, layer, layers=layers) == {"model.norm_f.weight": NORM}


def test_tensors_of_the_plain_transformer() -> None:
    layer = {
        "attn.norm.weight": NORM,
        "attn.norm.bias": NORM,
        "attn.block.to_qkv.weight": (3072, 1024),
        "attn.block.to_out.weight": (1024, 1024),
        "attn.block.to_out.bias": (1024,),
        "ffn.norm.weight": NORM,
        "ffn.norm.bias": NORM,
        "ffn.block.0.weight": (4096, 1024),
        "ffn.block.0.bias": (4096,),
        "ffn.block.3.weight": (1024, 4096),
        "ffn.block.3.bias": (1024,),
    }
    assert backbone({"arch_type": "transformer"}, layer, at="blocks") == {}


def test_tensors_of_bitnet() -> None:
    layer = {f"self_attn.{letter}_proj.weight": (1024, 1024) for letter in "qkvo"}
    layer |= {"ffn.up_proj.weight": (4096, 1024), "ffn.down_proj.weight": (1024, 4096)}
    layer |= {"ffn.norm.weight": (4096,), "ffn.norm.bias": (4096,)}
    assert backbone({"arch_type": "bitnet"}, layer) == {"model.norm.weight": NORM}
