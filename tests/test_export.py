"""A run trains, and its weights are exported as a user does it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import torch

from vall_e.config.lora import LoraConfig
from vall_e.models.lora.tensors import merged_state_dict
from vall_e.models.weights.pretrained import save_pretrained
from vall_e.models.weights.weights_file import load_weights, read_tensors, read_weights
from vall_e.training import loop

from . import forked
from .small_run import batches, checkpoints, engine, environment, losses, small


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run draws its curves at the end, which takes longer than all steps of a small one."""
    monkeypatch.setattr(loop, "plot_curves", lambda metrics, out: None)


def app(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return forked.run(["-m", "vall_e.export", *arguments], folder, environment())


def test_the_app_exports_what_the_run_itself_exported(speech: Path, tmp_path: Path) -> None:
    cfg = small(speech, iterations=2, weights_format="pth", ema_decay=0.5)
    loop.train(cfg, tmp_path / "run")
    own = load_weights(checkpoints(tmp_path / "run") / "fp32.pth", torch.device("cpu"))
    done = app("run=run", "folder=out", "weights_name=mine", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = load_weights(tmp_path / "out" / "mine.safetensors", torch.device("cpu"))
    assert (found.step, found.config, found.codec) == (own.step, own.config, own.codec)
    for name, tensor in own.model.state_dict().items():
        assert found.model.state_dict()[name].equal(tensor), name


@pytest.mark.parametrize("suffix", ["pth", "sft"])
def test_a_run_begins_with_its_exported_weights_in_any_format(
    speech: Path, tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture
) -> None:
    settings = {"iterations": 2, "weights_format": suffix}
    loop.train(small(speech, **settings), tmp_path)
    before = losses(tmp_path)
    with caplog.at_level("INFO"):
        loop.train(small(speech, **settings, load_state_dict=True), tmp_path)
    assert f"Started from the weights {checkpoints(tmp_path) / f'fp32.{suffix}'}" in caplog.text
    assert losses(tmp_path)[1] != before[1]


def test_a_run_begins_and_is_taught_by_a_pretrained_folder(
    speech: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    teacher = engine(small(speech))
    teacher.write_weights(tmp_path / "w.safetensors", teacher.weights(), 1)
    folder = save_pretrained(tmp_path / "mine", read_weights(tmp_path / "w.safetensors"))
    heard = {}
    for name, place in (("file", tmp_path / "w.safetensors"), ("folder", folder)):
        with caplog.at_level("INFO"):
            loop.train(small(speech, iterations=2, weights=str(place), teacher=str(place)), tmp_path / name)
        assert f"Started from the weights {place}" in caplog.text
        heard[name] = losses(tmp_path / name)
    assert heard["folder"] == heard["file"]


ADAPTER = LoraConfig(name="voice", rank=8, alpha=8)


def test_the_app_exports_the_adapter_of_a_run_as_the_run_itself_did(speech: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    loop.train(small(speech, iterations=2, loras={"voice": ADAPTER}), run)
    done = app("run=run", "export_lora=true", "folder=out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    own, found = (read_tensors(at / "voice-r8-a8/lora.safetensors") for at in (run / "ckpt", tmp_path / "out"))
    assert found[0] == own[0] and found[1].keys() == own[1].keys()
    assert all(tensor.equal(own[1][name]) for name, tensor in found[1].items())
    assert not list(run.rglob("fp32.*")), "the weights are where the run took them from"


def test_the_app_merges_an_adapter_named_on_its_command_line(speech: Path, tmp_path: Path) -> None:
    one = engine(small(speech, loras={"voice": ADAPTER}, learning_rate=0.1))
    one.step(batches(one.cfg, 1))
    one.write_weights(tmp_path / "fp32.sft", one.weights(), 1)
    one.write_adapter(tmp_path / "lora.sft", "voice", one.adapters()["voice"], 1)
    adapter = ("+lora@loras.mine=r8", "loras.mine.path=lora.sft")
    done = app("weights=fp32.sft", "merge_loras=true", "weights_name=merged", *adapter, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = load_weights(tmp_path / "merged.safetensors", torch.device("cpu")).model.state_dict()
    for name, tensor in merged_state_dict(one.model).items():
        assert found[name].equal(tensor), name
    query = "model.layers.0.self_attn.q_proj.weight"
    assert not found[query].equal(one.weights()[query])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("weights=w.sft", "+lora@loras.v=r8"), "loras are given, but nothing is done with them: add merge_loras=true"),
        (("run=r", "merge_loras=true", "export_lora=true"), "leave out export_lora=true"),
        (("run=r", "merge_loras=true", "+lora@loras.v=r8"), "loras stand beside weights=FILE, but run=r has its own"),
        (("weights=w.sft", "merge_loras=true", "+lora@loras.v=r8", "loras.v.rnak=4"), "(nearest: loras.v.rank)"),
    ],
)
def test_a_wish_about_adapters_that_cannot_be_is_one_sentence(
    tmp_path: Path, arguments: tuple[str, ...], sentence: str
) -> None:
    done = app(*arguments, folder=tmp_path)
    assert done.returncode == 2 and sentence in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_with_nothing_to_export_the_app_ends_with_status_2(tmp_path: Path) -> None:
    done = app(folder=tmp_path)
    assert done.returncode == 2
    assert "nothing to export: give run=FOLDER" in done.stderr and "Traceback" not in done.stderr
