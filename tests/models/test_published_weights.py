"""Weights of the reference system are read as they were published."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.models.tiny import speech, tiny_model
from vall_e.errors import WeightsError
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import load_weights, read_weights, save_weights
from vall_e.text import open_tokenizer

CPU = torch.device("cpu")


def published(model: VallE, symbols: dict[str, int] | None, **changed: Any) -> dict[str, Any]:
    """The metadata that the reference writes beside a model."""
    config = {
        "name": "ar+nar",
        "version": 5,
        "size": asdict(model.cfg.dimensions) | {"audio_tokens": 1024, "text_tokens": 256},
        "resp_levels": 8,
        "tasks": 9,
        "langs": model.cfg.langs,
        "tones": 1,
        "experts": 1,
        "arch_type": "llama",
        "training": False,
        "frozen_params": [],
        "attention": "auto",
        "dropout": 0.1,
        "path": None,
        "loss_factors": {"text": 0.1, "prom": 0.5, "resp": 1.0},
        "capabilities": ["ar", "nar"],
        "kwargs": {},
        "experimental": {"split_classifiers": True, "audio_embedding_sums": True, "unified_position_ids": False},
    }
    return {
        "config": config | changed,
        "stats": {"global_step": 300, "micro_step": 0, "global_samples": 9, "tokens_processed": 99},
        "userdata": {"symmap": symbols},
    }


def write(path: Path, model: VallE, metadata: dict[str, Any], prefix: str = "") -> Path:
    """A file as the reference exports it."""
    tensors = {prefix + name if prefix else name: tensor for name, tensor in model.state_dict().items()}
    if path.suffix == ".pth":
        torch.save({"module": tensors, **metadata}, path)
    else:
        save_file(tensors, path, {key: json.dumps(value) for key, value in metadata.items()})
    return path


@pytest.fixture
def model() -> VallE:
    flags = {"split_classifiers": True, "audio_embedding_sums": True, "unified_position_ids": False}
    return tiny_model(flags | {"audio_embedding_sums_mode": "legacy", "noncausal_masks": False}, tasks=9)


@pytest.mark.parametrize("name", ["fp32.sft", "fp32.safetensors", "fp32.pth"])
def test_a_published_model_computes_what_it_did(model: VallE, tmp_path: Path, name: str) -> None:
    tokenizer = open_tokenizer("naive", None)
    loaded = load_weights(write(tmp_path / name, model, published(model, tokenizer.vocabulary)), CPU)
    assert loaded.model([speech(0), speech(3, 1)]).loss.equal(model([speech(0), speech(3, 1)]).loss)
    assert loaded.config.experimental.audio_embedding_sums_mode == "legacy"
    assert loaded.tokenizer.identity == tokenizer.identity and loaded.step == 300
    assert loaded.codec.name == "encodec" and loaded.codec.levels == 8


def test_switches_that_did_nothing_there_do_nothing_here(model: VallE, tmp_path: Path) -> None:
    metadata = published(model, None)
    metadata["config"]["experimental"] |= {"tie_classifier_to_embedding": True, "audio_embedding_mode": "inclusive"}
    loaded = load_weights(write(tmp_path / "w.sft", model, metadata), CPU)
    assert not loaded.config.experimental.tie_classifier_to_embedding
    assert loaded.model([speech(3)]).loss.equal(model([speech(3)]).loss)


def test_it_speaks_the_codes_of_its_codec_whatever_the_weights_of_that(model: VallE, tmp_path: Path) -> None:
    codec = load_weights(write(tmp_path / "w.sft", model, published(model, None)), CPU).codec
    ours = replace(codec, digest="0123456789abcdef")
    assert codec.agrees(ours) and ours.agrees(codec)
    assert not codec.agrees(replace(ours, name="dac")) and not ours.agrees(replace(ours, digest="f" * 16))


def test_the_tokenizer_beside_the_file_is_the_one(model: VallE, tmp_path: Path) -> None:
    tree = json.loads(open_tokenizer(None, None).json)  # type: ignore[attr-defined]
    tree["model"]["vocab"]["☃"] = 250
    (tmp_path / "tokenizer.json").write_text(json.dumps(tree), encoding="utf-8")
    path = write(tmp_path / "w.sft", model, published(model, tree["model"]["vocab"]))
    assert load_weights(path, CPU).tokenizer.vocabulary["☃"] == 250
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(WeightsError, match=r"put the tokenizer.json that was published with them beside the file"):
        load_weights(path, CPU)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(WeightsError, match="need the tokenizer beside them"):
        load_weights(path, CPU)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"arch_type": "lstm"}, "arch_type"),
        ({"resp_levels": "many"}, "resp_levels"),
        ({"shape": 3}, "shape"),
    ],
)
def test_a_model_that_cannot_be_is_refused(model: VallE, tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    path = write(tmp_path / "w.sft", model, published(model, None, **changed))
    with pytest.raises(WeightsError, match=f"that this version cannot be: .*{told}"):
        load_weights(path, CPU)


@pytest.mark.parametrize("config", ["3", "null", "[]", "{"])
def test_damaged_metadata_is_told(model: VallE, tmp_path: Path, config: str) -> None:
    path = tmp_path / "w.sft"
    save_file(model.state_dict(), path, {"config": config})
    with pytest.raises(WeightsError, match="damaged metadata"):
        load_weights(path, CPU)


def test_what_is_read_can_be_written_as_ours(model: VallE, tmp_path: Path) -> None:
    content = read_weights(write(tmp_path / "w.sft", model, published(model, None)))
    save_weights(tmp_path / "ours.safetensors", **vars(content))
    again = read_weights(tmp_path / "ours.safetensors")
    assert (again.config, again.codec, again.step) == (content.config, content.codec, content.step)


def test_heads_of_lengths_and_masks_lose_the_rows_that_mean_nothing(tmp_path: Path) -> None:
    capabilities = ["ar", "nar", "len"]
    flags = {"audio_embedding_sums_mode": "legacy", "noncausal_masks": False}
    model, wide = (tiny_model(flags, capabilities=capabilities) for _ in range(2))
    for index, rows in ((8, 1025), (10, 256)):
        head = torch.nn.Linear(32, rows)
        head.load_state_dict(
            {
                name: torch.cat([tensor, torch.ones(rows - len(tensor), *tensor.shape[1:])])
                for name, tensor in model.classifiers.proj[index].state_dict().items()
            }
        )
        wide.classifiers.proj[index] = head
    wide.register_parameter("time_emb", torch.nn.Parameter(torch.ones(3)))
    metadata = published(model, None, name="ar+nar-len", capabilities=capabilities)
    tensors = {name.replace("time_emb", "time_emb.mlp.0.bias"): t for name, t in wide.state_dict().items()}
    save_file(tensors, tmp_path / "w.sft", {key: json.dumps(value) for key, value in metadata.items()})
    loaded = load_weights(tmp_path / "w.sft", CPU).model.state_dict()
    assert loaded.keys() == model.state_dict().keys()
    assert all(loaded[name].equal(tensor) for name, tensor in model.state_dict().items())
