"""Weights of a model with one vocabulary in every form they are written in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.engines.test_export import CPU, exported, write
from tests.models.adapted import adapted
from tests.models.test_one_vocabulary import closed, model_of
from vall_e.config.lora import LoraConfig
from vall_e.errors import ConfigError
from vall_e.models.lora.tensors import merged
from vall_e.models.one_vocabulary import OneVocabularyVallE
from vall_e.models.weights.weights_file import load_weights

LEVELS = (0, 1, 5)


def all_logits(model: OneVocabularyVallE, level: int) -> Tensor:
    packed = model.pack([closed(level)])
    return model.logits("classifier", model.hidden(packed))


@pytest.mark.parametrize("suffix", ["safetensors", "pth", "pretrained"])
@pytest.mark.parametrize("flags", [{}, {"tie_classifier_to_embedding": True}], ids=["untied", "tied"])
@torch.inference_mode()
def test_weights_come_back_with_their_vocabulary(tmp_path: Path, suffix: str, flags: dict[str, Any]) -> None:
    model = model_of(flags)
    loaded = load_weights(exported(weights=write(tmp_path / "w.safetensors", model), weights_format=suffix), CPU)
    assert loaded.config == model.cfg and isinstance(loaded.model, OneVocabularyVallE)
    for level in LEVELS:
        assert all_logits(loaded.model, level).equal(all_logits(model, level))


@torch.inference_mode()
def test_what_adapters_changed_is_merged() -> None:
    model = adapted(model_of(), voice=LoraConfig(rank=4, embeddings=True))
    plain = merged(model)
    assert isinstance(model, OneVocabularyVallE) and isinstance(plain, OneVocabularyVallE)
    for level in LEVELS:
        torch.testing.assert_close(all_logits(plain, level), all_logits(model, level), rtol=1e-3, atol=1e-3)
        assert not all_logits(plain, level).allclose(all_logits(model_of(), level), atol=0.1)


@torch.inference_mode()
def test_mlps_are_copied_into_experts_that_say_the_same(tmp_path: Path) -> None:
    path = exported(weights=write(tmp_path / "w.safetensors", model_of()), moe_ify=True, weights_name="experts")
    loaded = load_weights(path, CPU).model
    torch.testing.assert_close(loaded([closed(0)]).parts["nll"], model_of()([closed(0)]).loss)


def test_its_head_cannot_be_split(tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", model_of())
    with pytest.raises(ConfigError, match="split_classifiers=true: these weights have one vocabulary"):
        exported(weights=path, split_classifiers=True, weights_name="split")


@pytest.fixture(params=[{}, {"tie_classifier_to_embedding": True}], ids=["untied", "tied"])
def folder(tmp_path: Path, request: pytest.FixtureRequest) -> tuple[Path, OneVocabularyVallE]:
    """A folder for transformers, and the model it is of."""
    model = model_of({"unified_position_ids": True, "noncausal_masks": False} | request.param)
    return exported(weights=write(tmp_path / "w.safetensors", model), hf=True), model


def test_tokens_for_transformers_are_the_ids_of_the_vocabulary(folder: tuple[Path, OneVocabularyVallE]) -> None:
    path, model = folder
    tensors, config = load_file(path / "model.safetensors"), json.loads((path / "config.json").read_text())
    ids = json.loads((path / "tokenizer.json").read_text())["model"]["vocab"]
    starts = model.vocabulary.starts
    assert config["vocab_size"] == len(tensors["lm_head.bias"]) == model.vocabulary.size
    assert config["eos_token_id"] == 3
    assert {name: ids[name] for name in ("<lang:fr>", "<RVQ:7>", "<P:2:5>", "<task:sr>", "<tone:0>", "<R:7:1023>")} == {
        "<lang:fr>": starts["lang"] + 3,
        "<RVQ:7>": starts["level"] + 7,
        "<P:2:5>": starts["prom"] + 2048 + 5,
        "<task:sr>": starts["task"] + 3,
        "<tone:0>": starts["tone"],
        "<R:7:1023>": starts["resp"] + 8191,
    }
    assert tensors["model.embed_tokens.weight"].equal(model.tokens_emb.weight)
    head = model.tokens_emb.weight if model.tied else model.classifier.weight
    assert tensors["lm_head.weight"].equal(head) and tensors["lm_head.bias"].equal(model.classifier.bias)
    for name, tensor in model.model.state_dict().items():
        assert tensors[f"model.{name}"].equal(tensor)


@torch.inference_mode()
def test_transformers_computes_the_same(folder: tuple[Path, OneVocabularyVallE]) -> None:
    """Of a causal model of plain positions, as ids alone say everything."""
    transformers = pytest.importorskip("transformers")
    path, model = folder
    theirs = transformers.AutoModelForCausalLM.from_pretrained(path).eval()
    bias = load_file(path / "model.safetensors")["lm_head.bias"]
    for level in LEVELS:
        ids = model.vocabulary.sequence(closed(level), model.lay_out(closed(level)))
        found = theirs(input_ids=ids[None]).logits[0] + bias
        torch.testing.assert_close(found, all_logits(model, level), rtol=1e-3, atol=1e-3)
