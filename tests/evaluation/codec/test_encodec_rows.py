"""EnCodec beside the built-in codec: its weights are not fetched for tests, so another codec answers to its name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from torch import Tensor

from vall_e.audio import open_codec
from vall_e.audio.builtin.codec import SHIPPED_WEIGHTS, BuiltinCodec
from vall_e.audio.codec import Codec
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.codec_evaluation import CodecEvaluationConfig
from vall_e.errors import AudioError, ConfigError
from vall_e.evaluation.codec import candidates, place
from vall_e.evaluation.codec.evaluate import evaluate_codecs

from .conftest import SAMPLE

CONFIG = CodecEvaluationConfig(
    audio=str(SAMPLE),
    speakers=["af_nova"],
    limit=2,
    codecs=["builtin", "encodec"],
    levels=[1, 8],
    metrics=["mel_stft", "codebook_use"],
    codebook_limit=2,
    pictures=1,
    device="cpu",
)


class StandIn(BuiltinCodec):
    """The built-in codec under another name, at half the loudness; what it encodes is counted."""

    def __init__(self) -> None:
        super().__init__(SHIPPED_WEIGHTS, torch.device("cpu"))
        self.identity = replace(self.identity, name="encodec", digest="e" * 16)
        self.encoded = 0

    def encode(self, wave: Tensor) -> Tensor:
        self.encoded += 1
        return super().encode(wave)

    def decode(self, codes: Tensor) -> Tensor:
        return super().decode(codes) / 2


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    codec = StandIn()

    def opened(backend: AudioBackend, cfg: CodecConfig, device: str) -> Codec:
        return codec if backend is AudioBackend.encodec else open_codec(backend, cfg, device)

    monkeypatch.setattr(place, "open_codec", opened)
    return codec


def results(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "results.json").read_text()))


def test_encodec_has_rows_sounds_and_codebooks_of_its_own(stand_in: StandIn, tmp_path: Path) -> None:
    evaluate_codecs(CONFIG, tmp_path)
    found = results(tmp_path)
    rows = found["rows"]
    told = [(row["codec"], row["levels"]) for row in rows]
    assert told == [("original", None), *[(name, levels) for name in ("builtin", "encodec") for levels in (1, 8)]]
    assert [row["kbit_per_second"] for row in rows[3:]] == [0.75, 6.0]
    assert {row["digest"] for row in rows[3:]} == {"e" * 16} != {rows[1]["digest"]}
    for builtin, encodec in zip(rows[1:3], rows[3:], strict=True):
        assert encodec["means"]["mel_stft"]["mean"] > builtin["means"]["mel_stft"]["mean"]
        for own, other in zip(encodec["audio"].values(), builtin["audio"].values(), strict=True):
            wave, louder = (soundfile.read(tmp_path / file)[0] for file in (own, other))
            np.testing.assert_allclose(wave, louder / 2, atol=1e-4)
    assert found["codebook_use"]["encodec"] == found["codebook_use"]["builtin"]
    assert "| encodec | 8 | 6 |" in (tmp_path / "results.md").read_text()


def test_a_second_run_encodes_nothing_again(stand_in: StandIn, tmp_path: Path) -> None:
    evaluate_codecs(CONFIG, tmp_path)
    before, kept = stand_in.encoded, results(tmp_path)["rows"]
    evaluate_codecs(CONFIG, tmp_path)
    assert stand_in.encoded == before and results(tmp_path)["rows"] == kept


@pytest.mark.parametrize("present", [True, False])
def test_encodec_is_measured_unasked_only_where_its_weights_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, present: bool
) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the extra encodec is not installed")
    monkeypatch.setattr(candidates, "find_spec", lambda name: object())
    weights = str(tmp_path / "snapshot/model.safetensors")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *_: weights if present else None)
    monkeypatch.setattr(place.Place, "open", lambda opened: opened)
    found = {one.label: one.place for one in candidates.open_candidates(replace(CONFIG, codecs=None))}
    assert set(found) == {"builtin", *(["encodec"] if present else [])}
    if present:
        assert found["encodec"].path == str(tmp_path / "snapshot")


def test_a_folder_of_weights_is_measured_as_encodec(tmp_path: Path) -> None:
    """The real thing, tiny and with random weights."""
    transformers = pytest.importorskip("transformers", reason="the extra encodec is not installed")
    torch.manual_seed(0)
    config = transformers.EncodecConfig(num_filters=4, hidden_size=16, num_lstm_layers=1, codebook_dim=16)
    transformers.EncodecModel(config).save_pretrained(tmp_path / "weights")
    evaluate_codecs(replace(CONFIG, codecs=[str(tmp_path / "weights")], metrics=["mel_stft"]), tmp_path / "found")
    rows = results(tmp_path / "found")["rows"]
    assert [row["levels"] for row in rows] == [None, 1, 8] and rows[0]["means"]["mel_stft"]["mean"] == 0
    assert all(row["means"]["mel_stft"]["mean"] > 0.5 for row in rows[1:])
    with pytest.raises(ConfigError, match=r"levels=\[9\] asks for 9, but the codec .*weights has 8"):
        evaluate_codecs(replace(CONFIG, codecs=[str(tmp_path / "weights")], levels=[9]), tmp_path / "other")


def test_a_folder_without_weights_is_told(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra encodec is not installed")
    (tmp_path / "empty").mkdir()
    with pytest.raises(AudioError, match=r"EnCodec's weights could not be loaded from .*empty"):
        evaluate_codecs(replace(CONFIG, codecs=[str(tmp_path / "empty")]), tmp_path / "found")
