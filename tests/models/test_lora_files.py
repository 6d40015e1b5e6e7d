"""Files of adapters: ours are read as they were written, others' as they are, and what does not fit is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from tests.models.adapted import adapted, logits
from tests.models.tiny import tiny_config, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.config.lora import LoraConfig
from vall_e.errors import ConfigError, WeightsError
from vall_e.models.lora.attach import attach
from vall_e.models.lora.file import save_adapter
from vall_e.models.lora.loading import attach_trained, load_adapter
from vall_e.models.lora.tensors import adapter_state_dict, base_state_dict
from vall_e.models.vall_e import VallE
from vall_e.models.weights.weights_file import save_weights
from vall_e.text import Tokenizer, open_tokenizer

CODEC = CodecIdentity("builtin", 24_000, 75.0, 8, 1024, "0123456789abcdef")
SMALL = LoraConfig(rank=4, alpha=8)
FULL = LoraConfig(rank=4, alpha=8, embeddings=True, rvq_levels=[0, 3])


def tokenizer() -> Tokenizer:
    return open_tokenizer(None, None)


def write(path: Path, adapted_model: VallE, name: str = "a", **changes: Any) -> Path:
    found: dict[str, Any] = {
        "tensors": adapter_state_dict(adapted_model, name),
        "cfg": adapted_model.adapters[name].settings,
        "model": adapted_model.cfg,
        "tokenizer": tokenizer(),
        "codec": CODEC,
        "step": 7,
    }
    save_adapter(path, **(found | changes))
    return path


def loaded(path: Path, cfg: LoraConfig = SMALL) -> VallE:
    """The plain model with the adapter of a file."""
    model = tiny_model()
    attach_trained(model, {"b": replace(cfg, path=str(path))}, tokenizer(), CODEC)
    return model


@pytest.mark.parametrize("suffix", ["safetensors", "sft", "pt", "pth"])
@pytest.mark.parametrize("written", [False, True], ids=["replace", "parametrize"])
@pytest.mark.parametrize("read", [False, True], ids=["to-replace", "to-parametrize"])
def test_an_adapter_is_read_as_it_was_written(tmp_path: Path, suffix: str, written: bool, read: bool) -> None:
    model = adapted(a=replace(FULL, parametrize=written))
    path = write(tmp_path / f"new/lora.{suffix}", model)
    found = loaded(path, replace(FULL, parametrize=read))
    tensors = adapter_state_dict(model, "a")
    for name, tensor in adapter_state_dict(found, "b").items():
        assert tensor.equal(tensors[name]), name
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_file_holds_the_adapter_alone_with_its_settings(tmp_path: Path) -> None:
    model = adapted(a=FULL, other=LoraConfig(rank=2))
    with safe_open(write(tmp_path / "lora.safetensors", model), framework="pt") as file:
        names, told = set(file.keys()), file.metadata()
    maps = {name for name in names if not name.endswith(".lora_change")}
    assert len(maps) == 2 * 6 * 2
    changed = {name.removesuffix(".lora_change") for name in names - maps}
    assert changed == {name.removesuffix(".weight") for name in tiny_model().state_dict() if "_emb" in name}
    config = json.loads(told["config"])
    assert (config["rank"], config["alpha"], config["embeddings"]) == (4, 8, True)
    assert (config["rvq_levels"], config["path"]) == ([0, 3], None)
    assert json.loads(told["stats"]) == {"global_step": 7}
    assert json.loads(told["userdata"])["symmap"] == tokenizer().vocabulary
    assert json.loads(told["vall_e"])["full_name"] == "lora-r4-a8"


def test_levels_are_those_of_the_file_unless_the_settings_have_some(tmp_path: Path) -> None:
    path = write(tmp_path / "lora.safetensors", adapted(a=FULL))
    assert loaded(path, replace(FULL, rvq_levels=[])).adapters["b"].levels == [0, 3]
    assert loaded(path, replace(FULL, rvq_levels=[1])).adapters["b"].levels == [1]
    again = write(tmp_path / "again.safetensors", loaded(path, replace(FULL, rvq_levels=[])), "b")
    assert loaded(again, replace(FULL, rvq_levels=[])).adapters["b"].levels == [0, 3]


def test_a_model_that_shall_speak_needs_the_file_of_each_adapter() -> None:
    with pytest.raises(ConfigError, match=r"loras\.voice\.path is not set"):
        attach_trained(tiny_model(), {"voice": SMALL}, tokenizer(), CODEC)


def reference_config(**changes: Any) -> dict[str, Any]:
    """The section of an adapter as the reference embeds it."""
    return {"name": "lora", "rank": 4, "alpha": 8, "training": True, "embeddings": False} | changes


Layout = Callable[[Path, dict[str, Tensor]], Path]


def pickled(content: Callable[[dict[str, Tensor]], dict[str, Any]]) -> Layout:
    def write_pickle(folder: Path, tensors: dict[str, Tensor]) -> Path:
        torch.save(content(tensors), folder / "lora.pth")
        return folder / "lora.pth"

    return write_pickle


def safe(config: dict[str, Any] | None, more: dict[str, Tensor] | None = None) -> Layout:
    def write_safe(folder: Path, tensors: dict[str, Tensor]) -> Path:
        metadata = {} if config is None else {"config": json.dumps(config)}
        save_file(tensors | (more or {}), folder / "lora.sft", metadata)
        return folder / "lora.sft"

    return write_safe


def parametrized(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace(".lora_", ".parametrizations.weight.0.lora_"): t for name, t in tensors.items()}


MODEL_CONFIG = json.loads(json.dumps(asdict(tiny_config())))
OTHER = {"sep": torch.zeros(32), "model.norm.weight": torch.zeros(32)}

LAYOUTS: dict[str, Layout] = {
    "module": pickled(lambda tensors: {"module": tensors, "config": reference_config()}),
    "checkpoint": pickled(lambda tensors: {"module": OTHER, "lora": tensors, "stats": {"global_step": 3}}),
    "all in the module": pickled(lambda t: {"module": OTHER | t, "lora": {}, "config": MODEL_CONFIG}),
    "no symbols": pickled(lambda tensors: {"module": tensors, "userdata": None}),
    "names of a parametrization": pickled(lambda tensors: {"module": parametrized(tensors)}),
    "safetensors": safe(reference_config(rvq_levels=None)),
    "without metadata": safe(None),
    "model exported with its adapter": safe(MODEL_CONFIG, OTHER),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_others_write_is_read(tmp_path: Path, layout: str) -> None:
    model = adapted(a=SMALL)
    path = LAYOUTS[layout](tmp_path, adapter_state_dict(model, "a"))
    assert logits(loaded(path)).equal(logits(model))


def test_embeddings_that_the_reference_trained_but_did_not_save_stay(tmp_path: Path) -> None:
    model = adapted(a=SMALL)
    path = safe(reference_config(embeddings=True))(tmp_path, adapter_state_dict(model, "a"))
    assert logits(loaded(path, replace(SMALL, embeddings=True))).equal(logits(model))


def test_settings_of_a_pickle_are_heeded(tmp_path: Path) -> None:
    model = adapted(a=SMALL)
    torch.save(
        {"lora": adapter_state_dict(model, "a"), "config": reference_config(alpha=2, rvq_levels=[1])},
        tmp_path / "lora.pth",
    )
    with pytest.raises(WeightsError, match=r"it has alpha=2, set is loras\.b\.alpha=8"):
        loaded(tmp_path / "lora.pth")
    assert loaded(tmp_path / "lora.pth", replace(SMALL, alpha=2)).adapters["b"].levels == [1]


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return Path.touch, (Path("sprung"),)


def test_a_pickle_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"lora": adapter_state_dict(adapted(a=SMALL), "a"), "trap": Trap()}, "lora.pth")
    with pytest.raises(WeightsError, match=r"loras\.b\.path=lora\.pth is not a file of torch\.save"):
        loaded(Path("lora.pth"))
    assert not Path("sprung").exists()


def change(layers: Callable[[dict[str, Tensor]], dict[str, Tensor]]) -> dict[str, Any]:
    return {"tensors": layers(adapter_state_dict(adapted(a=SMALL), "a"))}


UP = "model.layers.0.mlp.up_proj.lora_A"
UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "rank": ({"cfg": replace(SMALL, rank=16)}, r"it has rank=16, set is loras\.b\.rank=4"),
    "alpha": ({"cfg": replace(SMALL, alpha=16)}, r"it has alpha=16, set is loras\.b\.alpha=8"),
    "embeddings": ({"cfg": FULL}, r"it has embeddings=true, set is loras\.b\.embeddings=false"),
    "codec": ({"codec": replace(CODEC, digest="other")}, r"codes of the codec builtin \(other\), not of builtin"),
    "symbols": ({"tokenizer": open_tokenizer("naive", None)}, "symbols of another tokenizer"),
    "backbone": ({"model": tiny_config(arch_type="retnet")}, "on the backbone retnet, the model's is llama"),
    "shape": (change(lambda t: t | {UP: torch.zeros(4, 8)}), rf"{UP} is \(4, 8\), the model's is \(4, 32\)"),
    "missing": (change(lambda t: {n: v for n, v in t.items() if n != UP}), f"{UP} is missing"),
    "foreign": (change(lambda t: t | {"model.x.lora_A": torch.zeros(1)}), r"model\.x\.lora_A is foreign"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_an_adapter_that_does_not_fit_is_refused(tmp_path: Path, case: str) -> None:
    changes, words = UNFIT[case]
    path = write(tmp_path / "lora.safetensors", adapted(a=SMALL), **changes)
    with pytest.raises(WeightsError, match=rf"^loras\.b\.path=.*lora\.safetensors does not fit: .*{words}"):
        loaded(path)


def test_what_is_refused_changes_nothing(tmp_path: Path) -> None:
    path = write(tmp_path / "lora.safetensors", adapted(a=SMALL), **UNFIT["missing"][0])
    model = tiny_model()
    attach(model, {"b": SMALL})
    with pytest.raises(WeightsError):
        load_adapter(model, "b", path, tokenizer(), CODEC)
    assert logits(model).equal(logits(tiny_model()))


def plain_weights(folder: Path) -> Path:
    path = folder / "weights.safetensors"
    save_weights(path, base_state_dict(adapted(a=SMALL)), tiny_config(), tokenizer(), CODEC, 1)
    return path


NO_ADAPTERS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nothing": (lambda folder: folder / "none.safetensors", "no such file"),
    "no pickle": (lambda folder: folder / "none.pth", "no such file"),
    "weights": (plain_weights, "holds no adapter: none of its tensors has lora_ in its name"),
    "noise": (lambda folder: noise(folder / "noise.sft"), "is not a safetensors file"),
    "noise in a pickle": (lambda folder: noise(folder / "noise.pt"), "is not a file of torch.save"),
    "metadata": (lambda folder: safe([])(folder, {UP: torch.zeros(1)}), "has damaged metadata"),  # type: ignore[arg-type]
}


def noise(path: Path) -> Path:
    path.write_bytes(b"no tensors at all")
    return path


@pytest.mark.parametrize("case", NO_ADAPTERS)
def test_what_is_no_adapter_is_refused_by_its_name(tmp_path: Path, case: str) -> None:
    make, words = NO_ADAPTERS[case]
    path = make(tmp_path)
    with pytest.raises(WeightsError, match=rf"^loras\.b\.path={path}:? {words}"):
        loaded(path)
