"""Adapters are exported by themselves, or added to the weights they were trained on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from tests.models.adapted import logits
from tests.small_run import batches, engine, small
from vall_e.config.export import ExportConfig
from vall_e.config.lora import LoraConfig
from vall_e.config.trainer import WeightDtype
from vall_e.engines.export import export
from vall_e.engines.local import LocalEngine
from vall_e.errors import CheckpointError, ConfigError, WeightsError
from vall_e.models.lora.loading import attach_trained
from vall_e.models.weights.weights_file import load_weights

CPU = torch.device("cpu")
VOICE = LoraConfig(rank=2, alpha=16, name="voice", embeddings=True)
FIXED = LoraConfig(rank=2, name="fixed", training=False)
FOLDER = "voice-r2-a16"


def trained(speech: Path, loras: dict[str, LoraConfig], **settings: Any) -> LocalEngine:
    one = engine(small(speech, loras=loras, learning_rate=0.05, **settings))
    for batch in batches(one.cfg, 3):
        one.step([batch])
    one.model.eval()
    return one


def checkpoint(one: LocalEngine, run: Path, folder: str = FOLDER) -> Path:
    return one.write(one.snapshot({}), run / "ckpt" / folder, "3")


def exported(**settings: Any) -> list[Path]:
    return export(ExportConfig(**{key: str(v) if isinstance(v, Path) else v for key, v in settings.items()}))


def speaking(path: Path) -> Tensor:
    return logits(load_weights(path, CPU).model)


@pytest.mark.parametrize("parametrize", [False, True], ids=["replace", "parametrize"])
@pytest.mark.parametrize("suffix", ["safetensors", "pth"])
def test_an_adapter_is_exported_alone_and_speaks_with_the_weights(
    speech: Path, tmp_path: Path, parametrize: bool, suffix: str
) -> None:
    one = trained(speech, {"voice": replace(VOICE, parametrize=parametrize)})
    checkpoint(one, tmp_path)
    (path,) = exported(run=tmp_path, export_lora=True, weights_format=suffix)
    assert path == tmp_path / "ckpt" / FOLDER / f"lora.{suffix}"
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(["3", "latest", path.name])
    (base,) = exported(run=tmp_path, folder=tmp_path / "base")
    found = load_weights(base, CPU)
    assert not torch.allclose(logits(found.model), logits(one.model), atol=1e-3)
    attach_trained(found.model, {"v": replace(VOICE, path=str(path))}, found.tokenizer, found.codec)
    torch.testing.assert_close(logits(found.model), logits(one.model), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("parametrize", [False, True], ids=["replace", "parametrize"])
def test_adapters_of_a_run_are_merged_into_its_weights(speech: Path, tmp_path: Path, parametrize: bool) -> None:
    one = trained(speech, {"voice": replace(VOICE, parametrize=parametrize), "fixed": FIXED})
    checkpoint(one, tmp_path)
    (path,) = exported(run=tmp_path, merge_loras=True, weights_name="merged")
    assert path == tmp_path / "ckpt" / FOLDER / "merged.safetensors"
    assert set(load_file(path)) == set(engine(small(speech)).model.state_dict())
    torch.testing.assert_close(speaking(path), logits(one.model), rtol=1e-4, atol=1e-5)


def test_merged_weights_are_cast_and_become_a_folder_for_transformers(speech: Path, tmp_path: Path) -> None:
    one = trained(speech, {"voice": VOICE})
    checkpoint(one, tmp_path)
    (plain,) = exported(run=tmp_path, merge_loras=True)
    (folder,) = exported(run=tmp_path, merge_loras=True, hf=True, dtype="bfloat16")
    query = "model.layers.0.self_attn.q_proj.weight"
    assert load_file(folder / "model.safetensors")[query].equal(load_file(plain)[query].bfloat16())


@pytest.mark.parametrize("parametrize", [False, True], ids=["replace", "parametrize"])
def test_the_moving_average_of_an_adapter_is_what_is_exported(speech: Path, tmp_path: Path, parametrize: bool) -> None:
    one = trained(speech, {"voice": replace(VOICE, parametrize=parametrize)}, ema_decay=0.5)
    checkpoint(one, tmp_path)
    (path,) = exported(run=tmp_path, export_lora=True)
    own = one.adapters()["voice"]
    assert load_file(path).keys() == own.keys()
    assert all(tensor.equal(own[name]) for name, tensor in load_file(path).items())
    (merged,) = exported(run=tmp_path, merge_loras=True, weights_name="merged")
    with one.speaking() as model:
        torch.testing.assert_close(speaking(merged), logits(model), rtol=1e-4, atol=1e-5)
    (base,) = exported(run=tmp_path)
    assert load_file(base).keys() == engine(small(speech)).model.state_dict().keys()


def test_weights_that_were_trained_with_the_adapter_are_exported_too(speech: Path, tmp_path: Path) -> None:
    one = trained(speech, {"voice": VOICE}, frozen_params=["sep", "text_emb.weight"], ema_decay=0.5)
    checkpoint(one, tmp_path)
    adapter, weights = exported(run=tmp_path, export_lora=True)
    assert (adapter.name, weights.name) == ("lora.safetensors", "fp32.safetensors")
    own = one.weights()
    assert all(tensor.equal(own[name]) for name, tensor in load_file(weights).items())
    before = engine(one.cfg).weights()
    same = {name for name, tensor in own.items() if tensor.equal(before[name])}
    assert {"sep", "text_emb.weight"} <= same and "model.norm.weight" not in same


def test_each_adapter_in_training_has_a_folder_of_its_own(speech: Path, tmp_path: Path) -> None:
    style = LoraConfig(rank=4, name="style", alpha=4, rvq_levels=[1, 2])
    one = trained(speech, {"voice": VOICE, "style": style, "fixed": FIXED})
    checkpoint(one, tmp_path)
    first = exported(run=tmp_path, export_lora=True)
    again = exported(run=tmp_path, export_lora=True, folder=tmp_path / "out", dtype="float16")
    assert [path.relative_to(tmp_path / "ckpt").as_posix() for path in first] == [
        f"{FOLDER}/lora.safetensors",
        "style-r4-a4/lora.safetensors",
    ]
    assert [path.parent.name for path in again] == [FOLDER, "style-r4-a4"]
    assert {tensor.dtype for tensor in load_file(again[1]).values()} == {torch.float16}
    with safe_open(first[1], framework="pt") as file:
        config = json.loads(file.metadata()["config"])
    assert (config["rank"], config["rvq_levels"]) == (4, [1, 2])
    with pytest.raises(ConfigError, match=r"loras\.style\.rvq_levels=\[1, 2\]: .* cannot be merged"):
        exported(run=tmp_path, merge_loras=True)


def test_half_precision_stays(speech: Path, tmp_path: Path) -> None:
    one = trained(speech, {"voice": VOICE}, weight_dtype=WeightDtype.bfloat16)
    checkpoint(one, tmp_path)
    for settings in ({"export_lora": True}, {"merge_loras": True}):
        (path,) = exported(run=tmp_path, **settings)
        assert {tensor.dtype for tensor in load_file(path).values()} == {torch.bfloat16}


def saved(one: LocalEngine, folder: Path) -> tuple[Path, Path]:
    """Weights and adapter, as a run leaves them; the adapter as the reference writes it."""
    one.write_weights(folder / "fp32.safetensors", one.weights(), 3)
    (tensors,) = one.adapters().values()
    config = {"name": "voice", "rank": 2, "alpha": 16, "training": True, "embeddings": True, "rvq_levels": []}
    torch.save({"module": tensors, "config": config}, folder / "lora.pth")
    return folder / "fp32.safetensors", folder / "lora.pth"


def test_an_adapter_of_the_reference_is_merged_into_a_weights_file(speech: Path, tmp_path: Path) -> None:
    one = trained(speech, {"voice": VOICE})
    weights, adapter = saved(one, tmp_path)
    loras = {"v": replace(VOICE, path=str(adapter))}
    (path,) = exported(weights=weights, merge_loras=True, loras=loras, weights_name="merged")
    torch.testing.assert_close(speaking(path), logits(one.model), rtol=1e-4, atol=1e-5)
    with pytest.raises(ConfigError, match="would be replaced by its export"):
        exported(weights=weights, merge_loras=True, loras=loras)


def test_an_adapter_of_the_reference_becomes_one_of_ours(speech: Path, tmp_path: Path) -> None:
    one = trained(speech, {"voice": VOICE})
    weights, adapter = saved(one, tmp_path)
    (path,) = exported(weights=weights, export_lora=True, loras={"v": replace(VOICE, path=str(adapter))})
    assert path == tmp_path / FOLDER / "lora.safetensors"
    own = one.adapters()["voice"]
    assert all(tensor.equal(own[name]) for name, tensor in load_file(path).items())
    with pytest.raises(ConfigError, match=r"loras\.v\.path=.*lora\.safetensors would be replaced by its export"):
        exported(weights=weights, export_lora=True, loras={"v": replace(VOICE, path=str(path))})
    with pytest.raises(WeightsError, match=r"it has alpha=16, set is loras\.v\.alpha=2"):
        exported(weights=weights, merge_loras=True, loras={"v": replace(VOICE, alpha=2, path=str(path))})


@pytest.mark.parametrize("setting", ["merge_loras", "export_lora"])
def test_where_no_adapters_are_the_wish_is_refused(speech: Path, tmp_path: Path, setting: str) -> None:
    one = engine(small(speech))
    folder = checkpoint(one, tmp_path, "ar+nar-llama-8")
    words = rf"^{setting}=true: there are no adapters; .*\+lora@loras\.NAME=OPTION"
    with pytest.raises(ConfigError, match=words):
        exported(run=tmp_path, **{setting: True})
    with pytest.raises(ConfigError, match=words):
        exported(weights=folder / "weights.safetensors", **{setting: True})


def test_an_adapter_that_was_not_trained_is_not_exported(speech: Path, tmp_path: Path) -> None:
    checkpoint(trained(speech, {"fixed": FIXED}), tmp_path, "ar+nar-llama-8")
    with pytest.raises(ConfigError, match="export_lora=true: there are adapters, but none that was trained"):
        exported(run=tmp_path, export_lora=True)


def test_folders_without_checkpoints_are_no_models_to_choose_from(speech: Path, tmp_path: Path) -> None:
    checkpoint(trained(speech, {"voice": VOICE}), tmp_path)
    (tmp_path / "ckpt/style-r4-a4").mkdir()
    (tmp_path / "ckpt/style-r4-a4/lora.safetensors").write_bytes(b"")
    assert exported(run=tmp_path)[0].parent.name == FOLDER
    with pytest.raises(CheckpointError, match="has no checkpoints in"):
        exported(run=tmp_path / "ckpt")


def test_wishes_about_adapters_that_contradict_each_other_are_told() -> None:
    weights = ExportConfig(weights="w.safetensors", merge_loras=True, loras={"v": VOICE})
    assert list(weights.problems()) == []
    for changes, words in (
        ({"export_lora": True}, "merge_loras=true has no place for adapters beside the weights"),
        ({"merge_loras": False}, "loras are given, but nothing is done with them"),
        ({"weights": None, "run": "r"}, "loras stand beside weights=FILE, but run=r has its own"),
    ):
        (problem,) = replace(weights, **changes).problems()
        assert problem.startswith(words)
