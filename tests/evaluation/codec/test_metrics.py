"""Metrics give known values of known waves, and tell a good codec from a poor one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from vall_e.audio.read import Wave
from vall_e.evaluation.codec.metrics.choosing import CARRIER, PACKAGES
from vall_e.evaluation.codec.metrics.dnsmos import Dnsmos
from vall_e.evaluation.codec.metrics.ge2e import load_ge2e, part_starts
from vall_e.evaluation.codec.metrics.mel_stft import MelStftMetric
from vall_e.evaluation.codec.metrics.metric import Metric, Score
from vall_e.evaluation.codec.metrics.pair import Pair, paired
from vall_e.evaluation.codec.metrics.pesq import Pesq
from vall_e.evaluation.codec.metrics.si_sdr import SiSdr, si_sdr
from vall_e.evaluation.codec.metrics.speaker_similarity import SpeakerSimilarity
from vall_e.evaluation.codec.metrics.stoi import Stoi
from vall_e.evaluation.codec.metrics.word_error_rate import WordErrorRate, words

from .conftest import TEXT, spoken


def opened(kind: Callable[[], Metric]) -> Metric:
    """A metric, where its packages are installed."""
    metric = kind()
    skip_without(*PACKAGES.get(metric.name, ()))
    return metric


def skip_without(*packages: str) -> None:
    """As `importorskip`, without importing: `resemblyzer` cannot be imported beside a new setuptools."""
    if not all(map(find_spec, packages)):
        pytest.skip("the extra codec-metrics is not installed")


@pytest.fixture(scope="module")
def whisper() -> WordErrorRate:
    skip_without(*PACKAGES["wer"], CARRIER)
    return WordErrorRate(None)


def value(score: Score | None) -> float:
    assert score is not None
    return score.value


def test_si_sdr_is_what_the_formula_says() -> None:
    original = np.array([2, 0, 0], np.float32)
    assert si_sdr(original, np.array([1, 1, 0], np.float32)) == pytest.approx(0)
    assert si_sdr(original, np.array([1, 0.5, 0], np.float32)) == pytest.approx(10 * np.log10(4))


def test_si_sdr_is_the_same_at_any_loudness_and_sign(original: Wave) -> None:
    noisy = original + np.random.default_rng(0).normal(0, 0.01, len(original)).astype(np.float32)
    expected = si_sdr(original, noisy)
    assert 10 < expected < 30
    for scale in (0.01, -3.0):
        assert si_sdr(original, (scale * noisy).astype(np.float32)) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("kind", [MelStftMetric, Pesq, Stoi, SpeakerSimilarity])
def test_a_metric_prefers_eight_levels_to_one_and_the_original_to_both(
    kind: Callable[[], Metric], pairs: dict[int, Pair]
) -> None:
    metric = opened(kind)
    one, eight, best = (value(metric.measure(pairs[levels])) for levels in (1, 8, 0))
    assert (one < eight < best) if metric.better == "higher" else (one > eight > best)


def test_the_original_has_the_best_value_there_is(pairs: dict[int, Pair]) -> None:
    assert MelStftMetric().measure(pairs[0]) == Score(0.0)
    assert SiSdr().measure(pairs[0]) is None
    assert value(opened(Stoi).measure(pairs[0])) == pytest.approx(1)
    assert value(opened(SpeakerSimilarity).measure(pairs[0])) == pytest.approx(1)
    assert value(opened(Pesq).measure(pairs[0])) == pytest.approx(4.644, abs=1e-3)


@pytest.mark.parametrize("kind", [SiSdr, Pesq, Stoi, Dnsmos, SpeakerSimilarity])
def test_silence_has_no_score(kind: Callable[[], Metric], original: Wave) -> None:
    silence = np.zeros_like(original)
    metric = opened(kind)
    assert metric.measure(paired(silence, silence, 24_000)) is None


@pytest.mark.parametrize(("kind", "lowest"), [(Pesq, 1.0), (Stoi, 0.0), (SpeakerSimilarity, 0.7)])
def test_a_codec_that_says_nothing_is_not_rewarded(kind: Callable[[], Metric], lowest: float, original: Wave) -> None:
    metric = opened(kind)
    assert value(metric.measure(paired(original, np.zeros_like(original), 24_000))) <= lowest + 1e-4


def test_dnsmos_prefers_speech_to_noise(pairs: dict[int, Pair]) -> None:
    metric = opened(Dnsmos)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, 24_000).astype(np.float32)
    assert 2.5 < value(metric.measure(pairs[0])) < 5
    assert 1 <= value(metric.measure(paired(noise, noise, 24_000))) < 2


def test_two_voices_are_less_alike_than_two_sentences_of_one() -> None:
    metric = opened(SpeakerSimilarity)
    first, second, other = (spoken(name) for name in ("af_nova/05495", "af_nova/00763", "bm_daniel/01732"))
    same, different = (value(metric.measure(paired(first, wave, 24_000))) for wave in (second, other))
    assert different < 0.75 < same


def test_the_speaker_vector_is_that_of_the_package() -> None:
    skip_without("resemblyzer")
    vector = load_ge2e().vector(spoken("af_nova/05495", 16_000))
    # embed_utterance of resemblyzer 0.1.4 behind its normalize_volume
    expected = [0, 0, 0.11148207, 0, 0, 0, 0, 0.05651564, 0.00544004, 0.01087257, 0.07650491, 0.10184058]
    assert vector[:12] == pytest.approx(expected, abs=1e-4)
    assert np.linalg.norm(vector) == pytest.approx(1)


def test_parts_of_speech_overlap_and_the_last_is_mostly_speech() -> None:
    assert part_starts(1_600) == [0]
    assert part_starts(160 * 160) == [0]
    assert part_starts(160 * 220) == [0, 77]
    assert part_starts(160 * 240) == [0, 77]


def test_what_was_said_is_understood(whisper: WordErrorRate, pairs: dict[int, Pair]) -> None:
    assert whisper.measure(pairs[0]) == Score(0.0, 9)
    wrong = replace(pairs[0], text=TEXT.replace("butter", "margarine"))
    assert whisper.measure(wrong) == Score(pytest.approx(100 / 9), 9)


@pytest.mark.parametrize("change", [{"text": None}, {"language": "de"}, {"text": "..."}])
def test_there_is_no_word_error_rate_without_words_that_whisper_knows(
    whisper: WordErrorRate, pairs: dict[int, Pair], change: dict[str, str]
) -> None:
    assert whisper.measure(replace(pairs[0], **change)) is None


def test_words_are_compared_without_case_and_punctuation() -> None:
    assert words("“Don’t,” he said: well-known 'things'!", "en-us") == [
        "don't",
        "he",
        "said",
        "well",
        "known",
        "things",
    ]


def test_a_pair_is_cut_to_the_shorter_and_to_the_range() -> None:
    pair = paired(np.full(10, 2, np.float32), np.full(7, -0.5, np.float32), 24_000)
    assert pair.original.tolist() == [1] * 7
    assert pair.decoded.tolist() == [-0.5] * 7
