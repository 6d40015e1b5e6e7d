"""Samples sound as their task says: real speech through the codec that ships with vall_e."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.models.tiny import tiny_config
from vall_e.config.dataset import TASKS, DatasetConfig
from vall_e.data.loader import open_loader
from vall_e.data.sample import Sample
from vall_e.data.tasks.mixing import repeated
from vall_e.data.utterance import Codes
from vall_e.engines.micro_batch import draw_micro_batch
from vall_e.models.layout import lay_out

from .sounds import OPEN_CODEC, Ear, open_sounds, write_sounds
from .test_dataset import assert_same_sample

# In dB over bands of energy: what a codec makes of a mixture, and what another gain or another voice makes at least.
ALIKE, UNLIKE = 2.0, 2.2
NOISE_ALIKE, NOISE_UNLIKE = 4.0, 8.0
"""The same where noise lies under speech: a codec gives back white noise as another white noise."""


@pytest.fixture(scope="module")
def ear() -> Ear:
    return Ear(OPEN_CODEC())


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sounds") / "sounds.h5"
    write_sounds(path, OPEN_CODEC())
    return path


def pieces(sample: Sample) -> dict[str, list[Codes]]:
    """The codes of a prompt by the name of the task that stands before them; "" before any."""
    found: dict[str, list[Codes]] = {"": []}
    for piece in sample.prompt:
        if isinstance(piece, str):
            found[name := piece] = []
        else:
            found[name if len(found) > 1 else ""].append(piece)
    return found


@pytest.mark.parametrize("scale", [0.25, 1.0])
@pytest.mark.parametrize("index", [0, 5])
def test_noisy_speech_is_speech_and_noise_at_the_gain_set(sounds: Path, ear: Ear, scale: float, index: int):
    sample = open_sounds(sounds, tasks_list=["sr"], noise_scale=scale).sample(index, 0)
    speech = open_sounds(sounds).sample(index, 0, "tts").response
    (noisy,), noise = pieces(sample)["sr"], sample.response
    assert len(noisy) == len(noise) == len(speech)
    found = ear.gap(noisy, (speech, 0.5), (noise, scale / 2))
    assert found < ALIKE
    for speech_gain, noise_gain in [(0.5, 0.0), (0.5, scale / 4), (0.5, scale), (0.25, scale / 2), (1.0, scale / 2)]:
        assert ear.gap(noisy, (speech, speech_gain), (noise, noise_gain)) > found + 0.5


def test_noise_suppression_wants_the_clean_utterance(sounds: Path, ear: Ear):
    dataset = open_sounds(sounds, tasks_list=["ns"], noise_scale=1.0)
    clips = [dataset.store.codes(row) for row in (15, 16)]
    for index in range(3):
        sample = dataset.sample(index, 0)
        np.testing.assert_array_equal(sample.response, dataset.store.utterance(dataset.row(index)).codes)
        (noisy,) = pieces(sample)["ns"]
        found = [ear.gap(noisy, (sample.response, 0.5), (repeated(c, len(noisy)), 0.5)) for c in clips]
        assert min(found) < NOISE_ALIKE < NOISE_UNLIKE < max(found)


def test_overlapped_speech_is_both_voices_and_no_other(sounds: Path, ear: Ear):
    dataset = open_sounds(sounds, tasks_list=["tse"])
    strangers = [row for row in range(15) if dataset.store.utterance(row).split == "training"]
    for index in range(3):
        sample = dataset.sample(index, 0)
        (prompt,), (overlapped,) = (pieces(sample)[name] for name in ("", "tse"))
        assert 75 <= len(prompt) <= 150
        found = sorted(
            (ear.gap(overlapped, (sample.response, 0.5), (codes, gain / 2)), row)
            for row in strangers
            if len(codes := dataset.store.codes(row)) <= len(overlapped)
            for gain in (0.5, 0.625, 0.75)
        )
        best, stranger = found[0]
        assert best < ALIKE
        assert all(other > UNLIKE for other, row in found if row != stranger)
        assert dataset.store.utterance(stranger).speaker != sample.speaker
        assert ear.gap(overlapped, (sample.response, 0.5)) > UNLIKE


def test_noise_lies_under_every_part_of_an_edit(sounds: Path, ear: Ear):
    dataset = open_sounds(sounds, tasks_list=["nse"], noise_scale=1.0)
    clean = {u.text: u.codes for u in map(dataset.store.utterance, range(15))}
    clips = [dataset.store.codes(row) for row in (15, 16)]
    sample = next(s for s in (dataset.sample(0, epoch) for epoch in range(9)) if len(s.prompt) == 5)
    before, _, middle, _, after = sample.prompt
    np.testing.assert_array_equal(sample.response[: len(before)], before)
    np.testing.assert_array_equal(sample.response[-len(after) :], after)
    replaced = dataset.store.utterance(dataset.row(0)).codes
    edited = sample.response[len(before) : -len(after)]
    assert len(edited) == len(replaced)
    for noisy in (before, middle, edited, after):
        of_length = [codes for codes in clean.values() if len(codes) == len(noisy)]
        found = [
            ear.gap(noisy, (codes, 0.5), (repeated(clip, len(codes)), 0.5)) for codes in of_length for clip in clips
        ]
        assert min(found) < ALIKE
        assert min(ear.gap(noisy, (codes, 0.5)) for codes in of_length) > UNLIKE


def test_a_gap_in_speech_is_not_heard(sounds: Path):
    dataset = open_sounds(sounds, tasks_list=["cse"])
    sample = next(s for s in (dataset.sample(0, epoch) for epoch in range(9)) if len(s.prompt) == 5)
    edited = dataset.store.utterance(dataset.row(0)).codes
    assert sample.prompt[1:4] == ("soe", "mask", "eoe")
    np.testing.assert_array_equal(sample.response, np.concatenate([sample.prompt[0], edited, sample.prompt[4]]))


def test_noise_lies_under_prompts_if_asked(sounds: Path, ear: Ear):
    settings = {"prompt_inject_noise": True, "noise_scale": 1.0}
    dataset, clean = open_sounds(sounds, **settings), open_sounds(sounds)
    clips = [dataset.store.codes(row) for row in (15, 16)]
    for index in range(3):
        noisy, prompt = dataset.sample(index, 0).heard, clean.sample(index, 0).heard
        assert ear.gap(noisy, (prompt, 0.5)) > NOISE_UNLIKE
        assert min(ear.gap(noisy, (prompt, 0.5), (repeated(c, len(prompt)), 0.5)) for c in clips) < NOISE_ALIKE


def test_silence_pads_to_whole_seconds(sounds: Path, ear: Ear):
    padded, plain = (open_sounds(sounds, resps_pad_silence_p=p).sample(2, 0).response for p in (1.0, 0.0))
    missing = -len(plain) % 75
    first = (missing + 1) // 2
    assert missing and len(padded) % 75 == 0
    np.testing.assert_array_equal(padded[first : first + len(plain)], plain)
    silence = np.concatenate([padded[:first], padded[first + len(plain) :]])
    assert float(ear.wave(silence).abs().max()) < 1e-3


def test_what_is_encoded_anew_sounds_as_what_was_joined(sounds: Path, ear: Ear):
    joined, anew = (
        open_sounds(sounds, resps_max_samples=2, reencode_on_concat=flag).sample(1, 0).response
        for flag in (False, True)
    )
    assert joined.shape == anew.shape
    assert not np.array_equal(joined, anew)
    assert ear.gap(anew, (joined, 1.0)) < ALIKE


EVERYTHING = {
    "tasks_list": ["tts", "ns", "sr", "tse", "nse"],
    "prompt_continuous_utterance_p": 0.3,
    "prompt_inject_noise": True,
    "resps_max_samples": 2,
    "resps_append_p": 0.5,
    "resps_pad_silence_p": 0.5,
}


def test_workers_threads_and_a_restart_change_nothing_that_is_mixed(sounds: Path):
    dataset = open_sounds(sounds, **EVERYTHING)
    alone = open_loader(dataset, DatasetConfig(workers=0), 2, 0)
    whole = [sample for batch in islice(alone, 5) for sample in batch]
    assert len({sample.task for sample in whole}) >= 3
    begun = open_loader(dataset, DatasetConfig(workers=2), 2, 0)
    first = next(begun)
    state = begun.state_dict()
    begun.close()
    again = open_loader(open_sounds(sounds, **EVERYTHING), DatasetConfig(workers=1), 2, 0)
    again.load_state_dict(state)
    rest = [sample for batch in islice(again, 4) for sample in batch]
    again.close()
    for one, other in zip(whole, first + rest, strict=True):
        assert_same_sample(one, other)


def test_evaluation_gets_speech_to_say_whatever_is_trained(sounds: Path):
    dataset = open_sounds(sounds, tasks_list=["ns", "cse"])
    recent = open_loader(dataset, DatasetConfig(workers=0), 4, 0).recent(6)
    assert {sample.task for sample in recent} == {"tts"}
    assert all(isinstance(sample.prompt, np.ndarray) for sample in recent)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("most", [1, 3])
def test_no_sample_is_longer_than_its_utterance_was_said_to_become(sounds: Path, task: str, most: int):
    dataset = open_sounds(sounds, tasks_list=[task], resps_pad_silence_p=0.5, resps_max_samples=most)
    cfg = tiny_config({"rvq_levels_p": [0]}, capabilities=["ar", "nar", "len", "lang", "tone"])
    longest = dataset.positions()
    for epoch in range(2):
        indices = range(0, len(dataset), 3)
        batch = draw_micro_batch(cfg, [dataset.sample(i, epoch) for i in indices], 1.0, (0, epoch))
        lengths = [lay_out(one, cfg.capabilities).length for one in batch.inputs]
        assert all(length <= longest[i] for i, length in zip(indices, lengths, strict=True))
