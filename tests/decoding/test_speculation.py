"""Drafts of the first layers, and layers that are left out: what changes is the time."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.config.seal import problems
from vall_e.decoding.generate import generate_speech, stream_speech
from vall_e.decoding.request import SpeechRequest
from vall_e.errors import ConfigError
from vall_e.models.vall_e import VallE

REQUESTS = [SpeechRequest(tokens=draw_text(3 + 2 * n, n), prompt=draw_codes(4 + n, n)) for n in range(4)]
LAYERS = {"dim": 32, "heads": 2, "layers": 4}
DRAWN = SamplingConfig(max_duration=40, max_levels=1, top_k=50, longest_loop=0, repetition_penalty=1.1)
GREEDY = replace(DRAWN, ar_temperature=0.0)


def layered(stop: float = 2.0, **settings: Any) -> VallE:
    """A model of four layers, of which the later ones change little, so that the first ones foresee much."""
    model = tiny_model(size=LAYERS, **settings)
    with torch.no_grad():
        model.classifiers.proj[0].bias[1024] += stop
        for layer in list(model.model.stack)[2:]:
            for parameter in layer.parameters():
                parameter.mul_(0.7 if parameter.ndim > 1 else 1.0)
    return model


def say(model: VallE, sampling: SamplingConfig, rows: int | None = None) -> list[list[list[int]]]:
    return [said.codes.tolist() for said in generate_speech(model, REQUESTS, sampling, 7, rows)]


@pytest.mark.parametrize("sampling", [GREEDY, DRAWN], ids=["greedy", "drawn"])
@pytest.mark.parametrize(("layers", "codes"), [(1, 1), (2, 4), (3, 9), (2, 60)])
def test_what_is_drafted_changes_no_code(sampling: SamplingConfig, layers: int, codes: int) -> None:
    model = layered(5.0 if sampling is DRAWN else 2.0)
    drafted = replace(sampling, speculative_layers=layers, speculative_codes=codes)
    expected = say(model, sampling)
    for rows in (1, 3, None):
        assert say(model, drafted, rows) == expected
    assert sampling is GREEDY or len({len(codes) for codes in expected}) > 1


def test_right_drafts_save_passes_of_the_later_layers() -> None:
    model, passes = layered(-1e6), list[int]()
    model.model.stack[-1].register_forward_hook(lambda *_: passes.append(1))
    counts = []
    for layers in (0, 2):
        passes.clear()
        say(model, replace(GREEDY, max_levels=0, speculative_layers=layers), 1)
        counts.append(len(passes))
    assert counts[1] < 0.8 * counts[0], counts


def test_drafts_are_streamed_as_they_are_checked() -> None:
    model, drafted = layered(), replace(DRAWN, speculative_layers=2, chunk_frames=8, chunk_lookahead=2)
    parts = list(stream_speech(model, REQUESTS, drafted, 7, 2))
    plain = list(stream_speech(model, REQUESTS, replace(drafted, speculative_layers=0), 7, 2))
    for request in range(4):
        found, expected = (
            torch.cat([p.codes for p in some if p.request == request]).tolist() for some in (parts, plain)
        )
        assert found == expected


@pytest.mark.parametrize(("layers", "told"), [(4, "allowed: less than the 4 there are"), (9, "allowed: less than")])
def test_there_must_be_layers_that_check(layers: int, told: str) -> None:
    with pytest.raises(ConfigError, match=rf"speculative_layers={layers} is out of range, {told}"):
        say(layered(), replace(DRAWN, speculative_layers=layers))


def test_a_recurrent_backbone_cannot_take_codes_back() -> None:
    model = tiny_model({"noncausal_masks": False}, arch_type="retnet", size=LAYERS)
    with pytest.raises(ConfigError, match="needs a backbone that attends; retnet cannot take codes back"):
        say(model, replace(DRAWN, speculative_layers=2))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"cfg_strength": 2.0}, "speculative_layers=2 needs cfg_strength=0"),
        ({"layer_skip": True}, "speculative_layers=2 needs layer_skip=false"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], told: str) -> None:
    assert any(told in line for line in problems(replace(DRAWN, speculative_layers=2, **settings), "inference."))


SKIPPING = replace(DRAWN, layer_skip=True, layer_skip_entropy_threshold=9.5, layer_skip_varentropy_threshold=9.0)


@pytest.mark.parametrize("strength", [0.0, 2.0])
@pytest.mark.parametrize("settings", [{}, {"arch_type": "retnet", "flags": {"noncausal_masks": False}}], ids=str)
def test_leaving_early_says_the_same_alone_and_in_a_batch(settings: dict[str, Any], strength: float) -> None:
    model, sampling = layered(**settings), replace(SKIPPING, cfg_strength=strength)
    together = say(model, sampling)
    for rows in (1, 2):
        assert say(model, sampling, rows) == together
    assert together != say(model, replace(sampling, layer_skip=False))


def test_a_model_that_is_never_sure_says_what_all_layers_say() -> None:
    model = layered()
    never = replace(SKIPPING, layer_skip_entropy_threshold=0.0, layer_skip_varentropy_threshold=0.0)
    assert say(model, never) == say(model, DRAWN)


def test_the_latest_layer_is_the_last_one_computed() -> None:
    """Layer 1 of 4 is, so the others are only made up for when a sequence joins or ends."""
    model, passes = layered(-1e6), list[int]()
    model.model.stack[-1].register_forward_hook(lambda *_: passes.append(1))
    latest = replace(SKIPPING, layer_skip_exit_layer=1, max_levels=0)
    generate_speech(model, REQUESTS[:1], latest, 0)
    assert len(passes) <= 2


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"speculative_layers": 2, "mirostat_tau": 3.0, "mirostat_eta": 0.1}, "does not go with mirostat_tau=3.0"),
        ({"speculative_layers": 2, "beam_width": 4}, "speculative_layers=2 does not go with beam_width=4"),
        ({"layer_skip": True, "beam_width": 4}, "layer_skip=true does not go with beam_width=4"),
    ],
)
def test_samplers_that_need_every_layer_or_code_are_refused(settings: dict[str, Any], told: str) -> None:
    assert any(told in line for line in problems(SamplingConfig(**settings), "inference."))
    assert not list(problems(SamplingConfig(speculative_layers=2, ras_window=10), "inference."))


def test_models_that_say_several_codes_a_step_refuse_to_leave_layers_out() -> None:
    model = tiny_model({"causal_size": 2}, size=LAYERS)
    for settings, told in (({"layer_skip": True}, "layer_skip=true"), ({"beam_width": 3}, "beam_width=3")):
        with pytest.raises(ConfigError, match=f"{told} does not go with weights of model.experimental.causal_size=2"):
            say(model, replace(DRAWN, **settings))
