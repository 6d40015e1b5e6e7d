"""Heads that share the weights of embeddings."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.models.tiny import draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.audio.codec import CodecIdentity
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.generate import SpeechRequest, generate_speech
from vall_e.models.heads import SINGLE, head_rows, tied_tables
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE
from vall_e.models.weights.hugging_face import hugging_face
from vall_e.models.weights.split_classifiers import split_classifiers
from vall_e.models.weights.weights_file import WeightsContent, load_weights, read_weights, save_weights
from vall_e.text import open_tokenizer

TIED = {"tie_classifier_to_embedding": True}
CODEC = CodecIdentity("encodec", 24_000, 75.0, 8, 1024, "")


def test_a_head_shares_the_table_of_what_it_predicts() -> None:
    tied = tied_tables(tiny_config(TIED))
    expected = {"AR:0:0": "resps_emb.embeddings.0", "stt": "text_emb"}
    expected |= {f"NAR:{q - 1}:{q}": f"resps_emb.embeddings.{q + 1}" for q in range(1, 7)}
    assert tied == expected  # nothing reads level 7, which NAR:6:7 predicts


@pytest.mark.parametrize(
    ("capabilities", "head", "table"),
    [
        (["ar"], "AR:7:7", "resps_emb.embeddings.7"),
        (["ar", "nar", "len"], "NAR:0:0", "resps_emb.embeddings.1"),
        (["ar", "nar", "len"], "len", "len_emb"),
        (["nar", "len"], "NAR:0:0", "resps_emb.embeddings.0"),
    ],
)
def test_tables_of_other_capabilities(capabilities: list[str], head: str, table: str) -> None:
    cfg = tiny_config(TIED, capabilities=capabilities)
    assert tied_tables(cfg)[head] == table
    state = VallE(cfg).state_dict()
    for name, shared in tied_tables(cfg).items():
        assert len(state[f"{shared}.weight"]) == head_rows(cfg)[name]


def test_one_head_for_all_shares_the_table_of_level_0() -> None:
    cfg = tiny_config(TIED | {"split_classifiers": False})
    assert tied_tables(cfg) == {SINGLE: "resps_emb.embeddings.0"}
    state = VallE(cfg).state_dict()
    assert "classifier.weight" not in state and state["classifier.bias"].shape == (1025,)


def test_logits_are_products_with_the_vectors_of_the_table() -> None:
    model, hidden = tiny_model(TIED), torch.randn(3, 32)
    bias = model.state_dict()["classifiers.proj.2.bias"]
    torch.testing.assert_close(model.logits("NAR:1:2", hidden), hidden @ model.resps_emb.embeddings[3].weight.T + bias)


def test_a_table_learns_from_what_is_read_and_from_what_is_predicted() -> None:
    model = tiny_model(TIED).train()
    codes = draw_codes(6)
    codes[:, 1], codes[:, 2] = 11, 22
    model([speech(2, response=codes[:, :3])]).loss.backward()
    grad = model.resps_emb.embeddings[3].weight.grad
    assert grad is not None and grad[22].abs().sum() > grad[11].abs().sum() > 0


@pytest.mark.parametrize("split", [True, False])
def test_the_first_loss_is_that_of_a_guess(split: bool) -> None:
    torch.manual_seed(0)
    loss = VallE(tiny_config(TIED | {"split_classifiers": split})).train()([speech(0), speech(3)]).loss
    assert 6.5 < loss.item() < 8.5


@pytest.mark.parametrize("split", [True, False])
def test_tied_weights_are_written_and_read(tmp_path: Path, split: bool) -> None:
    model = tiny_model(TIED | {"split_classifiers": split})
    path = tmp_path / "w.safetensors"
    save_weights(path, model.state_dict(), model.cfg, open_tokenizer(None, None), CODEC, 0)
    loaded = load_weights(path, torch.device("cpu")).model
    assert loaded([speech(0), speech(3)]).loss.equal(model([speech(0), speech(3)]).loss)
    request = SpeechRequest(tokens=draw_text(6), prompt=draw_codes(5))
    said = [generate_speech(m, [request], SamplingConfig(max_duration=6), 0)[0].codes for m in (model, loaded)]
    assert len(said[0]) and said[0].equal(said[1])


def content(model: VallE, tmp_path: Path) -> WeightsContent:
    save_weights(tmp_path / "w.safetensors", model.state_dict(), model.cfg, open_tokenizer(None, None), CODEC, 0)
    return read_weights(tmp_path / "w.safetensors")


def test_a_tied_single_head_is_split_into_heads_of_their_own(tmp_path: Path) -> None:
    model = tiny_model(TIED | {"split_classifiers": False})
    split = split_classifiers(content(model, tmp_path))
    assert not split.config.experimental.tie_classifier_to_embedding
    other = VallE(split.config).eval()
    other.load_state_dict(split.tensors)
    sample: list[ModelInput] = [speech(0)]
    hidden = model.hidden(model.pack(sample))
    torch.testing.assert_close(other.logits("AR:0:0", hidden), model.logits("AR:0:0", hidden))


def test_tied_heads_are_exported_for_transformers(tmp_path: Path) -> None:
    model = tiny_model(TIED)
    found = hugging_face(content(model, tmp_path))
    text = model.text_emb.weight
    assert found.tensors["lm_head.weight"][: len(text)].equal(text)
