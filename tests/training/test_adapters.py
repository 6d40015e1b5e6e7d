"""A run that trains an adapter leaves the model as it is, resumes, and exports what the model then speaks with."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.small_run import MODEL, batches, engine, losses, rows, small
from vall_e.__main__ import main
from vall_e.config.lora import LoraConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.engines.checkpoint import find_checkpoint
from vall_e.errors import CheckpointError, WeightsError
from vall_e.training.loop import train

VOICE = LoraConfig(name="voice", rank=8, alpha=64)
FOLDER = "voice-r8-a64"
FORMS = pytest.mark.parametrize("parametrize", [False, True], ids=["replace", "parametrize"])


@pytest.fixture(scope="module")
def weights(speech: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model that has learnt something."""
    path = tmp_path_factory.mktemp("weights") / "fp32.safetensors"
    one = engine(small(speech, learning_rate=0.01))
    for batch in batches(one.cfg, 6):
        one.step([batch])
    one.write_weights(path, one.weights(), one.global_step)
    return str(path)


def adapter(folder: Path, name: str = FOLDER) -> dict[str, Tensor]:
    return load_file(folder / "ckpt" / name / "lora.safetensors")


def base(folder: Path, tag: str = "6") -> dict[str, Tensor]:
    return load_file(folder / "ckpt" / FOLDER / tag / "weights.safetensors")


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(tensor.equal(other[name]) for name, tensor in one.items())


@FORMS
@pytest.mark.parametrize(
    "settings", [{}, {"gradient_checkpointing": True, "ema_decay": 0.5}], ids=["plain", "averaged"]
)
def test_the_adapter_alone_is_trained(
    speech: Path, tmp_path: Path, weights: str, parametrize: bool, settings: dict[str, Any]
) -> None:
    lora = LoraConfig(name="voice", rank=8, alpha=64, parametrize=parametrize, embeddings=True)
    train(small(speech, weights=weights, loras={"voice": lora}, **settings), tmp_path)
    assert same(base(tmp_path), load_file(weights)), "to the last bit"
    learnt = adapter(tmp_path)
    assert all(learnt[name].any() for name in learnt if name.endswith("lora_B"))
    assert learnt["text_emb.lora_change"].any() and learnt["rvq_l_emb.lora_change"].any()
    assert [path.name for path in (tmp_path / "ckpt").iterdir()] == [FOLDER], "no weights are exported"
    assert not list(tmp_path.rglob("fp32.*"))


@FORMS
def test_an_adapter_learns_a_batch_by_heart(speech: Path, weights: str, parametrize: bool) -> None:
    calm: dict[str, Any] = {
        "dropout": 0.0,
        "model__experimental": ModelExperimentalConfig(layerskip_p_max=0.0, rvq_levels_p=[0]),
    }
    lora = LoraConfig(rank=16, alpha=32, parametrize=parametrize)
    one = engine(small(speech, loras={"voice": lora}, learning_rate=0.02, **calm))
    one.start_from(Path(weights))
    batch = batches(one.cfg, 1)
    found = [one.step(batch)["loss"] for _ in range(40)]
    assert found[-1] < found[0] - 1


@FORMS
def test_a_run_in_two_parts_is_the_run_in_one(speech: Path, tmp_path: Path, weights: str, parametrize: bool) -> None:
    loras = {
        "voice": LoraConfig(name="voice", rank=8, alpha=64, parametrize=parametrize, embeddings=True),
        "style": LoraConfig(name="style", rank=2, alpha=2),
    }
    settings: dict[str, Any] = {"loras": loras, "weights": weights, "dropout": 0.1, "ema_decay": 0.5}
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    train(small(speech, **settings), whole)
    train(small(speech, **settings, iterations=2), parted)
    torch.manual_seed(99)
    train(small(speech, **settings), parted)
    assert losses(parted) == losses(whole) and sorted(losses(whole)) == [1, 2, 3, 4, 5, 6]
    assert same(adapter(parted), adapter(whole))
    assert same(adapter(parted, "style-r2-a2"), adapter(whole, "style-r2-a2"))


@pytest.mark.parametrize("left", ["load_states", "load_module_only"])
def test_an_adapter_is_restored_though_the_optimizer_is_not(
    speech: Path, tmp_path: Path, weights: str, left: str
) -> None:
    settings: dict[str, Any] = {"loras": {"voice": VOICE}, "weights": weights, "ema_decay": 0.5}
    train(small(speech, **settings), tmp_path)
    again = engine(small(speech, **settings, **{left: left == "load_module_only"}))
    folder = find_checkpoint(tmp_path / "ckpt" / FOLDER, None)
    assert folder is not None
    again.load(folder)
    saved = load_file(folder / "states.safetensors")
    assert same(again.adapters()["voice"], {name: saved[f"adapter.voice.{name}"] for name in adapter(tmp_path)})


def test_a_moving_average_begins_with_the_weights_of_the_run(speech: Path, weights: str) -> None:
    one = engine(small(speech, ema_decay=0.999))
    one.start_from(Path(weights))
    assert same(one.weights(), load_file(weights))


def test_a_run_begins_with_its_exported_adapter(speech: Path, tmp_path: Path, weights: str) -> None:
    settings: dict[str, Any] = {"loras": {"voice": VOICE}, "weights": weights}
    train(small(speech, **settings), tmp_path)
    before, learnt = losses(tmp_path), adapter(tmp_path)
    train(small(speech, **settings, load_state_dict=True, learning_rate=0.0), tmp_path)
    assert losses(tmp_path)[1] != before[1] and same(adapter(tmp_path), learnt)
    (kept,) = tmp_path.glob("metrics.before-*.jsonl")
    assert len(kept.read_text(encoding="utf-8").splitlines()) == len(before)


def test_without_an_exported_adapter_none_can_be_begun_with(speech: Path, tmp_path: Path, weights: str) -> None:
    settings: dict[str, Any] = {"loras": {"voice": VOICE}, "load_state_dict": True}
    with pytest.raises(WeightsError, match=rf"wants the exported weights .*{FOLDER}/lora\.safetensors: no such file"):
        train(small(speech, **settings, weights=weights), tmp_path)
    with pytest.raises(WeightsError, match=r"wants the exported weights .*llama-8/fp32\.safetensors: no such file"):
        train(small(speech, **settings), tmp_path)


def test_an_adapter_is_trained_on_what_the_folder_holds(
    speech: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(small(speech), tmp_path)
    trained = tmp_path / "ckpt" / MODEL / "fp32.safetensors"
    with caplog.at_level(logging.INFO):
        train(small(speech, loras={"voice": VOICE}), tmp_path)
    assert f"Started from the weights {trained}" in caplog.text
    assert same(base(tmp_path), load_file(trained))
    assert list(tmp_path.glob("metrics.before-*.jsonl")), "the curves of the model are kept"


def test_training_on_a_model_that_knows_nothing_is_warned_of(
    speech: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(small(speech, loras={"voice": VOICE}, iterations=1), tmp_path)
    assert "a model that has learnt nothing: name its weights with weights=FILE" in caplog.text


def test_other_adapters_than_those_of_the_checkpoint_are_refused(speech: Path, tmp_path: Path, weights: str) -> None:
    train(small(speech, loras={"voice": VOICE}, weights=weights, iterations=1), tmp_path)
    more = {"voice": VOICE, "style": LoraConfig(name="style", rank=2)}
    with pytest.raises(CheckpointError, match="has other adapters than loras: give this run a folder of its own"):
        train(small(speech, loras=more, weights=weights), tmp_path)


def test_what_is_said_not_to_be_frozen_is_trained_with_the_adapter(speech: Path, tmp_path: Path, weights: str) -> None:
    lora = LoraConfig(name="voice", rank=8, alpha=64, embeddings=True)
    settings: dict[str, Any] = {"loras": {"voice": lora}, "weights": weights}
    train(small(speech, **settings, frozen_params=["text_emb.weight", "sep"]), tmp_path)
    before, after = load_file(weights), load_file(tmp_path / "ckpt" / FOLDER / "fp32.safetensors")
    assert after.keys() == before.keys() and same(after, base(tmp_path))
    kept = {name for name, tensor in after.items() if tensor.equal(before[name])}
    assert {"text_emb.weight", "sep"} <= kept and "model.norm.weight" not in kept
    assert adapter(tmp_path)["text_emb.lora_change"].any()


def test_a_fixed_adapter_speaks_in_a_run_and_stays(speech: Path, tmp_path: Path, weights: str) -> None:
    train(small(speech, loras={"voice": VOICE}, weights=weights, learning_rate=0.05), tmp_path / "first")
    file = str(tmp_path / "first/ckpt" / FOLDER / "lora.safetensors")
    fixed = LoraConfig(name="voice", rank=8, alpha=64, training=False, path=file)
    for name, loras in (("with", {"voice": fixed}), ("without", {})):
        train(small(speech, loras=loras, weights=weights, iterations=2, dropout=0.0), tmp_path / name)
    assert losses(tmp_path / "with")[1] != losses(tmp_path / "without")[1]
    checkpoint = tmp_path / "with/ckpt" / MODEL / "2"
    states = load_file(checkpoint / "states.safetensors")
    assert same({name: states[f"adapter.voice.{name}"] for name in load_file(file)}, load_file(file))
    assert not same(load_file(checkpoint / "weights.safetensors"), load_file(weights))


def test_speech_is_evaluated_with_the_adapter(speech: Path, tmp_path: Path, weights: str) -> None:
    settings: dict[str, Any] = {"weights": weights, "evaluation__size": 1, "frequency": 2, "iterations": 2}
    distances = []
    for rate in (0.0, 0.1):
        train(small(speech, loras={"voice": VOICE}, learning_rate=rate, **settings), tmp_path / str(rate))
        distances += [row["val.mel_stft"] for row in rows(tmp_path / str(rate)) if "val.mel_stft" in row]
    assert len(set(distances)) == len(distances) == 2


@pytest.fixture
def learnt(speech: Path, tmp_path: Path, weights: str) -> Path:
    """The adapter of a run."""
    train(small(speech, loras={"voice": VOICE}, weights=weights, learning_rate=0.1), tmp_path / "run")
    return tmp_path / "run/ckpt" / FOLDER / "lora.safetensors"


Said = Callable[..., bytes | str]


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """The sound that the command line makes, or what it says to a user."""
    monkeypatch.chdir(tmp_path)
    phonemes = ("inference.phonemes=true", "inference.max_duration=8", "inference.seed=1", "device=cpu")

    def run(*arguments: str) -> bytes | str:
        monkeypatch.setenv("HYDRA_FULL_ERROR", "")
        monkeypatch.setattr(sys, "argv", ["vall_e", "həloʊ", "", "out.wav", *arguments, *phonemes])
        try:
            main()
        except SystemExit as end:
            if end.code:
                return capsys.readouterr().err
        return Path("out.wav").read_bytes()

    return run


def test_the_command_line_speaks_with_the_adapter(said: Said, weights: str, learnt: Path) -> None:
    voice = ("+lora@loras.voice=r8", "loras.voice.alpha=64", f"loras.voice.path={learnt}")
    plain, adapted = said(f"weights={weights}"), said(f"weights={weights}", *voice)
    assert isinstance(plain, bytes) and isinstance(adapted, bytes) and adapted != plain
    assert said(f"weights={weights}", *voice, "inference.use_lora=false") == plain
    assert said(f"weights={weights}", *voice, "loras.voice.parametrize=true") == adapted
    refused = said(f"weights={weights}", voice[0], voice[2])
    assert f"loras.voice.path={learnt} does not fit: it has alpha=64, set is loras.voice.alpha=8" in str(refused)
    assert "loras.voice.path is not set" in str(said(f"weights={weights}", voice[0]))
