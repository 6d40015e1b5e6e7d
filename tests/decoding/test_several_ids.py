"""Several codes a step: what training learns ahead is what decoding reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.decoding.choices import each
from tests.models.tiny import STOP, draw_codes, draw_text, speech, tiny_config, tiny_model, with_stop
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.generate import generate_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.models.layout import ModelInput
from vall_e.models.loss import predictions
from vall_e.models.vall_e import VallE


@pytest.mark.parametrize("several", [1, 2, 3])
def test_a_code_is_learnt_so_many_positions_before_it_stands(several: int) -> None:
    model, sample = tiny_model({"causal_size": several}), speech(0)
    layout = model.lay_out(sample)
    (entry,) = predictions([sample], [layout], sums=True, ignore_inputs=True)
    start = layout.segment("resp").start
    assert entry.rows.tolist() == list(range(start - several, start - several + 7))
    (later,) = predictions([speech(3)], [model.lay_out(speech(3))], sums=True, ignore_inputs=True)
    assert later.rows[0] == model.lay_out(speech(3)).segment("resp").start, "NAR levels are read in place"


def test_inputs_are_learnt_from_the_first_that_has_a_place_before_it() -> None:
    """As the reference compares logits[:-c] with targets[c:] over the whole sequence."""
    flags = {"causal_size": 3, "ignore_inputs_for_loss": False}
    sample, model = speech(0), tiny_model(flags)
    layout = model.lay_out(sample)
    found = predictions([sample], [layout], sums=True, ignore_inputs=False)
    targets = {int(row) + 3: int(t) for e in found for row, t in zip(e.rows, e.targets, strict=True)}
    text = sample.text.tolist()
    assert [targets.get(place) for place in range(5)] == [None, None, None, *text[3:5]]
    assert layout.segment("text").length not in targets, "separators are not learnt"


def trained(several: int, samples: list[ModelInput]) -> VallE:
    """A model that knows samples by heart."""
    torch.manual_seed(0)
    model = VallE(tiny_config({"causal_size": several}))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(60):
        loss = model.train()(samples).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


@pytest.mark.parametrize("several", [2, 3])
def test_what_is_learnt_is_said_in_fewer_passes(several: int) -> None:
    codes = [draw_codes(8), draw_codes(5, 1)]
    samples = [speech(0, seed, response=with_stop(one)) for seed, one in enumerate(codes)]
    model, steps = trained(several, samples), list[int]()
    likeliest = each(lambda _, logits, __: int(logits.argmax()))
    prefixes = [replace(sample, response=None) for sample in samples]
    said = decode_level_zero(model, prefixes, 20, likeliest)
    assert [ids.tolist() for ids in said] == [one[:, 0].tolist() for one in codes]
    model.model.register_forward_hook(lambda *_: steps.append(1))
    decode_level_zero(model, prefixes[:1], 20, likeliest)
    assert len(steps) == -(-9 // several)


@torch.inference_mode()
def decode_slowly(model: VallE, prefix: ModelInput, longest: int, several: int) -> list[int]:
    said: list[int] = []
    while len(said) < longest and STOP not in said:
        sample = replace(prefix, response=torch.tensor(said, dtype=torch.int64)[:, None])
        said += model.logits("AR:0:0", model.hidden(model.pack([sample]))[-several:]).argmax(-1).tolist()
    return said[: said.index(STOP)] if STOP in said else said[:longest]


@pytest.mark.parametrize("rows", [1, 2, 3])
@pytest.mark.parametrize("settings", [{}, {"arch_type": "retnet"}], ids=["attending", "recurrent"])
def test_the_cache_says_what_whole_passes_say(settings: dict[str, Any], rows: int) -> None:
    model = tiny_model({"causal_size": 3, "noncausal_masks": not settings}, **settings)
    prefixes = [speech(0, seed, response=None) for seed in range(3)]
    likeliest = each(lambda _, logits, __: int(logits.argmax()))
    said = decode_level_zero(model, prefixes, 13, likeliest, rows=rows)
    assert [ids.tolist() for ids in said] == [decode_slowly(model, prefix, 13, 3) for prefix in prefixes]


def test_speech_is_the_same_alone_and_in_a_batch_and_guided() -> None:
    model = tiny_model({"causal_size": 2})
    requests = [SpeechRequest(tokens=draw_text(5, n), prompt=draw_codes(4, n)) for n in range(3)]
    for strength in (0.0, 2.0):
        sampling = SamplingConfig(max_duration=15, cfg_strength=strength, max_levels=1)
        together = [said.codes.tolist() for said in generate_speech(model, requests, sampling, 5, rows=2)]
        assert together == [generate_speech(model, [one], sampling, 5)[0].codes.tolist() for one in requests]
        assert len({len(codes) for codes in together}) == 1 and len(together[0]) == 15
