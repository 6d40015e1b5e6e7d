"""Speaking with one vocabulary over all segments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.decoding.choices import each
from tests.models.test_one_vocabulary import closed, config, model_of
from tests.models.tiny import STOP, draw_codes, draw_text
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.finish import Finish
from vall_e.decoding.generate import generate_speech, stream_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.decoding.transcribe import transcribe
from vall_e.errors import ConfigError
from vall_e.models.build import build_model
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

FRAMES = (4, 7)


@pytest.fixture(scope="module", params=[1, 2], ids=lambda several: f"{several} a step")
def learnt(request: pytest.FixtureRequest) -> VallE:
    """A model that knows two responses of two levels by heart."""
    torch.manual_seed(0)
    model = build_model(config({"causal_size": request.param}, resp_levels=2)).train()
    batch = [sample(level, seed) for seed in range(2) for level in range(2)]
    optimizer, losses = torch.optim.AdamW(model.parameters(), lr=0.01), list[float]()
    for _ in range(50):
        loss = model(batch).loss
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert losses[0] > 8 and losses[-1] < 0.3
    return model.eval()


def sample(level: int, seed: int) -> ModelInput:
    return replace(closed(level, seed, FRAMES[seed]), tone=0, lang=0)


def asked(seed: int) -> SpeechRequest:
    known = sample(0, seed)
    assert isinstance(known.prompt, Tensor)
    return SpeechRequest(tokens=known.text, prompt=known.prompt, lang=0)


GREEDY = SamplingConfig(ar_temperature=0.0, max_duration=20)


def test_what_is_learnt_by_heart_is_said_at_every_level(learnt: VallE) -> None:
    found = generate_speech(learnt, [asked(0), asked(1)], GREEDY, 0)
    for seed, said in enumerate(found):
        assert said.codes.equal(draw_codes(FRAMES[seed], seed + 100)[:, :2]) and said.finish is Finish.stop


def test_it_ends_when_it_is_long_enough(learnt: VallE) -> None:
    (said,) = generate_speech(learnt, [asked(1)], replace(GREEDY, max_duration=3), 0)
    assert said.codes.shape == (3, 2) and said.finish is Finish.length


SETTINGS: dict[str, dict[str, Any]] = {
    "drawn": {},
    "guided": {"cfg_strength": 1.5},
    "penalised": {"repetition_penalty": 1.5, "length_penalty": 0.5},
    "mirostat": {"mirostat_tau": 4.0, "mirostat_eta": 0.1},
    "beams": {"beam_width": 3},
    "entropix": {"entropix_sampling": True},
    "repetition aware": {"ras_window": 3},
    "drafted": {"speculative_layers": 1},
    "early exits": {"layer_skip": True},
    "refined": {"refine_on_stop": True},
    "in chunks": {"chunk_frames": 3, "chunk_lookahead": 2},
}


@pytest.mark.parametrize("case", SETTINGS)
def test_a_request_says_the_same_alone_and_in_a_batch(case: str) -> None:
    sampling = SamplingConfig(**({"nar_temperature": 1.0, "max_duration": 8, "max_levels": 1} | SETTINGS[case]))
    model = model_of(resp_levels=2)
    requests = [SpeechRequest(tokens=draw_text(5, n), prompt=draw_codes(4, n)) for n in range(3)]
    together = [said.codes for said in generate_speech(model, requests, sampling, 5, rows=2)]
    assert all(len(codes) and codes.min() >= 0 and codes.max() < STOP for codes in together)
    assert len({tuple(codes.flatten().tolist()) for codes in together}) == 3
    for request, expected in zip(requests, together, strict=True):
        assert generate_speech(model, [request], sampling, 5)[0].codes.equal(expected)


def test_drafts_change_nothing() -> None:
    model, requests = model_of(), [asked(0), asked(1)]
    sampling = SamplingConfig(max_duration=12, max_levels=0)
    plain, drafted = (
        [said.codes.tolist() for said in generate_speech(model, requests, one, 3)]
        for one in (sampling, replace(sampling, speculative_layers=1))
    )
    assert plain == drafted


def test_a_stream_says_what_is_said_at_once() -> None:
    model, requests = model_of(resp_levels=3), [asked(0), asked(1)]
    sampling = SamplingConfig(max_duration=9, chunk_frames=3, chunk_lookahead=2)
    whole = [said.codes for said in generate_speech(model, requests, sampling, 1)]
    parts = list(stream_speech(model, requests, sampling, 1, rows=1))
    assert len(parts) > 2
    for index, codes in enumerate(whole):
        assert torch.cat([part.codes for part in parts if part.request == index]).equal(codes)


@torch.inference_mode()
def slowly(model: VallE, prefix: ModelInput, longest: int, several: int) -> list[int]:
    said: list[int] = []
    while len(said) < longest and STOP not in said:
        shown = replace(prefix, response=torch.tensor(said, dtype=torch.int64)[:, None])
        said += model.logits("AR:0:0", model.hidden(model.pack([shown]))[-several:]).argmax(-1).tolist()
    return said[: said.index(STOP)] if STOP in said else said[:longest]


@pytest.mark.parametrize("several", [1, 3])
@pytest.mark.parametrize("arch", ["llama", "retnet"])
def test_the_cache_says_what_whole_passes_say(arch: str, several: int) -> None:
    model = model_of({"causal_size": several, "noncausal_masks": arch == "llama"}, arch_type=arch)
    prefixes = [replace(sample(0, seed), response=None) for seed in range(2)]
    likeliest = each(lambda _, logits, __: int(logits.argmax()))
    said = decode_level_zero(model, prefixes, 11, likeliest, rows=1)
    assert [ids.tolist() for ids in said] == [slowly(model, prefix, 11, several) for prefix in prefixes]


@torch.inference_mode()
def test_levels_above_are_read_in_place_of_a_closed_response() -> None:
    model, request = model_of(resp_levels=2), asked(0)
    (said,) = generate_speech(model, [request], replace(GREEDY, max_duration=5), 0)
    first = said.codes[:, :1].long()
    shown = replace(sample(1, 0), response=torch.cat([first, torch.tensor([[STOP]])]))
    packed = model.pack([shown])
    start = packed.layouts[0].segment("resp").start
    logits = model.logits("NAR:0:1", model.hidden(packed)[start : start + 5])
    assert said.codes[:, 1].tolist() == logits[:, :STOP].argmax(-1).tolist()


def test_it_writes_nothing_down() -> None:
    with pytest.raises(ConfigError, match=r"^stt does not go with weights of model\.experimental\.hf=true"):
        transcribe(model_of(), [draw_codes(5)], 4)


def test_it_has_no_masked_decoding() -> None:
    with pytest.raises(ConfigError, match="modality=nar-len: level 0 needs len among"):
        generate_speech(model_of(), [asked(0)], SamplingConfig(modality="nar-len"), 0)
