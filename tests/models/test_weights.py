"""Weights files: what is written is read again, and what does not fit is refused by name."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.models.tiny import speech, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.config.facts import weights_settings
from vall_e.errors import ConfigError, WeightsError
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import LoadedWeights, load_weights, read_tensors, save_weights
from vall_e.text import IpaTokenizer, Tokenizer, open_tokenizer

CODEC = CodecIdentity("builtin", 24_000, 75.0, 8, 1024, "0123456789abcdef")
CPU = torch.device("cpu")


def write(path: Path, model: VallE | None = None, tokenizer: Tokenizer | None = None, step: int = 7) -> Path:
    model = model or tiny_model()
    save_weights(path, model.state_dict(), model.cfg, tokenizer or open_tokenizer("naive", None), CODEC, step)
    return path


def load(path: Path) -> LoadedWeights:
    return load_weights(path, CPU)


@pytest.mark.parametrize("kind", [None, "naive"], ids=["ipa", "naive"])
def test_weights_are_read_as_they_were_written(tmp_path: Path, kind: str | None) -> None:
    model, tokenizer = tiny_model(capabilities=["ar", "nar", "len", "lang"]), open_tokenizer(kind, None)
    loaded = load(write(tmp_path / "made" / "weights.safetensors", model, tokenizer))
    assert loaded.config == model.cfg
    assert loaded.step == 7
    assert loaded.codec == CODEC
    assert type(loaded.tokenizer) is type(tokenizer)
    assert loaded.tokenizer.identity == tokenizer.identity
    assert loaded.tokenizer.encode("həlˈoʊ wˈɜːld") == tokenizer.encode("həlˈoʊ wˈɜːld")
    assert not loaded.model.training
    assert loaded.model([speech(0)]).loss.equal(model([speech(0)]).loss)
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["weights.safetensors"]


def test_another_tokenizer_travels_with_the_weights(tmp_path: Path) -> None:
    tree = json.loads(open_tokenizer(None, None).json)  # type: ignore[attr-defined]
    tree["model"]["vocab"]["☃"] = 250
    (tmp_path / "own.json").write_text(json.dumps(tree), encoding="utf-8")
    own = IpaTokenizer(tmp_path / "own.json")
    path = write(tmp_path / "weights.safetensors", tokenizer=own)
    (tmp_path / "own.json").unlink()
    assert load(path).tokenizer.vocabulary["☃"] == 250


def test_half_precision_is_read_in_full(tmp_path: Path) -> None:
    model = tiny_model()
    tensors = {name: tensor.half() for name, tensor in model.state_dict().items()}
    save_weights(tmp_path / "half.safetensors", tensors, model.cfg, open_tokenizer("naive", None), CODEC, 0)
    assert load(tmp_path / "half.safetensors").model.sep.dtype == torch.float32


def test_writing_again_replaces_the_file(tmp_path: Path) -> None:
    write(tmp_path / "w.safetensors", step=1)
    assert load(write(tmp_path / "w.safetensors", step=2)).step == 2


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"absent\.safetensors: no such file"):
        load(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("kept", [0, 4, 100, 0.5])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path / "w.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load(path)


def test_a_file_that_is_no_safetensors_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"PK\x03\x04 a pickle of old" * 100)
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load(tmp_path / "w.safetensors")


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    save_file({"sep": torch.zeros(4)}, tmp_path / "foreign.safetensors")
    with pytest.raises(WeightsError, match="does not say which model it is"):
        load(tmp_path / "foreign.safetensors")


def rewrite(path: Path, tensors: dict[str, torch.Tensor] | None = None, **metadata: Any) -> Path:
    """The weights of a tiny model with some tensors or metadata exchanged."""
    model = tiny_model()
    own = {"format": 1, "codec": asdict(CODEC), "tokenizer": None}
    keys = {"config": asdict(model.cfg), "stats": {"global_step": 1}, "vall_e": own} | metadata
    save_file(tensors or model.state_dict(), path, {key: json.dumps(value) for key, value in keys.items()})
    return path


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    tensors = dict(tiny_model().state_dict())
    del tensors["sep"]
    tensors["extra"] = torch.zeros(1)
    tensors["text_emb.weight"] = torch.zeros(255, 32)
    with pytest.raises(WeightsError) as refusal:
        load(rewrite(tmp_path / "w.safetensors", tensors))
    message = str(refusal.value)
    assert "sep is missing" in message
    assert "extra is foreign" in message
    assert "text_emb.weight is (255, 32), the model's is (256, 32)" in message


def test_many_tensors_that_do_not_fit_are_counted(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"and \d+ more$"):
        load(rewrite(tmp_path / "w.safetensors", {"sep": torch.zeros(32)}))


def test_a_setting_of_a_newer_version_is_named_once(tmp_path: Path) -> None:
    config = asdict(tiny_model().cfg) | {"wings": 2}
    with pytest.raises(WeightsError, match=r"^weights=\S+ carries the unknown setting wings"):
        load(rewrite(tmp_path / "w.safetensors", config=config))


def test_a_setting_out_of_range_is_named(tmp_path: Path) -> None:
    config = asdict(tiny_model().cfg) | {"arch_type": "mmfreelm"}
    with pytest.raises(WeightsError, match=r"does not allow: .*arch_type.*mmfreelm"):
        load(rewrite(tmp_path / "w.safetensors", config=config))


@pytest.mark.parametrize(
    "damage", [{"config": []}, {"config": {}}, {"vall_e": {}}, {"stats": None}, {"vall_e": {"codec": {"name": "x"}}}]
)
def test_damaged_metadata_is_refused(tmp_path: Path, damage: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match="damaged metadata"):
        load(rewrite(tmp_path / "w.safetensors", **damage))


def pickled(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


@pytest.mark.parametrize("suffix", ["pt", "pth"])
def test_pickled_weights_are_read_as_they_were_written(tmp_path: Path, suffix: str) -> None:
    model = tiny_model()
    path = write(tmp_path / f"w.{suffix}", model, open_tokenizer(None, None))
    loaded = load(path)
    assert (loaded.config, loaded.step, loaded.codec) == (model.cfg, 7, CODEC)
    assert loaded.tokenizer.identity == open_tokenizer(None, None).identity
    assert loaded.model([speech(0)]).loss.equal(model([speech(0)]).loss)
    assert weights_settings(str(path)) == asdict(model.cfg)


def test_tensors_of_others_are_read_whether_in_a_module_or_not(tmp_path: Path) -> None:
    tensors = {"sep": torch.arange(4.0)}
    for content in (tensors, {"module": tensors}, {"module": tensors, "config": {"name": "x"}, "lr_scheduler": None}):
        _, found = read_tensors(pickled(tmp_path / "w.pth", content))
        assert found.keys() == tensors.keys() and found["sep"].equal(tensors["sep"])
    with pytest.raises(WeightsError, match="does not say which model it is"):
        load(pickled(tmp_path / "w.pth", {"module": tensors}))


class Code:
    """Of a class that loading must not make."""


@pytest.mark.parametrize(
    ("content", "words"),
    {
        "code": (Code(), "not a file of torch.save"),
        "list": ([torch.zeros(1)], "holds a list, not a dictionary"),
        "empty": ({}, "no tensors by name"),
        "no tensors": ({"module": {"sep": 1}}, "no tensors by name"),
        "tensors in the metadata": ({"module": {"sep": torch.zeros(1)}, "config": torch.zeros(1)}, "damaged metadata"),
    }.values(),
)
def test_what_else_torch_pickled_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        load(pickled(tmp_path / "w.pth", content))


@pytest.mark.parametrize("garbage", [b"", b"no pickle", b"PK\x03\x04 a zip that is none", b"\x80\x02}q\x00."])
def test_garbage_with_the_suffix_of_pickled_weights_is_refused(tmp_path: Path, garbage: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(garbage)
    with pytest.raises(WeightsError, match=r"weights=\S+w\.pth"):
        load(tmp_path / "w.pth")


@pytest.mark.parametrize("kept", [4, 100, 0.5])
def test_truncated_pickled_weights_are_refused(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path / "w.pth")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(WeightsError, match=r"not a file of torch\.save"):
        load(path)
    with pytest.raises(ConfigError, match=r"not a file of torch\.save"):
        weights_settings(str(path))
