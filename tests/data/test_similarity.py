"""Which utterances sound alike: nearest first, of the same speaker, and never of what training must not hear."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vall_e.audio import open_codec
from vall_e.audio.speaker_encoder import SpeakerEncoder
from vall_e.config.codec import AudioBackend, CodecConfig
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline import similarity
from vall_e.data.pipeline.similarity import AcousticVectors, similar_utterances
from vall_e.data.prepare import prepare
from vall_e.data.store.store import Store
from vall_e.errors import AudioError, ConfigError

from .tones import EnergyCodec, make_source, write_manifest


def angles(*degrees: float) -> np.ndarray:
    radians = np.radians(np.array(degrees))
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def test_the_nearest_come_first_and_never_itself():
    features = angles(0, 55, 10, 90) * np.array([[1], [5], [0.1], [2]], np.float32)
    indices, scores = similar_utterances(features, np.zeros(4, int), np.ones(4, bool), 2)
    assert (indices.dtype, scores.dtype) == (np.int32, np.float16)
    assert indices.tolist() == [[2, 1], [3, 2], [0, 1], [1, 2]]
    assert scores[0].tolist() == pytest.approx([np.cos(np.radians(10)), np.cos(np.radians(55))], abs=1e-3)


def test_speakers_are_kept_apart_and_a_lone_utterance_has_none():
    indices, scores = similar_utterances(angles(0, 1, 2, 3), np.array([7, 3, 7, 5]), np.ones(4, bool), 3)
    assert indices.tolist() == [[2, -1, -1], [-1, -1, -1], [0, -1, -1], [-1, -1, -1]]
    assert (scores[indices < 0] == 0).all()


def test_training_is_not_similar_to_other_splits_but_they_are_to_it():
    indices, _ = similar_utterances(angles(0, 1, 3), np.zeros(3, int), np.array([True, False, True]), 2)
    assert indices.tolist() == [[2, -1], [0, 2], [0, -1]]


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_it_is_the_plain_search_however_many_rows_are_compared_at_once(n: int, speakers: int, k: int, seed: int):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 8)).astype(np.float32)
    speaker, training = rng.integers(0, speakers, n), rng.random(n) < 0.7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "COSINES_AT_ONCE", 100)
        indices, scores = similar_utterances(features, speaker, training, k)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    for row in range(n):
        others = [
            other
            for other in range(n)
            if other != row and speaker[other] == speaker[row] and (training[other] or not training[row])
        ]
        best = sorted((float(unit[row] @ unit[other]) for other in others), reverse=True)[:k]
        assert set(indices[row][indices[row] >= 0]) <= set(others)
        np.testing.assert_allclose(scores[row][: len(best)], best, atol=2e-3)
        assert (indices[row][len(best) :] == -1).all()


@pytest.mark.parametrize("by", ["codec", "mfcc"])
def test_a_voice_is_nearer_to_itself_than_to_another(by: str):
    codec = open_codec(AudioBackend.builtin, CodecConfig(), "cpu")
    vectors = AcousticVectors(codec, by, SpeakerEncoder("", "cpu"))
    time = np.arange(24_000) / 24_000

    def buzz(pitch: float) -> np.ndarray:
        wave = 0.3 * np.sign(np.sin(2 * np.pi * pitch * time)).astype(np.float32)
        return vectors.vector(codec.encode(torch.from_numpy(wave)).numpy())

    features = np.stack([buzz(pitch) for pitch in (110, 700, 112, 710)])
    indices, _ = similar_utterances(features, np.zeros(4, int), np.ones(4, bool), 1)
    assert indices[:, 0].tolist() == [2, 3, 0, 1]


def test_a_codec_without_embeddings_is_named():
    with pytest.raises(ConfigError, match=r"similar_by=codec is not allowed with energies, allowed: mfcc"):
        AcousticVectors(EnergyCodec(), "codec", SpeakerEncoder("", "cpu"))


def test_x_vectors_of_a_speaker_encoder(tmp_path: Path):
    transformers = pytest.importorskip("transformers", reason="the extra encodec is not installed")
    torch.manual_seed(0)
    layers = {"conv_dim": [8] * 7, "tdnn_dim": [8, 8, 8, 8, 16], "num_conv_pos_embedding_groups": 2}
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.WavLMConfig(**layers, **sizes, num_conv_pos_embeddings=4, xvector_output_dim=6)
    transformers.WavLMForXVector(config).save_pretrained(tmp_path / "encoder")
    codec = open_codec(AudioBackend.builtin, CodecConfig(), "cpu")
    vectors = AcousticVectors(codec, "speaker", SpeakerEncoder(str(tmp_path / "encoder"), "cpu"))
    codes = np.random.default_rng(0).integers(0, 1024, (150, 8)).astype(np.int16)
    one, other = vectors.vector(codes), vectors.vector(codes[:1])
    assert one.shape == other.shape == (6,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(one, vectors.vector(codes))
    with pytest.raises(AudioError, match=r"preparation\.speaker_encoder=.*nowhere could not be loaded"):
        AcousticVectors(codec, "speaker", SpeakerEncoder(str(tmp_path / "nowhere"), "cpu")).vector(codes)


class LatentEnergies(EnergyCodec):
    """Vectors that go round with loudness; those made are counted in `compared`."""

    compared = 0

    def latents(self, codes: torch.Tensor) -> torch.Tensor:
        self.compared += 1
        return torch.stack([codes[:, 0].float(), torch.full((len(codes),), 100.0)], dim=1)


def test_a_dataset_is_given_similar_utterances(tmp_path: Path):
    make_source(tmp_path / "c", speakers=2)
    cfg = Config(
        dataset=DatasetConfig(source=str(tmp_path / "c"), hdf5_name=str(tmp_path / "s.h5")),
        preparation=PreparationConfig(similar_top_k=2),
    )
    report = prepare(cfg, LatentEnergies())
    with Store(report.path) as store:
        found = [store.similar(row).tolist() for row in range(len(store))]
    assert found[4:7] == [[row for row in (4, 5, 6) if row != own] for own in (4, 5, 6)] or all(
        set(rows) <= {4, 5, 6} for rows in found[4:7]
    )
    assert all(-1 not in rows for rows in found)
    before = (tmp_path / "s.similar.h5").stat().st_mtime_ns
    prepare(cfg, LatentEnergies())
    assert (tmp_path / "s.similar.h5").stat().st_mtime_ns == before
    cfg.preparation.similar_top_k = 1
    prepare(cfg, LatentEnergies())
    with Store(report.path) as store:
        assert [store.similar(row).tolist() for row in range(len(store))] == [rows[:1] for rows in found]


def similar_rows(path: Path) -> list[list[int]]:
    with Store(path) as store:
        return [store.similar(row).tolist() for row in range(len(store))]


def test_each_job_compares_its_share_and_a_later_run_what_is_new(tmp_path: Path):
    lines = make_source(tmp_path / "c", speakers=2)
    cfg = Config(
        dataset=DatasetConfig(source=str(tmp_path / "c"), hdf5_name=str(tmp_path / "s.h5")),
        preparation=PreparationConfig(similar_top_k=2, shards=2),
    )
    jobs = [LatentEnergies() for _ in range(2)]
    for cfg.preparation.shard, codec in enumerate(jobs):
        prepare(cfg, codec, part_size=3)
    assert [codec.compared for codec in jobs] == [codec.encoded for codec in jobs]
    assert sum(codec.compared for codec in jobs) == 8

    cfg.preparation.shards, cfg.preparation.shard = 1, 0
    lines[3]["text"] = "Another sentence."
    write_manifest(tmp_path / "c", lines[1:])
    codec = LatentEnergies()
    prepare(cfg, codec)
    assert codec.compared == codec.encoded == 1
    cfg.dataset.hdf5_name = str(tmp_path / "whole.h5")
    prepare(cfg, LatentEnergies())
    assert similar_rows(tmp_path / "s.h5") == similar_rows(tmp_path / "whole.h5")


def test_vectors_that_are_damaged_are_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    lines = make_source(tmp_path / "c", speakers=2)
    cfg = Config(
        dataset=DatasetConfig(source=str(tmp_path / "c"), hdf5_name=str(tmp_path / "s.h5")),
        preparation=PreparationConfig(similar_top_k=2),
    )
    prepare(cfg, LatentEnergies())
    (part,) = (tmp_path / "s.h5.work/features").rglob("*.h5")
    part.write_bytes(part.read_bytes()[:2_000])
    write_manifest(tmp_path / "c", lines[1:])
    codec = LatentEnergies()
    prepare(cfg, codec)
    assert (codec.encoded, codec.compared) == (0, 7)
    assert str(part) in caplog.text


def test_a_speaker_of_many_utterances_is_compared_in_bounded_memory():
    features = np.random.default_rng(0).normal(size=(12_000, 4)).astype(np.float32)
    speaker, training = np.zeros(len(features), np.int64), np.ones(len(features), bool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similarity, "COSINES_AT_ONCE", 2**20)
        tracemalloc.start()
        similar_utterances(features, speaker, training, 4)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 40 * 2**20
