"""The terms of the codec's loss."""

from __future__ import annotations

import math

import pytest
import torch
from auraloss.freq import MultiResolutionSTFTLoss
from torch import Tensor

from vall_e.codec_training.losses import levels
from vall_e.codec_training.losses.adversarial import adversarial, discriminator_loss
from vall_e.codec_training.losses.complex_stft import complex_stft
from vall_e.codec_training.losses.decoder_phase import decoder_phase
from vall_e.codec_training.losses.envelopes import WINDOW, Envelopes, third_octaves
from vall_e.codec_training.losses.feature_matching import feature_matching
from vall_e.codec_training.losses.levels import Levels
from vall_e.codec_training.losses.linear_stft import WINDOWS, LinearSTFT
from vall_e.codec_training.losses.magnitude import magnitude, magnitude_distance, mel_widths, quietest
from vall_e.codec_training.losses.mel_stft import SCALES, MelSTFT
from vall_e.codec_training.losses.phase import phase, unwrapped
from vall_e.codec_training.losses.spectra import Spectra, stft
from vall_e.codec_training.losses.terms import SpectralTerms
from vall_e.codec_training.losses.waveform import Waveform
from vall_e.config.codec_losses import CodecLossesConfig

TERMS = {
    "linear_stft": LinearSTFT(24_000),
    "mel_stft": MelSTFT(24_000),
    "levels": Levels(24_000),
    "envelopes": Envelopes(24_000),
    "complex_stft": complex_stft,
    "phase": phase,
    "waveform": Waveform(24_000),
}


def waves(seed: int, clips: int = 2) -> Tensor:
    return torch.randn(clips, 9_600, generator=torch.Generator().manual_seed(seed)) * 0.1


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_0_for_the_same_wave_and_above_it_for_another(name: str) -> None:
    assert float(TERMS[name](Spectra(waves(0), waves(0)))) == pytest.approx(0, abs=1e-4)
    assert float(TERMS[name](Spectra(waves(1), waves(0)))) > 0.1


@pytest.mark.parametrize("name", TERMS)
def test_gradients_are_finite_for_silence_and_lead_to_the_target(name: str) -> None:
    silent = torch.zeros(1, 9_600, requires_grad=True)
    TERMS[name](Spectra(silent, waves(0, 1))).backward()
    assert silent.grad is not None and silent.grad.isfinite().all()
    near = (waves(0, 1) + 0.01 * waves(1, 1)).requires_grad_()
    before = TERMS[name](Spectra(near, waves(0, 1)))
    before.backward()
    assert near.grad is not None
    after = TERMS[name](Spectra(near.detach() - 1e-5 * near.grad / near.grad.abs().max(), waves(0, 1)))
    assert float(after) < float(before.detach())


def test_magnitudes_are_compared_as_auraloss_does() -> None:
    output, target = waves(0, 1), waves(1, 1)
    windows = [2048, 1024, 512, 256]
    linear = MultiResolutionSTFTLoss(windows, [w // 4 for w in windows], windows)
    mel = [
        MultiResolutionSTFTLoss([w], [w // 4], [w], scale="mel", n_bins=bands, sample_rate=24_000)
        for w, bands in SCALES
    ]
    spectra = Spectra(output, target)
    found = [
        magnitude_distance(*map(magnitude, spectra.complex(window)), lowest=quietest(window)) for window in WINDOWS
    ]
    assert sum(map(float, found)) / 4 == pytest.approx(float(linear(output[:, None], target[:, None])), rel=1e-5)
    expected = sum(float(scale(output[:, None], target[:, None])) for scale in mel) / len(mel)
    assert float(MelSTFT(24_000)(spectra)) == pytest.approx(expected, rel=1e-5)


def test_levels_tell_noises_by_their_loudness_and_not_by_their_samples() -> None:
    loud, other = (torch.randn(1, 48_000, generator=torch.Generator().manual_seed(seed)) * 0.1 for seed in (0, 1))
    smooth, linear = (TERMS[name] for name in ("levels", "linear_stft"))
    assert float(smooth(Spectra(0.5 * loud, loud))) == pytest.approx(math.log(2), rel=1e-3)
    assert float(smooth(Spectra(other, loud))) < 0.25 < 0.5 < float(linear(Spectra(other, loud)))


def test_levels_over_longer_spans_are_heard_beside_those_of_shorter_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.randn(1, 48_000, generator=torch.Generator().manual_seed(0)) * 0.1
    swing = 0.3 * (2 * torch.pi * 12 * torch.arange(48_000) / 24_000).sin()
    offset = float(swing.abs().mean())
    swinging, steady = (
        float(TERMS["levels"](Spectra(wave, noise))) for wave in (swing.exp() * noise, math.exp(offset) * noise)
    )
    assert steady == pytest.approx(offset, rel=1e-3)
    monkeypatch.setattr(levels, "SPANS", (5,))
    assert swinging < 0.8 * float(TERMS["levels"](Spectra(swing.exp() * noise, noise))) < 0.6 * steady


def test_logarithms_of_low_bins_count_by_the_mel() -> None:
    widths = mel_widths(513, 24_000)
    assert float(widths.mean()) == pytest.approx(1)
    kilohertz = 513 / 12
    low, high = widths[: round(kilohertz)].sum(), widths[round(8 * kilohertz) :].sum()
    assert float(low / widths.sum()) == pytest.approx(math.log(1.7 / 0.7) / math.log(12.7 / 0.7), abs=0.01)
    assert float(high / widths.sum()) == pytest.approx(math.log(12.7 / 8.7) / math.log(12.7 / 0.7), abs=0.01)


def tone(hertz: float, phase: float = 0.0) -> Tensor:
    return 0.1 * torch.cos(2 * math.pi * hertz * torch.arange(9_600) / 24_000 + phase)[None]


@pytest.mark.parametrize("hertz", [200, 400, 600, 900])
def test_a_waveform_is_heard_in_every_band_and_not_above(hertz: float) -> None:
    loud = sum((tone(band) for band in (200, 400, 600, 900)), torch.zeros(1, 9_600))
    turned = loud - tone(hertz) + tone(hertz, math.pi)
    assert float(Waveform(24_000)(Spectra(turned, loud))) == pytest.approx(2 / 4, abs=0.02)
    assert float(Waveform(24_000)(Spectra(loud + tone(3_000), loud))) == pytest.approx(0, abs=0.02)


def test_silence_has_a_waveform_distance_of_1() -> None:
    assert float(Waveform(24_000)(Spectra(torch.zeros(2, 9_600), waves(0)))) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(("away", "distance"), [(0.0, 0.0), (math.pi / 2, 1.0), (math.pi, 2.0)])
def test_phases_that_a_decoder_writes_are_compared_as_directions(away: float, distance: float) -> None:
    target = stft(waves(0), 1280)
    turned = torch.polar(torch.ones(()), torch.tensor(away)) * target / target.abs()
    assert float(decoder_phase(turned, target, 24_000)) == pytest.approx(distance, abs=1e-4)
    beside_silence = float(decoder_phase(turned, torch.zeros_like(target), 24_000))
    assert beside_silence == 0


@pytest.mark.parametrize("name", ["linear_stft", "mel_stft"])
def test_silence_is_no_reason_for_a_huge_loss(name: str) -> None:
    beside_silence = float(TERMS[name](Spectra(0.01 * waves(0), torch.zeros(2, 9_600))))
    assert beside_silence < 15
    half, loud = waves(0, 1) * 0.5, waves(0, 1)
    assert float(TERMS[name](Spectra(half, loud))) == pytest.approx(0.5 + math.log(2), abs=0.01)


@pytest.mark.parametrize("name", TERMS)
def test_a_batch_has_the_mean_loss_of_its_clips(name: str) -> None:
    output, target = waves(0, 3) * torch.tensor([[1.0], [0.1], [0.01]]), waves(1, 3)
    alone = [float(TERMS[name](Spectra(output[n : n + 1], target[n : n + 1]))) for n in range(3)]
    assert float(TERMS[name](Spectra(output, target))) == pytest.approx(sum(alone) / 3, rel=1e-5)


def test_only_terms_that_hear_phase_tell_a_wave_from_its_opposite() -> None:
    spectra = Spectra(-waves(0), waves(0))
    deaf = {name for name, term in TERMS.items() if float(term(spectra)) < 1e-5}
    assert deaf == {"linear_stft", "mel_stft", "levels", "envelopes"}


def test_angles_go_the_shorter_way_around() -> None:
    angles = torch.tensor([0.1, -0.1, math.pi + 0.1, 2 * math.pi - 0.1, 7 * math.pi])
    assert unwrapped(angles).tolist() == pytest.approx([0.1, 0.1, math.pi - 0.1, 0.1, math.pi], abs=1e-4)


def test_a_term_of_weight_0_is_not_computed_and_the_others_are_weighed() -> None:
    without = dict.fromkeys(("mel_stft", "levels", "envelopes", "waveform"), 0.0)
    terms = SpectralTerms(CodecLossesConfig(linear_stft=2.0, complex_stft=3.0, **without), 24_000)
    found = terms(waves(0), waves(1))
    assert list(found) == ["linear_stft", "complex_stft"]
    assert float(terms.total(found)) == pytest.approx(
        2 * float(found["linear_stft"]) + 3 * float(found["complex_stft"])
    )


@pytest.mark.parametrize(("objective", "real", "coded"), [("least_squares", 1.0, 0.0), ("hinge", 2.0, -2.0)])
def test_discriminators_want_speech_high_and_coded_speech_low(objective: str, real: float, coded: float) -> None:
    high, low = [torch.full((2, 3), real)], [torch.full((2, 3), coded)]
    assert float(discriminator_loss(high, low, objective)) == 0
    assert float(discriminator_loss(low, high, objective)) > 1
    assert float(adversarial(high, objective)) < float(adversarial(low, objective))


def test_features_are_compared_by_their_own_size() -> None:
    real, coded = [[torch.full((2, 4), 3.0)]], [[torch.full((2, 4), 4.5)]]
    assert float(feature_matching(real, coded)) == pytest.approx(0.5)
    assert float(feature_matching(real, real)) == 0


def test_envelopes_hear_when_a_band_is_loud_and_not_how_loud() -> None:
    speech, other = (modulated(phase) for phase in (0.0, 0.5))
    envelopes = TERMS["envelopes"]
    assert float(envelopes(Spectra(0.3 * speech, speech))) == pytest.approx(0, abs=1e-3)
    assert float(envelopes(Spectra(other, speech))) > 0.8


def test_envelopes_rank_noises_as_stoi_does() -> None:
    stoi = pytest.importorskip("pystoi").stoi
    speech = modulated(0.0, seconds=2)
    noisy = [speech + level * waves(1, 1)[:, : speech.shape[1]].repeat(1, 5) for level in (0.1, 0.3, 1.0)]
    ours = [1 - float(TERMS["envelopes"](Spectra(wave, speech))) for wave in noisy]
    assert ours == sorted(ours, reverse=True)
    assert ours == pytest.approx([stoi(speech[0].numpy(), wave[0].numpy(), 24_000) for wave in noisy], abs=0.1)


def test_envelopes_of_what_is_too_short_are_not_compared() -> None:
    short = torch.zeros(1, 2_400, requires_grad=True)
    distance = TERMS["envelopes"](Spectra(short, torch.ones(1, 2_400)))
    distance.backward()
    assert float(distance.detach()) == 0
    assert short.grad is not None and not short.grad.any()


def test_third_octaves_are_those_of_stoi() -> None:
    utils = pytest.importorskip("pystoi.utils")
    ours, (theirs, _) = third_octaves(24_000), utils.thirdoct(24_000, WINDOW, 15, 150)
    assert float((ours.numpy() != theirs).mean()) < 0.01


def modulated(phase: float, seconds: float = 1) -> Tensor:
    """Noise that comes and goes four times a second: [1, N]."""
    time = torch.arange(int(24_000 * seconds)) / 24_000
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0)) * 0.1
    return (noise * (torch.pi * (4 * time + phase)).sin().square())[None]
