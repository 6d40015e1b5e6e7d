"""Settings of the codec's training that do not fit each other."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir

from vall_e.config.codec_training import CodecTrainingConfig
from vall_e.config.conf_dir import conf_dir
from vall_e.config.register import register
from vall_e.config.seal import seal
from vall_e.config.versions import VERSION_BASE
from vall_e.errors import ConfigError

SPECTRAL = ("linear_stft", "mel_stft", "levels", "waveform", "decoder_magnitude")
REFUSED = {
    "audio=3": "audio=3 is no folder and no list of folders",
    "audio=[a,b] audio_weights=[1]": "audio_weights=[1.0] are not as many as the folders of audio (2)",
    " ".join(f"losses.{name}=0" for name in SPECTRAL): "all weights of spectral terms are 0",
    "+losses.mel=1": "losses.mel=1: no such setting, allowed: adversarial, commitment, complex_stft, "
    "decoder_magnitude, decoder_phase, envelopes, feature_matching, levels, linear_stft, mel_stft, phase, waveform "
    "(nearest: losses.mel_stft)",
    "losses.linear_stft=-1": "losses.linear_stft=-1.0 is out of range, allowed: at least 0",
    "adversary.start=5 losses.adversarial=0 losses.feature_matching=0": "adversary.start is set, but",
    "adversary.start=5 adversary.periods=[] adversary.windows=[]": "leave no discriminator",
    "adversary.start=5 clip_seconds=0.2": "adversary.crop_seconds=0.4 is above clip_seconds=0.2",
    "clip_seconds=0.3": "clip_seconds=0.3 is too short for losses.envelopes, which compares 0.4 s",
    "adversary.start=500 steps=500": "adversary.start=500 is never reached",
    "adversary.start=5 adversary.windows=[4096] adversary.crop_seconds=0.05": "adversary.windows=[4096] are too long",
    "adversary.objective=hing": "nearest: hinge",
    "augmentation.gain_db=[2,-3]": "augmentation.gain_db=[2.0, -3.0] must be two numbers, the lower first",
    "augmentation.noise=1.5": "augmentation.noise=1.5 is out of range",
    "optimizer=muon": "allowed: adamw, sgd, adagrad, prodigy",
    "ema_decay=1": "below 1",
}


def sealed(*overrides: str) -> CodecTrainingConfig:
    register()
    with initialize_config_dir(conf_dir(), **VERSION_BASE):
        return seal(compose("train_codec", list(overrides)), CodecTrainingConfig)


@pytest.mark.parametrize("overrides", REFUSED)
def test_a_wrong_setting_is_refused_in_these_words(overrides: str) -> None:
    with pytest.raises(ConfigError) as caught:
        sealed(*overrides.split())
    assert REFUSED[overrides] in str(caught.value)


def test_one_folder_or_several() -> None:
    assert sealed("audio=a").folders == ["a"]
    assert sealed("audio=[a,b]", "audio_weights=[2,1]").folders == ["a", "b"]


def test_the_optimizer_is_told_as_the_language_models_is() -> None:
    told = sealed("optimizer=prodigy", "+optimizer_params.eps=1e-6", "lowest_rate=0.1").hyperparameters
    assert told.optimizer_params == {"betas": [0.8, 0.99], "eps": 1e-6}
    assert told.scheduler_params == {"cos_min_ratio": 0.1}
    assert sealed("optimizer=sgd", "scheduler=''").hyperparameters.optimizer_params == {}
