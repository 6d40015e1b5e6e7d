"""`python -m vall_e.evaluate` on a small dataset and a model that has learnt nothing."""

from __future__ import annotations

import json
import math
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests import forked
from vall_e.audio.codec import Codec, CodecIdentity
from vall_e.config.dataset import DatasetConfig
from vall_e.config.evaluation import EvaluationConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.config.schema import Config
from vall_e.data.store.store_writer import StoreWriter
from vall_e.data.utterance import Utterance
from vall_e.errors import ConfigError, DataError, WeightsError
from vall_e.evaluate import refuse_ignored
from vall_e.evaluation.evaluate import evaluate
from vall_e.models.vall_e import VallE
from vall_e.models.weights.pretrained import save_pretrained
from vall_e.models.weights.weights_file import read_weights, save_weights
from vall_e.text import open_tokenizer

from .speech import Speech

REPOSITORY = Path(__file__).parents[2]


def write_store(path: Path, codec: CodecIdentity, speech: Speech) -> None:
    splits = ["training", "training", "training", "validation"]
    with StoreWriter(path, codec) as writer:
        for number, (sample, split) in enumerate(zip(speech, splits, strict=True)):
            told = Utterance(
                id=sample.utterance,
                speaker=sample.speaker,
                split=split,
                language=sample.language,
                text=sample.text,
                phonemes="həloʊ",
                codes=sample.response,
            )
            writer.append(told, number)


@pytest.fixture
def cfg(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> Config:
    """A dataset of four short utterances, and weights that were learnt with the same codec."""
    write_store(tmp_path / "data.h5", codec.identity, speech)
    weights = tmp_path / "weights.safetensors"
    save_weights(weights, model.state_dict(), model.cfg, open_tokenizer(None, None), codec.identity, 42)
    return Config(
        device="cpu",
        weights=str(weights),
        dataset=DatasetConfig(
            hdf5_name=str(tmp_path / "data.h5"), duration_range=[0.1, 2], prompt_duration_range=[0.2, 0.4]
        ),
        evaluation=EvaluationConfig(size=2, kwargs=SamplingConfig(max_duration=8)),
    )


def test_both_splits_are_evaluated_with_the_settings_of_the_weights(cfg: Config, tmp_path: Path) -> None:
    value = evaluate(cfg, tmp_path / "run")
    kept = json.loads((tmp_path / "run/metrics.json").read_text(encoding="utf-8"))
    assert math.isfinite(value) and kept["metrics"]["val.mel_stft"] == value
    assert kept["step"] == 42 and {name: len(p["samples"]) for name, p in kept["passes"].items()} == {
        "subtrain": 2,
        "val": 2,
    }
    assert (tmp_path / "run/index.html").is_file()


def test_a_pretrained_folder_is_evaluated_as_its_file(cfg: Config, tmp_path: Path) -> None:
    folder = save_pretrained(tmp_path / "pretrained", read_weights(Path(str(cfg.weights))))
    assert evaluate(replace(cfg, weights=str(folder)), tmp_path / "b") == evaluate(cfg, tmp_path / "a")


def test_missing_weights_are_told_with_the_setting_that_names_them(cfg: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="weights= is not set"):
        evaluate(replace(cfg, weights=None), tmp_path)
    with pytest.raises(WeightsError, match=r"nowhere\.safetensors: no such file"):
        evaluate(replace(cfg, weights="nowhere.safetensors"), tmp_path)


def test_an_evaluation_of_nothing_is_refused(cfg: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"evaluation\.size=0"):
        evaluate(replace(cfg, evaluation=EvaluationConfig(size=0)), tmp_path)


def test_codes_of_another_codec_are_refused(cfg: Config, tmp_path: Path, codec: Codec, speech: Speech) -> None:
    write_store(tmp_path / "data.h5", replace(codec.identity, digest="f" * 16), speech)
    with pytest.raises(DataError, match=rf"ffffffffffffffff.*{codec.identity.digest}"):
        evaluate(cfg, tmp_path / "run")


def test_weights_of_another_codec_are_refused(cfg: Config, tmp_path: Path, codec: Codec, model: VallE) -> None:
    other = replace(codec.identity, name="encodec", digest="f" * 16)
    save_weights(Path(str(cfg.weights)), model.state_dict(), model.cfg, open_tokenizer(None, None), other, 1)
    with pytest.raises(ConfigError, match="set audio_backend=encodec"):
        evaluate(cfg, tmp_path / "run")


@pytest.mark.parametrize("override", ["model=ar+nar-llama-8", "model.dropout=0", "tokenizer=naive", "tokenizer_path=x"])
def test_an_override_that_the_weights_decide_is_refused(override: str) -> None:
    with pytest.raises(ConfigError, match="has no effect"):
        refuse_ignored(["seed=1", override])


def test_other_overrides_pass() -> None:
    refuse_ignored(["seed=1", "dataset=sample", "+experiment=demo", "evaluation.size=2"])


def app(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"} | {"PYTHONPATH": str(REPOSITORY)}
    return forked.run(["-m", "vall_e.evaluate", "device=cpu", *overrides], folder, env)


def test_the_app_evaluates_into_its_folder_and_tells_where_to_listen(cfg: Config, tmp_path: Path) -> None:
    overrides = (
        f"weights={cfg.weights}",
        f"dataset.hdf5_name={cfg.dataset.hdf5_name}",
        "dataset.duration_range=[0.1,2]",
        "dataset.prompt_duration_range=[0.2,0.4]",
        "evaluation.size=1",
        "evaluation.kwargs.max_duration=8",
        "hydra.run.dir=here",
    )
    done = app(tmp_path, *overrides)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "here/index.html").is_file()
    assert "here/index.html" in done.stdout + done.stderr and "lower is better" in done.stdout + done.stderr


def test_the_app_ends_with_one_sentence_on_an_override_without_effect(cfg: Config, tmp_path: Path) -> None:
    done = app(tmp_path, f"weights={cfg.weights}", f"dataset.hdf5_name={cfg.dataset.hdf5_name}", "model.dropout=0")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "model.dropout=0 has no effect" in done.stderr


def test_tasks_that_need_more_than_tts_do_not_keep_from_evaluating(cfg: Config, tmp_path: Path) -> None:
    tasks = replace(cfg.dataset, tasks_list=["tts", "ns", "tse"])
    assert evaluate(replace(cfg, dataset=tasks), tmp_path / "b") == evaluate(cfg, tmp_path / "a")
