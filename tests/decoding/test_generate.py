"""From text tokens and a prompt to codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.models.tiny import STOP, draw_codes, draw_text, tiny_config, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.finish import Finish
from vall_e.decoding.generate import generate_speech, is_masked, joined, stream_speech
from vall_e.decoding.length import predict_lengths
from vall_e.decoding.request import Part, SpeechRequest, in_order
from vall_e.errors import ConfigError, WeightsError
from vall_e.models.backbones.kv_cache import KVCache
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

REQUESTS = [
    SpeechRequest(tokens=draw_text(5), prompt=draw_codes(4)),
    SpeechRequest(tokens=draw_text(9, 1), prompt=None, lang=1),
    SpeechRequest(tokens=draw_text(3, 2), prompt=draw_codes(11, 1)),
    SpeechRequest(tokens=draw_text(6, 3), prompt=draw_codes(0)),
]
GREEDY = SamplingConfig(max_duration=20, ar_temperature=0.0)
DRAWN = SamplingConfig(max_duration=60, nar_temperature=0.8, top_k=200, top_p=0.95, repetition_penalty=1.2)


def prone_to_stop(bias: float) -> VallE:
    """A model whose chance to stop is raised."""
    model = tiny_model()
    with torch.no_grad():
        model.classifiers.proj[0].bias[STOP] += bias
    return model


def say(
    model: VallE, requests: Sequence[SpeechRequest], sampling: SamplingConfig, seed: int = 0
) -> list[list[list[int]]]:
    return [said.codes.tolist() for said in generate_speech(model, requests, sampling, seed)]


MASKED = SamplingConfig(modality="nar-len", max_duration=30, max_steps=5, nar_temperature=0.5)


@pytest.mark.parametrize("sampling", [MASKED, replace(MASKED, cfg_strength=4.0)], ids=["least", "guided"])
def test_masked_speech_is_the_same_alone_and_in_a_batch(sampling: SamplingConfig) -> None:
    model = tiny_model(capabilities=["nar", "len"])
    together = say(model, REQUESTS, sampling, seed=11)
    assert together == [say(model, [request], sampling, seed=11)[0] for request in REQUESTS]
    assert all(1 <= len(codes) <= 30 and {len(frame) for frame in codes} == {8} for codes in together)


def test_masked_speech_is_as_long_as_the_model_predicts() -> None:
    model = tiny_model(capabilities=["nar", "len"])
    sampling = replace(MASKED, max_duration=900)
    prefixes = [ModelInput(text=r.tokens, prompt=r.prompt, lang=r.lang, tone=0) for r in REQUESTS]
    predicted = [min(max(frames, 1), 900) for frames in predict_lengths(model, prefixes)]
    assert [len(codes) for codes in say(model, REQUESTS, replace(sampling, max_steps=1, max_levels=0))] == predicted


def test_a_draft_is_bettered_from_the_start_that_is_asked_for() -> None:
    model, given = tiny_model(capabilities=["nar", "len"]), draw_codes(40, 9)[:, 0]
    request = replace(REQUESTS[0], draft=given)
    sampling = replace(MASKED, max_duration=60, denoise_start=0.8, remasking=False)
    codes = generate_speech(model, [request], sampling, 0)[0].codes
    assert codes.shape == (40, 8)
    assert 20 < int((codes[:, 0] == given).sum()) < 40


@pytest.mark.parametrize(
    ("name", "capabilities", "modality", "masked"),
    [
        ("ar+nar", ["ar", "nar"], "auto", False),
        ("ar+nar", ["ar", "nar", "len"], "auto", False),
        ("nar-len", ["nar", "len"], "auto", True),
        ("ar+nar-len", ["ar", "nar", "len"], "auto", True),
        ("mine", ["nar", "len"], "auto", True),
        ("ar+nar", ["nar", "len"], "auto", True),
        ("ar+nar-len", ["ar", "nar", "len"], "ar+nar", False),
        ("ar+nar", ["ar", "nar", "len"], "nar-len", True),
    ],
)
def test_the_modality_follows_name_and_capabilities(
    name: str, capabilities: list[str], modality: str, masked: bool
) -> None:
    assert is_masked(tiny_config(name=name, capabilities=capabilities), modality) is masked


@pytest.mark.parametrize(
    ("capabilities", "modality", "needed"), [(["ar", "nar"], "nar-len", "len"), (["nar", "len"], "ar+nar", "ar")]
)
def test_a_modality_that_the_model_lacks_is_refused(capabilities: list[str], modality: str, needed: str) -> None:
    with pytest.raises(ConfigError, match=rf"modality={modality.replace('+', '.')}: level 0 needs {needed} among"):
        is_masked(tiny_config(capabilities=capabilities), modality)


def test_guided_speech_is_the_same_alone_and_in_a_batch() -> None:
    model, sampling = prone_to_stop(3.0), replace(DRAWN, cfg_strength=2.0)
    together = say(model, REQUESTS, sampling, seed=11)
    assert together == [say(model, [request], sampling, seed=11)[0] for request in REQUESTS]
    assert together != say(model, REQUESTS, DRAWN, seed=11)


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
def test_a_request_gets_the_same_codes_alone_and_in_a_batch(sampling: SamplingConfig) -> None:
    model = prone_to_stop(3.0)
    together = say(model, REQUESTS, sampling, seed=11)
    assert together == [say(model, [request], sampling, seed=11)[0] for request in REQUESTS]
    assert any(together)


def test_the_length_is_drawn_too() -> None:
    lengths = {len(codes) for codes in say(prone_to_stop(3.0), REQUESTS, DRAWN, seed=11)}
    assert len(lengths) > 1


def test_a_seed_says_the_same_again_and_another_something_else() -> None:
    model = tiny_model()
    assert say(model, REQUESTS, DRAWN, 1) == say(model, REQUESTS, DRAWN, 1)
    assert say(model, REQUESTS, DRAWN, 1) != say(model, REQUESTS, DRAWN, 2)


def test_the_global_generator_is_left_alone() -> None:
    model = tiny_model()
    before = torch.get_rng_state()
    say(model, REQUESTS, DRAWN)
    assert torch.get_rng_state().equal(before)


def test_codes_are_int16_within_the_codebook() -> None:
    for codes in (said.codes for said in generate_speech(tiny_model(), REQUESTS, DRAWN, 0)):
        assert codes.dtype == torch.int16
        assert 0 <= int(codes.min()) <= int(codes.max()) < STOP


@pytest.mark.parametrize("longest", [1, 7])
def test_speech_is_no_longer_than_max_duration(longest: int) -> None:
    sampling = SamplingConfig(max_duration=longest, ar_temperature=0.0)
    assert [len(codes) for codes in say(prone_to_stop(-1e6), REQUESTS, sampling)] == [longest] * len(REQUESTS)


def test_a_model_that_stops_at_once_says_nothing() -> None:
    for codes in (said.codes for said in generate_speech(prone_to_stop(1e6), REQUESTS, DRAWN, 0)):
        assert codes.shape == (0, 8)
        assert codes.dtype == torch.int16


def test_a_silent_request_does_not_disturb_the_others() -> None:
    """The bias is such that some requests of the batch stop at once."""
    model = prone_to_stop(7.0)
    together = say(model, REQUESTS, DRAWN, seed=3)
    assert [] in together
    assert any(together)
    assert together == [say(model, [request], DRAWN, seed=3)[0] for request in REQUESTS]


def test_a_strong_penalty_keeps_codes_from_repeating() -> None:
    def distinct(penalty: float) -> int:
        sampling = SamplingConfig(max_duration=60, ar_temperature=0.0, repetition_penalty=penalty)
        return len({frame[0] for frame in say(prone_to_stop(-1e6), REQUESTS[:1], sampling)[0]})

    assert distinct(10.0) > distinct(1.0)


def test_the_prompt_and_the_text_are_heard() -> None:
    model = tiny_model()
    text, prompt = draw_text(5), draw_codes(4)
    variants: list[tuple[Tensor, Tensor | None]] = [(text, prompt), (draw_text(5, 9), prompt), (text, draw_codes(4, 9))]
    said = [say(model, [SpeechRequest(tokens=t, prompt=p)], GREEDY)[0] for t, p in variants]
    assert said[0] != said[1]
    assert said[0] != said[2]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_weights_speak(dtype: torch.dtype) -> None:
    assert all(say(tiny_model().to(dtype), REQUESTS, DRAWN))


def test_mixed_precision_speaks() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert all(say(tiny_model(), REQUESTS, DRAWN))


def test_a_model_that_cannot_begin_is_refused() -> None:
    with pytest.raises(ConfigError, match="modality=auto: level 0 needs ar"):
        say(tiny_model(capabilities=["nar"]), REQUESTS, GREEDY)


CHUNKED = replace(DRAWN, chunk_frames=10, chunk_lookahead=4)


@pytest.mark.parametrize("sampling", [DRAWN, CHUNKED, MASKED, replace(CHUNKED, max_levels=2)], ids=str)
@pytest.mark.parametrize("rows", [1, 3])
def test_speech_that_is_streamed_is_that_which_is_waited_for(sampling: SamplingConfig, rows: int) -> None:
    model = prone_to_stop(2.0) if sampling.modality == "auto" else tiny_model(capabilities=["nar", "len"])
    parts = list(stream_speech(model, REQUESTS, sampling, 11, rows))
    streamed = joined(parts, len(REQUESTS))
    assert [said.codes.tolist() for said in streamed] == say(model, REQUESTS, sampling, seed=11)
    assert [said.finish for said in streamed] == [s.finish for s in generate_speech(model, REQUESTS, sampling, 11, 2)]
    assert [part.finish is not None for part in parts].count(True) == len(REQUESTS)


def test_chunks_come_as_soon_as_their_lookahead_is_there() -> None:
    sampling = replace(CHUNKED, max_duration=33, longest_loop=0)
    parts = list(stream_speech(prone_to_stop(-1e6), REQUESTS[:2], sampling, 0))
    for request in (0, 1):
        assert [len(part.codes) for part in parts if part.request == request] == [10, 10, 13]
    first = next(iter(stream_speech(prone_to_stop(-1e6), REQUESTS[:1], sampling, 0)))
    assert first.finish is None and first.codes.shape == (10, 8)


def test_a_chunked_request_says_the_same_alone_and_in_a_batch() -> None:
    model = prone_to_stop(2.0)
    together = say(model, REQUESTS, CHUNKED, seed=11)
    assert together == [say(model, [request], CHUNKED, seed=11)[0] for request in REQUESTS]
    assert [[frame[0] for frame in codes] for codes in together] == [
        [frame[0] for frame in codes] for codes in say(model, REQUESTS, DRAWN, seed=11)
    ]


def test_chunks_change_nothing_where_no_level_looks_ahead() -> None:
    model = tiny_model({"noncausal_masks": False})
    with torch.no_grad():
        model.classifiers.proj[0].bias[STOP] += 2.0
    assert say(model, REQUESTS, CHUNKED, seed=11) == say(model, REQUESTS, DRAWN, seed=11)


def test_the_upper_levels_of_a_chunk_are_told_those_of_the_chunks_before() -> None:
    """With levels that look ahead a chunk is decided before what follows is known."""
    assert say(tiny_model(), REQUESTS[:1], CHUNKED, seed=11) != say(tiny_model(), REQUESTS[:1], DRAWN, seed=11)


@pytest.mark.parametrize("chunk", [0, 10])
def test_an_opening_is_part_of_what_is_said_and_what_was_before_is_not(chunk: int) -> None:
    model, sampling = prone_to_stop(-1e6), replace(DRAWN, max_duration=25, longest_loop=0, chunk_frames=chunk)
    opening, before = draw_codes(6, 7), draw_codes(9, 8)
    opened = torch.tensor(say(model, [replace(REQUESTS[0], opening=opening)], sampling)[0])
    assert opened[:6].equal(opening.long()) and len(opened) == 31
    continued = say(model, [replace(REQUESTS[0], before=before)], sampling)[0]
    assert len(continued) == 25 and continued != say(model, REQUESTS[:1], sampling)[0]
    both = torch.tensor(say(model, [replace(REQUESTS[0], before=before, opening=opening)], sampling)[0])
    assert both[:6].equal(opening.long()) and not both[6:].equal(opened[6:])


def test_a_prompt_can_be_continued() -> None:
    model, sampling = prone_to_stop(-1e6), replace(GREEDY, longest_loop=0)
    prompt = REQUESTS[0].prompt
    continued = say(model, [replace(REQUESTS[0], continue_prompt=True)], sampling)[0]
    as_before = say(model, [replace(REQUESTS[0], prompt=None, before=prompt)], replace(sampling, max_levels=0))[0]
    assert [frame[0] for frame in continued] == [frame[0] for frame in as_before]


def test_refining_takes_the_likeliest_codes_given_all_before() -> None:
    model, sampling = prone_to_stop(-1e6), replace(DRAWN, max_levels=0, longest_loop=0)
    drawn, refined = (say(model, REQUESTS, replace(sampling, refine_on_stop=on), seed=2) for on in (False, True))
    for request, codes, better in zip(REQUESTS, drawn, refined, strict=True):
        said = torch.tensor(codes)
        shown = replace(request.for_level_zero(), response=said)
        hidden = model.hidden(model.pack([shown]))[-len(said) - 1 : -1]
        assert model.logits("AR:0:0", hidden)[:, :STOP].argmax(-1).tolist() == [frame[0] for frame in better]
    assert drawn != refined


def test_what_was_likeliest_stays_when_it_is_refined() -> None:
    model = prone_to_stop(-1e6)
    assert say(model, REQUESTS, replace(GREEDY, refine_on_stop=True)) == say(model, REQUESTS, GREEDY)


def test_parts_are_told_in_the_order_of_requests() -> None:
    def part(request: int, last: bool = False) -> Part:
        return Part(request, torch.zeros(0), Finish.stop if last else None)

    mixed = [part(1), part(0), part(2, True), part(1, True), part(0, True), part(3, True)]
    assert [p.request for p in in_order(mixed)] == [0, 0, 1, 1, 2, 3]


def test_refining_reads_codes_where_they_are_predicted() -> None:
    model = tiny_model({"causal_size": 2})
    with torch.no_grad():
        model.classifiers.proj[0].bias[STOP] -= 1e6
    greedy = replace(GREEDY, max_levels=0, longest_loop=0)
    assert say(model, REQUESTS, replace(greedy, refine_on_stop=True)) == say(model, REQUESTS, greedy)


MASKED_PROBLEMS: list[dict[str, float]] = [
    {"layer_skip": True},
    {"speculative_layers": 1},
    {"refine_on_stop": True},
    {"repetition_penalty": 1.2},
    {"mirostat_tau": 3.0, "mirostat_eta": 0.1},
]


@pytest.mark.parametrize("settings", MASKED_PROBLEMS, ids=str)
def test_masked_decoding_ignores_no_setting(settings: dict[str, float]) -> None:
    sampling = replace(MASKED, modality="auto", **settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="needs level 0 code by code, which this model decodes masked"):
        say(tiny_model(name="nar-len", capabilities=["nar", "len"]), REQUESTS[:1], sampling)


def test_the_length_is_that_of_what_is_still_to_be_said() -> None:
    request = replace(REQUESTS[0], tokens=torch.tensor([1, 10, 11, 20, 21, 2]), tokens_before=3, before=draw_codes(5))
    assert request.for_length().text.tolist() == [1, 20, 21, 2]
    assert REQUESTS[0].for_length().text.equal(REQUESTS[0].tokens)


def test_predictions_that_are_no_numbers_are_told() -> None:
    model = tiny_model()
    with torch.no_grad():
        model.classifiers.proj[0].bias[3] = torch.nan
    for sampling in (DRAWN, replace(DRAWN, beam_width=3)):
        with pytest.raises(WeightsError, match="the model predicts what is no number"):
            say(model, REQUESTS[:1], sampling)


def test_a_longer_request_that_joins_makes_room_seldom() -> None:
    model, made = prone_to_stop(-1e6), list[tuple[int, ...]]()
    requests = [REQUESTS[2], SpeechRequest(tokens=draw_text(200), prompt=draw_codes(400))]
    sampling = replace(GREEDY, max_duration=40, max_levels=0, longest_loop=0)
    whole = KVCache._reserve

    def counted(cache: KVCache) -> None:
        before = cache.keys.shape
        whole(cache)
        made.extend([cache.keys.shape] if cache.keys.shape != before else [])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KVCache, "_reserve", counted)
        generate_speech(model, requests, sampling, 0, rows=1)
    assert len(made) <= 3
