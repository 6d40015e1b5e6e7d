"""Classifier-free guidance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.decoding.choices import each
from tests.models.tiny import draw_codes, draw_text, speech, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.guidance import Guidance, RunningGuidance, guidance, unconditional
from vall_e.decoding.non_autoregressive import decode_levels, frame_logits
from vall_e.decoding.sampling.dice import seeded
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

CONDITIONAL = torch.tensor([[1.0, 2.0, 3.0], [3.0, 1.0, 0.0]])
NULL = torch.tensor([[0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
GUIDE = Guidance(strength=3.0, rescale=0.7)
PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
]


def test_predictions_are_those_of_the_reference() -> None:
    found = GUIDE.combine(CONDITIONAL, NULL)
    assert found.flatten().tolist() == pytest.approx([1.5930, 3.1861, 3.7171, 3.7171, 0.5310, -1.0620], abs=1e-4)


def test_a_strength_of_1_is_the_conditional_prediction() -> None:
    torch.testing.assert_close(Guidance(strength=1.0, rescale=0.7).combine(CONDITIONAL, NULL), CONDITIONAL)


def test_rescaling_wholly_gives_the_conditional_spread() -> None:
    found = Guidance(strength=5.0, rescale=1.0).combine(CONDITIONAL, NULL)
    assert float(found.std()) == pytest.approx(float(CONDITIONAL.std()))


@pytest.mark.parametrize(("strength", "least", "found"), [(0, 0, None), (2, 0, 2), (0, 3, 3), (2, 3, 3), (4, 3, 4)])
def test_strength_0_is_off_unless_there_is_a_least(strength: float, least: float, found: float | None) -> None:
    guide = guidance(SamplingConfig(cfg_strength=strength), least)
    assert (guide and guide.strength) == found


def test_code_by_code_the_last_row_is_that_of_the_whole_block() -> None:
    generator = torch.Generator().manual_seed(0)
    conditional, null = 5 * torch.randn(2, 9, 3, 40, generator=generator)
    running = RunningGuidance(GUIDE)
    running.admit(3)
    for step in range(9):
        found = running.combine(conditional[step], null[step], range(3))
        for row in range(3):
            whole = GUIDE.combine(conditional[: step + 1, row], null[: step + 1, row])
            torch.testing.assert_close(found[row], whole[-1], atol=1e-5, rtol=1e-5)


LIKELIEST = each(lambda _, logits, __: int(logits.argmax()))


def test_the_null_sample_keeps_response_language_and_level() -> None:
    sample = speech(3, tone=0, lang=2)
    null = unconditional(sample)
    assert (null.text.tolist(), null.prompt) == ([1, 2], None)
    assert (null.response, null.lang, null.tone, null.level) == (sample.response, 2, 0, 3)


@torch.inference_mode()
def decode_slowly(model: VallE, prefix: ModelInput, steps: int) -> list[int]:
    ids: list[int] = []
    for _ in range(steps):
        sample = replace(prefix, response=torch.tensor(ids)[:, None] if ids else None)
        rows = [last_rows(model, one, len(ids) + 1) for one in (sample, unconditional(sample))]
        ids.append(int(GUIDE.combine(*rows)[-1].argmax()))
    return ids


def last_rows(model: VallE, sample: ModelInput, count: int) -> Tensor:
    return model.logits("AR:0:0", model.hidden(model.pack([sample]))[-count:])


def test_guided_decoding_through_the_cache_changes_nothing() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.classifiers.proj[0].bias[1024] = -1e6
    found = decode_level_zero(model, PREFIXES, 20, LIKELIEST, guidance=GUIDE)
    assert [ids.tolist() for ids in found] == [decode_slowly(model, prefix, 20) for prefix in PREFIXES]
    plain = decode_level_zero(model, PREFIXES, 20, LIKELIEST)
    assert not found[0].equal(plain[0])


@torch.inference_mode()
def test_levels_above_are_guided_over_all_their_frames() -> None:
    model, first = tiny_model(), [draw_codes(7, 5)[:, 0]]
    sampling = SamplingConfig(cfg_strength=3.0, cfg_rescale=0.7, max_levels=1)
    found = decode_levels(model, PREFIXES[:1], first, sampling, seeded(0, 1))
    sample = replace(PREFIXES[0], level=1, response=first[0][:, None])
    conditional, null = (frame_logits(model, [one])[0] for one in (sample, unconditional(sample)))
    assert found[0][:, 1].equal(GUIDE.combine(conditional, null).argmax(-1))
    assert not found[0][:, 1].equal(conditional.argmax(-1))
