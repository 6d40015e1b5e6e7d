"""Weights of spring 2024, `ar+nar-retnet-8`: files in their format are read, spoken with and trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.models.tiny import draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.config.composing import compose_config
from vall_e.config.sampling import SamplingConfig
from vall_e.config.schema import Config
from vall_e.config.seal import seal
from vall_e.decoding.generate import SpeechRequest, generate_speech
from vall_e.engines.origin import take_weights
from vall_e.errors import WeightsError
from vall_e.models.vall_e import VallE
from vall_e.models.weights.inferred import inferred_config
from vall_e.models.weights.published import current_tensors
from vall_e.models.weights.weights_file import load_weights, read_weights, save_weights
from vall_e.text import open_tokenizer

CPU = torch.device("cpu")
NAIVE = open_tokenizer("naive", None)

PROJECTIONS = {"q_proj": (1024, 1024), "k_proj": (1024, 1024), "v_proj": (2048, 1024), "g_proj": (2048, 1024)}
LINEAR = {f"retention.{name}": shape for name, shape in PROJECTIONS.items()} | {
    "retention.out_proj": (1024, 2048),
    "ffn.fc1": (4096, 1024),
    "ffn.fc2": (1024, 4096),
}
NORMS = {"ffn.ffn_layernorm": (4096,), "retention_layer_norm": (1024,), "final_layer_norm": (1024,)}
LAYER = {
    f"{name}.{part}": shape if part == "weight" else shape[:1]
    for name, shape in (LINEAR | NORMS).items()
    for part in ("weight", "bias")
}
PUBLISHED: dict[str, tuple[int, ...]] = {
    "sep": (1024,),
    "text_emb.weight": (1024, 1024),
    **{f"proms_emb.embeddings.{level}.weight": (1024, 1024) for level in range(8)},
    "resps_emb.embeddings.0.weight": (1025, 1024),
    **{f"resps_emb.embeddings.{level}.weight": (1024, 1024) for level in range(1, 8)},
    "langs_emb.weight": (2, 1024),
    "tasks_emb.weight": (8, 1024),
    **{f"retnet.layers.{layer}.{name}": shape for layer in range(12) for name, shape in LAYER.items()},
    "retnet.layer_norm.weight": (1024,),
    "retnet.layer_norm.bias": (1024,),
    "retnet.retnet_rel_pos.angle": (64,),
    "retnet.retnet_rel_pos.decay": (16,),
    "classifier.weight": (1025, 1024),
    "classifier.bias": (1025,),
}
"""What the published file holds."""


def preset() -> Config:
    return seal(compose_config("train", ["model=ar+nar-retnet-8"]), Config)


def on_meta(shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def test_the_published_file_has_as_many_tensors_as_it_should() -> None:
    assert len(PUBLISHED) == 266
    assert sum(torch.Size(shape).numel() for shape in PUBLISHED.values()) == 220_512_337


def test_the_preset_is_the_model_of_the_published_file() -> None:
    cfg = preset()
    assert (cfg.model.full_name, cfg.tokenizer) == ("ar+nar-retnet-8", "naive")
    with torch.device("meta"):
        model = VallE(cfg.model)
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    read = current_tensors(on_meta(PUBLISHED) | {"sep": torch.zeros(1024)}, cfg.model)
    assert own == {name: tuple(tensor.shape) for name, tensor in read.items()}


def test_its_tensors_tell_its_settings() -> None:
    renamed = {name.replace("retnet.", "model.", 1): t for name, t in on_meta(PUBLISHED).items()}
    assert inferred_config(renamed) == preset().model


def tiny_retnet(version: int = 3, **settings: Any) -> VallE:
    flags = {"split_classifiers": False, "noncausal_masks": False, "unified_position_ids": True}
    config = {"version": version, "arch_type": "retnet", "tasks": 8, "langs": 2} | settings
    return tiny_model(flags | {"retnet_layout": "old"}, **config)


def old_tensors(model: VallE) -> dict[str, Tensor]:
    """The tensors of a model as they were written in spring 2024."""
    state = {name.replace("model.", "retnet.", 1): t for name, t in model.state_dict().items()}
    state["text_emb.weight"] = torch.cat([state["text_emb.weight"], torch.full((768, 32), 7.0)])
    del state["dropout_token"]
    return state


def metadata(**changed: Any) -> dict[str, Any]:
    """What a later export wrote beside them: all settings, though the layout of the backbone is none."""
    config = {"name": "ar+nar", "version": 3, "size": {"dim": 32, "heads": 2, "layers": 2}, "resp_levels": 8}
    config |= {"prom_levels": 8, "tasks": 8, "langs": 2, "tones": 1, "arch_type": "retnet", "experts": 1}
    config |= {"experimental": {"split_classifiers": False, "audio_embedding_sums": False}}
    return {"config": config | changed, "userdata": {"symmap": NAIVE.vocabulary}, "stats": {"global_step": 5}}


def write(path: Path, model: VallE, with_config: bool) -> Path:
    extra = metadata()
    if not with_config:
        del extra["config"]
    if path.suffix == ".pth":
        torch.save({"module": old_tensors(model), **extra}, path)
    else:
        save_file(old_tensors(model), path, {key: json.dumps(value) for key, value in extra.items()})
    return path


@pytest.mark.parametrize("with_config", [True, False])
@pytest.mark.parametrize("name", ["fp32.pth", "fp32.sft"])
def test_an_old_file_computes_what_it_did_and_speaks(tmp_path: Path, name: str, with_config: bool) -> None:
    model = tiny_retnet()
    loaded = load_weights(write(tmp_path / name, model, with_config), CPU)
    assert (loaded.config.experimental.retnet_layout, loaded.config.version) == ("old", 3)
    assert loaded.codec.name == "encodec" and loaded.tokenizer.identity == NAIVE.identity
    batch = [speech(0), speech(3, 1)]
    assert loaded.model(batch).loss.equal(model(batch).loss)
    request = SpeechRequest(tokens=draw_text(6), prompt=draw_codes(5))
    sampling = SamplingConfig(max_duration=7)
    said, expected = (generate_speech(m, [request], sampling, 3)[0].codes for m in (loaded.model, model))
    assert said.equal(expected) and said.shape[1] == 8 and len(said)


def test_the_naive_tokenizer_is_the_one_of_files_that_name_no_symbols(tmp_path: Path) -> None:
    torch.save({"module": old_tensors(tiny_retnet())}, tmp_path / "w.pth")
    assert load_weights(tmp_path / "w.pth", CPU).tokenizer.identity == NAIVE.identity


def test_what_is_read_can_be_written_as_ours(tmp_path: Path) -> None:
    content = read_weights(write(tmp_path / "old.pth", tiny_retnet(), True))
    save_weights(tmp_path / "ours.safetensors", **vars(content))
    again = read_weights(tmp_path / "ours.safetensors")
    assert again.config == content.config
    assert all(again.tensors[name].equal(tensor) for name, tensor in content.tensors.items())


def test_training_starts_from_an_old_file(tmp_path: Path) -> None:
    trained = tiny_retnet()
    path = write(tmp_path / "old.pth", trained, False)
    fresh = VallE(trained.cfg)
    take_weights(fresh, NAIVE, read_weights(path).codec, path)
    state = trained.state_dict()
    assert all(tensor.equal(state[name]) for name, tensor in fresh.state_dict().items() if name != "dropout_token")
    loss = fresh.train()([speech(0), speech(4)]).loss
    loss.backward()
    assert fresh.model.layers[0].retention.q_proj.bias.grad.abs().sum() > 0


@pytest.mark.parametrize("version", [2, 3])
def test_settings_are_told_by_tensors_alone(version: int) -> None:
    model = tiny_retnet(version)
    read = inferred_config(model.state_dict())
    assert read is not None and VallE(read).state_dict().keys() == model.state_dict().keys()
    assert (read.version, read.arch_type, read.dimensions) == (version, "retnet", model.cfg.dimensions)
    llama = tiny_model({"split_classifiers": False, "noncausal_masks": False}, version=version, capabilities=["ar"])
    told = inferred_config(llama.state_dict())
    assert told is not None and (told.arch_type, told.capabilities, told.name) == ("llama", ["ar"], "ar")


def test_the_newer_layout_is_told_too(tmp_path: Path) -> None:
    flags = {"split_classifiers": False, "noncausal_masks": False}
    model = tiny_model(flags, version=3, arch_type="retnet", tasks=8, langs=2)
    path = tmp_path / "new.sft"
    save_file(model.state_dict(), path, {key: json.dumps(value) for key, value in metadata().items()})
    assert load_weights(path, CPU).config.experimental.retnet_layout == "new"


@pytest.mark.parametrize("settings", [{}, {"arch_type": "transformer", "version": 3}])
def test_tensors_that_tell_no_settings_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    model = VallE(tiny_config({"split_classifiers": False}, **settings))
    assert inferred_config(model.state_dict()) is None
    torch.save({"module": model.state_dict()}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match="does not say which model it is"):
        load_weights(tmp_path / "w.pth", CPU)


def test_a_model_of_the_first_generation_is_refused(tmp_path: Path) -> None:
    extra = metadata(version=1)
    torch.save({"module": old_tensors(tiny_retnet()), **extra}, tmp_path / "w.pth")
    with pytest.raises(WeightsError, match=r"model\.version=1 is not available"):
        load_weights(tmp_path / "w.pth", CPU)
