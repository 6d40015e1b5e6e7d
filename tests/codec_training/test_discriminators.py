"""Discriminators and what they do to the codec."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.codec_training.conftest import SMALL_ADVERSARY
from vall_e.codec_training.adversary import Adversary
from vall_e.codec_training.discriminators.ensemble import Discriminators
from vall_e.codec_training.discriminators.multi_band import BandDiscriminator
from vall_e.codec_training.discriminators.multi_period import PeriodDiscriminator
from vall_e.config.codec_adversary import AdversaryConfig
from vall_e.engines.ranks import ALONE


def waves(seed: int, clips: int = 2) -> Tensor:
    return torch.randn(clips, 2_400, generator=torch.Generator().manual_seed(seed)) * 0.1


def opponent(amp: bool = False, learning_rate: float = 2e-4) -> Adversary:
    torch.manual_seed(0)
    return Adversary(replace(SMALL_ADVERSARY, learning_rate=learning_rate), 0.0, ALONE, torch.device("cpu"), amp=amp)


@pytest.mark.parametrize("period", [2, 7, 11])
def test_a_period_is_folded_out_and_stays_apart(period: int) -> None:
    judged = PeriodDiscriminator(period, 4)(waves(0))
    assert [feature.shape[1] for feature in judged.features] == [4, 16, 32, 32]
    assert judged.score.shape[:2] == (2, 1)
    assert all(part.shape[3] == period for part in (judged.score, *judged.features))


def test_bands_are_seen_apart_and_scored_together() -> None:
    member = BandDiscriminator(256, 4)
    judged = member(waves(0))
    assert member.edges[0] == 0 and member.edges[-1] == 129 and member.edges == sorted(set(member.edges))
    assert len(judged.features) == 5 * 4
    assert judged.score.shape[:3] == (2, 1, 2_400 // 64 + 1)


def test_there_is_one_for_each_period_and_window() -> None:
    assert len(Discriminators(AdversaryConfig(periods=[2, 3], windows=[512]))(waves(0))) == 3


def test_clips_are_judged_alone() -> None:
    members = Discriminators(SMALL_ADVERSARY)
    together, alone = members(waves(0)), members(waves(0)[:1])
    for both, one in zip(together, alone, strict=True):
        torch.testing.assert_close(both.score[:1], one.score)


def test_clips_are_judged_by_how_they_sound_not_by_how_loud_they_are() -> None:
    members = Discriminators(SMALL_ADVERSARY)
    for loud, soft in zip(members(waves(0)), members(waves(0) / 5), strict=True):
        torch.testing.assert_close(soft.score, loud.score, rtol=1e-3, atol=1e-4)
    assert all(judged.score.isfinite().all() for judged in members(torch.zeros(1, 2_400)))


def test_the_codec_gets_a_gradient_and_the_discriminators_none_from_it() -> None:
    adversary, coded = opponent(), waves(1).requires_grad_()
    adversary.gradients.zero()
    terms = adversary.judge(waves(0), coded)
    (terms["adversarial"] + terms["feature_matching"]).backward()
    assert coded.grad is not None and float(coded.grad.abs().sum()) > 0
    assert all(not buffer.any() for buffer in adversary.gradients.buffers)


@pytest.mark.parametrize("amp", [False, True])
def test_they_learn_to_tell_coded_speech_from_speech(amp: bool) -> None:
    adversary, coded = opponent(amp, learning_rate=0.01), waves(1, 4)
    real = torch.sin(torch.arange(2_400) * torch.tensor([[0.05], [0.06], [0.07], [0.08]]))
    told = [adversary.learn(real, coded) for _ in range(20)]
    assert told[-1]["adversary.loss"] < 0.7 * told[0]["adversary.loss"]
    assert told[-1]["score.real"] > told[-1]["score.coded"] + 0.2
