"""MFCCs against the library that defines them for many."""

from __future__ import annotations

import numpy as np
import torch
from scipy.fft import dct

from vall_e.audio.builtin.spectral_features import mel_filters
from vall_e.audio.mfcc import mfcc


def test_they_are_the_cosine_transform_of_the_log_mel_spectrum():
    wave = torch.from_numpy(np.random.default_rng(0).normal(size=16_000).astype(np.float32))
    found = mfcc(wave, 16_000, 20)
    spectrum = torch.stft(wave, 640, 320, window=torch.hann_window(640), return_complex=True).abs()
    mel = (mel_filters(16_000, 640, 40) @ spectrum).clamp_min(1e-5).log()
    expected = dct(mel.numpy(), type=2, axis=0)[:20].T / 2
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_a_moment_has_some_too():
    assert torch.isfinite(mfcc(torch.zeros(3), 16_000, 13)).all()


def test_loudness_is_in_the_first_alone():
    wave = torch.from_numpy(np.random.default_rng(0).normal(size=16_000).astype(np.float32))
    change = mfcc(3 * wave, 16_000, 13) - mfcc(wave, 16_000, 13)
    np.testing.assert_allclose(change[:, 0], 40 * np.log(3), rtol=1e-3)
    np.testing.assert_allclose(change[:, 1:], 0, atol=1e-3)
