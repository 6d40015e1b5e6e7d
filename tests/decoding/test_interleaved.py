"""Levels that take turns: sequences, losses, decoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from tests.models.tiny import STOP, draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.config.seal import problems
from vall_e.decoding.finish import Finish
from vall_e.decoding.generate import generate_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.errors import ConfigError
from vall_e.models.draws import draw_input
from vall_e.models.interleaving import frames_of, interleave
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

FLAGS: dict[str, Any] = {"interleave": True}
CAPABLE = ["ar"]


def turns(seed: int = 0, frames: int = 3) -> ModelInput:
    return speech(0, seed, response=interleave(draw_codes(frames, seed + 100), STOP))


def model_of(**flags: Any) -> VallE:
    return tiny_model(FLAGS | flags, capabilities=CAPABLE)


def test_codes_stand_frame_after_frame_and_end_with_the_stop() -> None:
    codes = draw_codes(3)
    flat = interleave(codes, STOP)
    assert flat.tolist() == [*codes.flatten().tolist(), STOP]
    assert frames_of(flat.tolist()[:-1], 8).equal(codes.long())
    assert frames_of(flat.tolist()[:-3], 8).equal(codes[:2].long()), "an unfinished frame is left out"


def test_the_sequence_has_no_level_and_every_code_its_own_table() -> None:
    model, sample = model_of(), turns()
    layout, vectors = model.lay_out(sample), model.pack([sample]).embeddings
    assert [segment.name for segment in layout.segments] == ["text", "prom", "resp"]
    assert sample.response is not None and isinstance(sample.prompt, Tensor)
    start = layout.segment("resp").start
    for place, code in enumerate(sample.response.tolist()):
        torch.testing.assert_close(vectors[start + place], model.resps_emb.embeddings[place % 8].weight[code])
    heard = sum(model.proms_emb.read(level, sample.prompt[:, level]) for level in range(8))
    prom = layout.segment("prom")
    torch.testing.assert_close(vectors[prom.start : prom.start + prom.length], heard)


@torch.inference_mode()
def test_the_loss_is_of_each_code_by_the_head_of_its_level() -> None:
    model, sample = model_of(), turns()
    assert sample.response is not None
    packed, output = model.pack([sample]), model([sample])
    hidden, start = model.hidden(packed), packed.layouts[0].segment("resp").start
    losses = [
        cross_entropy(model.logits(f"AR:{place % 8}:{place % 8}", hidden[start + place - 1]), torch.tensor(code))
        for place, code in enumerate(sample.response.tolist())
    ]
    torch.testing.assert_close(output.loss, torch.stack(losses).mean())
    assert {f"nll.level{level}" for level in range(8)} <= output.stats.keys()
    torch.testing.assert_close(output.stats["nll.level7"], torch.stack(losses[7::8]).mean())


def test_a_batch_is_the_mean_of_its_samples() -> None:
    model = model_of()
    alone = torch.stack([model([turns(seed, 2 + seed)]).loss for seed in range(3)])
    torch.testing.assert_close(model([turns(seed, 2 + seed) for seed in range(3)]).loss, alone.mean())


def test_training_draws_all_levels() -> None:
    codes = draw_codes(4)
    drawn = draw_input(
        tiny_config(FLAGS, capabilities=CAPABLE), draw_text(5), draw_codes(3), codes, 0, Generator().manual_seed(0)
    )
    assert drawn.response is not None and drawn.response.tolist() == [*codes.flatten().tolist(), STOP]


@pytest.fixture(scope="module")
def learnt() -> tuple[VallE, list[ModelInput]]:
    """A model that knows two responses by heart."""
    torch.manual_seed(0)
    model, samples = VallE(tiny_config(FLAGS, capabilities=CAPABLE)), [turns(0, 3), turns(1, 5)]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(80):
        loss = model.train()(samples).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval(), samples


def said(model: VallE, samples: list[ModelInput], **settings: Any) -> tuple[list[Tensor], list[Finish]]:
    sampling = SamplingConfig(**({"ar_temperature": 0.0, "max_duration": 9} | settings))
    requests = [SpeechRequest(tokens=one.text, prompt=prompt_of(one), lang=one.lang or 0) for one in samples]
    found = generate_speech(model, requests, sampling, 0, rows=settings.get("batch_size"))
    return [one.codes.long() for one in found], [one.finish for one in found]


def prompt_of(sample: ModelInput) -> Tensor:
    assert isinstance(sample.prompt, Tensor)
    return sample.prompt


def test_what_is_learnt_by_heart_is_said(learnt: tuple[VallE, list[ModelInput]]) -> None:
    codes, ends = said(*learnt)
    assert codes[0].equal(draw_codes(3, 100).long()) and codes[1].equal(draw_codes(5, 101).long())
    assert ends == [Finish.stop, Finish.stop]


def test_it_ends_when_it_is_long_enough(learnt: tuple[VallE, list[ModelInput]]) -> None:
    codes, ends = said(*learnt, max_duration=2)
    assert [len(one) for one in codes] == [2, 2] and ends == [Finish.length, Finish.length]


def test_levels_that_are_not_wanted_are_left_out(learnt: tuple[VallE, list[ModelInput]]) -> None:
    codes, _ = said(*learnt, max_levels=2)
    assert codes[0].equal(draw_codes(3, 100)[:, :3].long())


@pytest.mark.parametrize("settings", [{"refine_on_stop": True}, {"chunk_frames": 5}, {"layer_skip": True}], ids=str)
def test_what_levels_in_turn_cannot_do_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"does not go with weights of model.experimental.interleave=true"):
        said(model_of(), [turns()], **settings)


@pytest.mark.parametrize("strength", [0.0, 1.5])
def test_a_row_says_the_same_alone_and_in_a_batch(strength: float) -> None:
    model, samples = model_of(), [turns(0, 3), turns(1, 5)]
    drawn = {"ar_temperature": 1.0, "nar_temperature": 1.0, "cfg_strength": strength, "max_duration": 4}
    together, _ = said(model, samples, **drawn)
    assert all(len(one) and one.max() < STOP for one in together)
    for sample, expected in zip(samples, together, strict=True):
        assert said(model, [sample], **drawn)[0][0].equal(expected)


def test_the_cache_says_what_whole_passes_say() -> None:
    model, sample = model_of(), turns()
    (codes,), _ = said(model, [sample], max_duration=2)
    slow: list[int] = []
    with torch.inference_mode():
        for place in range(2 * 8):
            packed = model.pack([replace(sample, response=torch.tensor(slow, dtype=torch.int64))])
            logits = model.logits(f"AR:{place % 8}:{place % 8}", model.hidden(packed)[-1])
            slow.append(int((logits[:STOP] if place % 8 else logits).argmax()))
    assert codes.flatten().tolist() == slow


@pytest.mark.parametrize(
    ("flags", "capabilities", "told"),
    [
        ({}, ["ar", "nar"], r"experimental.interleave=true does not go with capabilities=['ar', 'nar']"),
        ({"causal_size": 2}, ["ar"], "experimental.causal_size=2 does not go with experimental.interleave=true"),
    ],
)
def test_what_does_not_go_with_it_is_refused(flags: dict[str, Any], capabilities: list[str], told: str) -> None:
    cfg = tiny_config(FLAGS | flags, capabilities=capabilities)
    assert any(told in line for line in problems(cfg, "model."))
