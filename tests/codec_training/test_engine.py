"""Steps of the codec."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from tests.codec_training.conftest import SMALL_ADVERSARY, TINY, Settings
from vall_e.audio.builtin.residual_quantizer import ResidualQuantizer
from vall_e.audio.builtin.spectral_codec import SpectralCodecShape
from vall_e.codec_training.codebooks import entropy, usage_of
from vall_e.codec_training.engine import CodecEngine
from vall_e.codec_training.evaluation import measure
from vall_e.codec_training.losses.magnitude import mel_widths
from vall_e.codec_training.losses.mel_stft import mel_filters
from vall_e.codec_training.run import fresh_engine


def engine(settings: Settings, **values: object) -> CodecEngine:
    return fresh_engine(settings(**values), SpectralCodecShape(**TINY))


def wave(seed: int) -> Tensor:
    return torch.randn(2, 4_800, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_the_average_is_exact_and_shorter_at_the_beginning(settings: Settings) -> None:
    tested = engine(settings, ema_decay=0.5)
    name = "decoder.project.weight"
    expected = tested.codec.get_parameter(name).detach().clone()
    for step in range(12):
        tested.step(wave(step))
        decay = min(0.5, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * tested.codec.get_parameter(name).detach()
    torch.testing.assert_close(tested.weights()[name], expected)
    assert not tested.codec.get_parameter(name).equal(expected)


def test_the_exported_codec_has_the_average_and_the_codebooks_of_now(settings: Settings) -> None:
    tested = engine(settings, ema_decay=0.9)
    for step in range(3):
        tested.step(wave(step))
    exported = tested.weights()
    assert exported["quantizer.codebooks.0.vectors"].equal(tested.codec.quantizer.books()[0].vectors)
    assert tested.average is not None
    assert exported["encoder.embed.weight"].equal(tested.average.tensors["encoder.embed.weight"])


def test_discriminators_learn_before_they_steer(settings: Settings) -> None:
    tested = engine(settings, adversary=SMALL_ADVERSARY)
    told = [set(tested.step(wave(step))) for step in range(3)]
    assert ["adversary.loss" in names for names in told] == [False, True, True]
    assert ["adversarial" in names for names in told] == [False, False, True]


def test_until_discriminators_steer_the_codec_is_the_same_without_them(settings: Settings) -> None:
    with_them, without = engine(settings, adversary=SMALL_ADVERSARY), engine(settings)
    for step in range(2):
        with_them.step(wave(step))
        without.step(wave(step))
    assert all(t.equal(without.weights()[name]) for name, t in with_them.weights().items())
    with_them.step(wave(2))
    without.step(wave(2))
    assert not all(t.equal(without.weights()[name]) for name, t in with_them.weights().items())


def test_a_step_that_is_not_finite_is_left_out(settings: Settings) -> None:
    tested = engine(settings)
    tested.step(wave(0))
    before = tested.codec.encoder.embed.weight.detach().clone()
    book = tested.codec.quantizer.books()[0]
    tested.codec.decoder.project.bias.data[0] = math.nan
    assert math.isnan(tested.step(wave(1))["grad_norm"])
    assert tested.nonfinite == 1
    assert tested.codec.encoder.embed.weight.equal(before)
    vectors = book.vectors.clone()
    tested.codec.encoder.project.bias.data[0] = math.nan
    tested.step(wave(2))
    assert book.vectors.equal(vectors)


def test_a_codec_may_be_measured_before_it_makes_a_step(settings: Settings) -> None:
    mel_filters.cache_clear()
    mel_widths.cache_clear()
    tested = engine(settings)
    clips = wave(0)
    with tested.speaking() as codec:
        measure(codec, clips, tested.terms)
    assert math.isfinite(tested.step(clips)["grad_norm"])


def test_half_precision_is_of_training_alone(settings: Settings) -> None:
    tested, plain = engine(settings, amp=True), engine(settings)
    tested.step(wave(0))
    with tested.speaking() as codec:
        plain.codec.load_state_dict(codec.state_dict())
        assert codec.latents(wave(1)).equal(plain.codec.eval().latents(wave(1)))


@pytest.mark.parametrize(("counts", "bits"), [([1, 1, 1, 1], 2.0), ([5, 0, 0, 0], 0.0), ([1, 1, 0, 0], 1.0)])
def test_entropy_is_in_bits(counts: list[float], bits: float) -> None:
    assert entropy(torch.tensor(counts)) == pytest.approx(bits)


def test_dead_codes_are_counted_and_revived() -> None:
    quantizer, keep = ResidualQuantizer(1, 8, 2), torch.ones(1, dtype=torch.int64)
    generator = torch.Generator().manual_seed(0)
    quantizer(torch.randn(1, 100, 2, generator=generator), keep)
    told = [usage_of(quantizer) for _ in range(500) if quantizer(5 + torch.randn(1, 4, 2, generator=generator), keep)]
    assert max(one["dead.level0"] for one in told) > 0
    assert float(quantizer.books()[0].usage.min()) >= 0.05
