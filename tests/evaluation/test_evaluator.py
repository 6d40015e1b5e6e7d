"""Evaluation of a model on real speech."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
import torch

from vall_e.audio.codec import Codec
from vall_e.config.evaluation import EvaluationConfig
from vall_e.config.model import ModelConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.evaluation.evaluator import Evaluator
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

from .speech import TINY, Parrot, Speech, nothing, targets

SHORT = EvaluationConfig(batch_size=2, kwargs=SamplingConfig(max_duration=12))
MODEL = "ar+nar-tiny-llama-8"


def links(page: Path) -> set[str]:
    return {unquote(link) for link in re.findall(r'src="([^"]+)"', page.read_text(encoding="utf-8"))}


def test_a_model_that_says_the_targets_is_at_no_distance(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    parrot = Parrot(targets(speech))
    found = Evaluator(codec, SHORT, 0, parrot).evaluate(model, {"val": speech}, tmp_path, 7)
    assert found.metrics == {"val.mel_stft": 0}
    assert "val 0.000 over 4 samples" in found.summary()


def test_samples_are_generated_in_batches_of_at_most_batch_size(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    parrot = Parrot(targets(speech))
    Evaluator(codec, SHORT, 0, parrot).evaluate(model, {"subtrain": speech[:3], "val": speech[3:]}, tmp_path, 7)
    assert parrot.batches == [2, 1, 1]


def test_prompt_output_and_target_can_be_heard_side_by_side(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    passes = {"subtrain": speech[:1], "val": speech[1:2]}
    found = Evaluator(codec, SHORT, 0).evaluate(model, passes, tmp_path, 7)
    names = [f"kokoro-af_bella_{Path(sample.utterance).name}" for sample in speech[:2]]
    for pass_name, f in zip(passes, names, strict=True):
        expected = {
            f"ref/{f}.wav",
            f"{MODEL}/{pass_name}/{f}.wav",
            f"{MODEL}/prom/{f}.wav",
            f"{MODEL}/{pass_name}/{f}.png",
        }
        assert expected - {f"{MODEL}/{pass_name}/{f}.wav"} <= links(found.page)
        assert all((tmp_path / file).is_file() for file in expected)
    target, rate = soundfile.read(tmp_path / f"ref/{names[0]}.wav")
    assert rate == 24_000 and len(target) == len(speech[0].response) * 320
    assert soundfile.info(tmp_path / f"{MODEL}/prom/{names[0]}.wav").frames == len(speech[0].prompt) * 320


def test_the_metrics_are_kept_for_every_sample(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> None:
    found = Evaluator(codec, SHORT, 3).evaluate(model, {"val": speech[:2]}, tmp_path, 7)
    kept = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    rows = kept["passes"]["val"]["samples"]
    assert (kept["step"], kept["model"], kept["seed"], kept["metrics"]) == (7, MODEL, 3, found.metrics)
    assert kept["sampling"]["max_duration"] == 12
    assert [row["text"] for row in rows] == [sample.text for sample in speech[:2]]
    assert kept["passes"]["val"]["mel_stft"] == pytest.approx(sum(row["mel_stft"] for row in rows) / 2)


def test_every_link_of_the_page_leads_to_a_file(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> None:
    odd = replace(speech[0], speaker="ä b/#1?", utterance="50%/x y")
    found = Evaluator(codec, SHORT, 0, Parrot(targets(speech[:2]))).evaluate(
        model, {"val": [odd, speech[1]]}, tmp_path, 7
    )
    assert len(links(found.page)) == 8
    assert all((tmp_path / link).is_file() for link in links(found.page))


def test_an_output_without_speech_is_told_and_judged_as_silence(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    parrot = Parrot([nothing(), targets(speech)[1]])
    found = Evaluator(codec, SHORT, 0, parrot).evaluate(model, {"val": speech[:2]}, tmp_path, 7)
    silent, said = found.passes["val"].samples
    assert silent.empty and silent.output_seconds == 0 and silent.mel_stft > 3
    assert not said.empty and said.mel_stft == 0
    assert "the model said nothing" in found.page.read_text(encoding="utf-8")
    assert "1 without any speech" in found.summary()


def test_a_sample_without_a_prompt_has_none_to_hear(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> None:
    bare = replace(speech[0], prompt=speech[0].prompt[:0])
    found = Evaluator(codec, SHORT, 0).evaluate(model, {"val": [bare]}, tmp_path, 7)
    assert found.passes["val"].samples[0].prompt is None
    assert not (tmp_path / MODEL / "prom").exists()
    assert "no prompt" in found.page.read_text(encoding="utf-8")


def test_an_utterance_that_returns_gets_files_of_its_own(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    shouted = replace(speech[0], utterance=speech[0].utterance.upper())
    passes = {"subtrain": [speech[0], shouted], "val": [speech[0]]}
    found = Evaluator(codec, SHORT, 0, Parrot(targets(speech[:1]) * 3)).evaluate(model, passes, tmp_path, 7)
    files = [sample.target.lower() for one in found.passes.values() for sample in one.samples]
    assert len(set(files)) == 3


def test_text_is_shown_and_not_run(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> None:
    bad = replace(speech[0], text="<script>alert(1)</script>")
    found = Evaluator(codec, SHORT, 0, Parrot(targets(speech[:1]))).evaluate(model, {"val": [bad]}, tmp_path, 7)
    assert "<script>" not in found.page.read_text(encoding="utf-8")


def test_a_pass_without_samples_is_left_out(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> None:
    passes = {"subtrain": [], "val": speech[:1]}
    found = Evaluator(codec, SHORT, 0, Parrot(targets(speech[:1]))).evaluate(model, passes, tmp_path, 7)
    assert list(found.metrics) == ["val.mel_stft"]


def test_the_same_seed_gives_the_same_result_whatever_the_batch_size(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    def distances(batch_size: int) -> list[float]:
        cfg = replace(SHORT, batch_size=batch_size)
        found = Evaluator(codec, cfg, 5).evaluate(model, {"val": speech[:3]}, tmp_path / str(batch_size), 7)
        return [sample.mel_stft for sample in found.passes["val"].samples]

    assert distances(1) == pytest.approx(distances(3), rel=1e-4)


def test_neither_modes_nor_random_states_change(tmp_path: Path, codec: Codec, model: VallE, speech: Speech) -> None:
    model.train()
    model.text_emb.eval()
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(1)
    before = (torch.rand(1).item(), np.random.random(), random.random())
    for seed in (torch.manual_seed, np.random.seed, random.seed):
        seed(1)
    Evaluator(codec, SHORT, 0).evaluate(model, {"val": speech[:1]}, tmp_path, 7)
    assert (torch.rand(1).item(), np.random.random(), random.random()) == before
    assert model.training and not model.text_emb.training and model.model.training


def test_a_failing_generator_leaves_the_model_in_training(
    tmp_path: Path, codec: Codec, model: VallE, speech: Speech
) -> None:
    model.train()
    with pytest.raises(IndexError):
        Evaluator(codec, SHORT, 0, Parrot([])).evaluate(model, {"val": speech[:1]}, tmp_path, 7)
    assert model.training and torch.is_grad_enabled()


def test_training_goes_on_as_if_nobody_had_looked(tmp_path: Path, codec: Codec, speech: Speech) -> None:
    assert trained(codec, speech, None) == trained(codec, speech, tmp_path)


def trained(codec: Codec, speech: Speech, folder: Path | None) -> list[float]:
    """Losses of three steps, with an evaluation after the first if there is a folder for it."""
    torch.manual_seed(0)
    model, losses = VallE(ModelConfig(size=TINY)).train(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = [
        ModelInput(
            text=torch.from_numpy(sample.tokens),
            prompt=torch.from_numpy(sample.prompt),
            response=torch.from_numpy(sample.response[:, :3]),
            level=2,
            lang=0,
            tone=0,
        )
        for sample in speech[:2]
    ]
    for step in range(3):
        loss = model(batch).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if folder and step == 0:
            Evaluator(codec, SHORT, 0).evaluate(model, {"val": speech[:1]}, folder, step)
    return losses
