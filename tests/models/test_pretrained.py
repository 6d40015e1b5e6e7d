"""Pretrained folders: what is written is read again, a folder is whole or as it was, and what is wrong is named."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.models.tiny import speech, tiny_model
from tests.small_run import environment
from vall_e.config.facts import weights_settings
from vall_e.config.lora import LoraConfig
from vall_e.engines.checkpoint import checkpoints
from vall_e.errors import WeightsError
from vall_e.models.lora.attach import attach
from vall_e.models.weights.content import WeightsContent
from vall_e.models.weights.pretrained import from_pretrained, save_pretrained
from vall_e.models.weights.weights_file import load_weights, read_metadata, read_weights, save_weights
from vall_e.text import open_tokenizer

from .test_weights import CODEC, CPU

FILES = ["config.json", "model.safetensors", "tokenizer.json"]


def content(tokenizer: str | None = None, **settings: Any) -> WeightsContent:
    model = tiny_model(**settings)
    return WeightsContent(
        tensors=model.state_dict(), config=model.cfg, tokenizer=open_tokenizer(tokenizer, None), codec=CODEC, step=7
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_pretrained(tmp_path / "mine", content())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("kind", "files"), [(None, FILES), ("naive", FILES[:2])], ids=["ipa", "naive"])
def test_a_folder_says_what_a_weights_file_says(tmp_path: Path, kind: str | None, files: list[str]) -> None:
    told = content(kind, capabilities=["ar", "nar", "len"])
    folder, file = save_pretrained(tmp_path / "new" / "mine", told), tmp_path / "w.safetensors"
    save_weights(file, **vars(told))
    assert names(folder) == files and names(tmp_path / "new") == ["mine"]
    assert read_metadata(folder) == read_metadata(file)
    one, other = from_pretrained(folder, "cpu"), load_weights(file, CPU)
    assert (one.config, one.step, one.codec) == (other.config, other.step, other.codec)
    assert one.tokenizer.identity == other.tokenizer.identity and type(one.tokenizer) is type(other.tokenizer)
    assert one.model([speech(0)]).loss.equal(other.model([speech(0)]).loss)
    assert weights_settings(str(folder)) == weights_settings(str(file))


def test_a_loaded_model_is_written_without_its_adapters_and_bit_for_bit(folder: Path, tmp_path: Path) -> None:
    loaded = from_pretrained(folder)
    attach(loaded.model, {"voice": LoraConfig(name="voice", rank=2, alpha=2, parametrize=True)})
    again = save_pretrained(tmp_path / "again", loaded)
    for name in FILES:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_linear_layers_of_bitnet_stay_so(tmp_path: Path) -> None:
    told = replace(content(), bitnet="model")
    loaded = from_pretrained(save_pretrained(tmp_path / "bitnet", told))
    assert loaded.bitnet == "model"
    assert read_weights(save_pretrained(tmp_path / "again", loaded)).bitnet == "model"
    save_weights(tmp_path / "w.safetensors", **vars(told))
    expected = load_weights(tmp_path / "w.safetensors", CPU).model([speech(0)]).loss
    assert loaded.model([speech(0)]).loss.equal(expected)
    assert not tiny_model()([speech(0)]).loss.equal(expected)


def test_config_json_is_for_people_and_says_which_model_it_is(folder: Path) -> None:
    tree = json.loads((folder / "config.json").read_text())
    assert (tree["model_type"], tree["format"], tree["step"], tree["codec"]["name"]) == ("vall_e", 1, 7, "builtin")
    assert tree["model"]["size"] == {"dim": 32, "heads": 2, "layers": 2}
    assert len((folder / "config.json").read_text().splitlines()) > 20


def test_a_folder_of_few_words_has_the_defaults(folder: Path) -> None:
    """What a person may leave out of `config.json`."""
    tree = json.loads((folder / "config.json").read_text())
    model = {name: tree["model"][name] for name in ("size", "langs", "experimental")}
    few = {"model_type": "vall_e", "format": 1, "model": model, "codec": tree["codec"]}
    (folder / "config.json").write_text(json.dumps(few))
    assert from_pretrained(folder).model([speech(0)]).loss.equal(tiny_model()([speech(0)]).loss)


def test_writing_again_replaces_the_folder_even_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    save_pretrained(tmp_path / "link", content("naive"))
    assert (tmp_path / "link").is_symlink() and names(folder) == FILES[:2]
    assert names(tmp_path) == ["link", "mine"]


@pytest.mark.parametrize("name", ["README.md", ".git", "photos"])
def test_files_of_others_are_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / name).touch()
    with pytest.raises(WeightsError, match=f"home holds {name}, which would be lost"):
        save_pretrained(tmp_path / "home", content())
    assert names(tmp_path / "home") == [name] and names(tmp_path) == ["home"]
    with pytest.raises(WeightsError, match="is a file, allowed: a new folder"):
        save_pretrained(tmp_path / "home" / name, content())


WRITE = """
import resource, signal, sys
from pathlib import Path
from vall_e.models.weights.pretrained import save_pretrained
from vall_e.models.weights.weights_file import read_weights
content = read_weights(Path("mine"))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
save_pretrained(sys.argv[1], content)
"""


@pytest.mark.parametrize("target", ["mine", "new"])
def test_a_full_disk_leaves_a_folder_as_it_was(folder: Path, tmp_path: Path, target: str) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    command = [sys.executable, "-c", WRITE, target]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "File too large" in done.stderr, done.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(tmp_path) == ["mine"]


def test_an_exported_folder_beside_checkpoints_is_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "100").mkdir()
    save_pretrained(tmp_path / "fp32", content())
    assert checkpoints(tmp_path) == [tmp_path / "100"]


Change = Callable[[Path], object]


def edited(**changes: Any) -> Change:
    """Changes of `config.json`: `codec__name="x"` goes into its section, `None` leaves a key out."""

    def edit(folder: Path) -> None:
        tree = json.loads((folder / "config.json").read_text())
        for name, value in changes.items():
            *sections, last = name.split("__")
            node = tree
            for section in sections:
                node = node[section]
            node.pop(last, None)
            node |= {} if value is None else {last: value}
        (folder / "config.json").write_text(json.dumps(tree))

    return edit


def reshaped(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    del tensors["sep"]
    tensors |= {"text_emb.weight": torch.zeros(255, 32), "extra": torch.zeros(1)}
    save_file(tensors, folder / "model.safetensors")


def without(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def holding(name: str, text: str) -> Change:
    return lambda folder: (folder / name).write_text(text)


WRONG: dict[str, tuple[Change, str]] = {
    "no config": (without("config.json"), r"has no config.json, allowed: a weights file, or a folder with config.json"),
    "no tensors": (without("model.safetensors"), r"has no model\.safetensors$"),
    "no tokenizer": (without("tokenizer.json"), r"has no tokenizer\.json$"),
    "shapes": (reshaped, r"sep is missing; .*extra is foreign; text_emb\.weight is \(255, 32\), the model's is \(256"),
    "other size": (edited(model__size={"dim": 64, "heads": 2, "layers": 2}), r"sep is \(32,\), the model's is \(64,\)"),
    "unknown key": (edited(stpe=3), r"config\.json is not as it should be: stpe \(nearest: step\): no such setting"),
    "more unknown": (edited(codecc={}), r"codecc \(nearest: codec\): no such setting"),
    "unknown setting": (edited(model__dropuot=0.1), r"unknown setting dropuot \(nearest: dropout\)"),
    "unknown switch": (
        edited(model__experimental__kv_head=1),
        r"experimental\.kv_head \(nearest: .*kv_heads\)",
    ),
    "unknown codec fact": (edited(codec__level=8), r"codec\.level \(nearest: codec\.levels\): no such setting"),
    "missing key": (edited(codec=None), r"codec is missing"),
    "missing codec fact": (edited(codec__digest=None), r"codec\.digest is missing"),
    "type": (edited(step="many"), r"step='many' is a str, allowed: int"),
    "type of a setting": (edited(model__dropout="0.1"), r"model\.dropout='0\.1' is a str, allowed: float"),
    "truth for a number": (edited(model__text_tokens=True), r"model\.text_tokens=True is a bool, allowed: int"),
    "list": (edited(model__capabilities="ar"), r"model\.capabilities='ar' is a str, allowed: list\[str\]"),
    "range": (edited(model__resp_levels=99), r"model\.resp_levels=99 is out of range"),
    "code": (edited(_target_="os.system"), r"_target_: no such setting"),
    "code in the model": (edited(model___target_="os.system"), r"unknown setting _target_"),
    "code as a size": (edited(model__size={"_target_": "os.system"}), r"must have dim, heads, layers"),
    "code as a codec": (edited(codec={"_target_": "os.system", "_args_": ["true"]}), r"codec\._target_: no such"),
    "code as a factor": (edited(model__loss_factors={"_target_": "os.system"}), r"loss_factors=.* is a dict, allowed"),
    "bitnet": (edited(bitnet="os.system"), r"os\.system"),
    "future format": (edited(format=2), r"has format 2, this vall_e reads format 1"),
    "another model": (edited(model_type="llama"), r"is of the model type 'llama', allowed: vall_e"),
    "path as a tokenizer": (edited(tokenizer="../../etc/passwd"), r"tokenizer='\S+', allowed: tokenizer\.json, naive"),
    "no JSON": (holding("config.json", "{"), r"config\.json is not readable JSON"),
    "deep JSON": (holding("config.json", "[" * 100_000), r"config\.json is not readable JSON"),
    "no mapping": (holding("config.json", "[1]"), r"is of the model type \[1\]"),
    "garbage": (holding("model.safetensors", "garbage"), r"model\.safetensors is not a safetensors file"),
    "another tokenizer": (holding("tokenizer.json", "{}"), r"is not a tokenizer\.json"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_folder_is_one_sentence(folder: Path, case: str) -> None:
    change, words = WRONG[case]
    change(folder)
    with pytest.raises(WeightsError, match=words) as refusal:
        from_pretrained(folder)
    assert str(refusal.value).startswith(f"weights={folder}") and "\n" not in str(refusal.value)


def test_a_folder_that_is_not_there_is_not_looked_for_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"^owner/name: no such folder; what lies on the hub is named hf://"):
        from_pretrained("owner/name")
    assert names(tmp_path) == []
