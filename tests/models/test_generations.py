"""Models of older generations: their tensors, sequences and embeddings; they learn and speak."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.models.tiny import draw_codes, draw_text, speech, tiny_config, tiny_model
from vall_e.config.model import ModelConfig
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.sampling import SamplingConfig
from vall_e.config.seal import problems, unavailable
from vall_e.decoding.generate import SpeechRequest, generate_speech
from vall_e.models.embeddings import prompt_levels
from vall_e.models.vall_e import VallE

ONE_HEAD = {"split_classifiers": False, "noncausal_masks": False}
OLD_RETNET = ONE_HEAD | {"retnet_layout": "old"}


def old_model(version: int, flags: dict[str, Any] | None = None, **settings: Any) -> VallE:
    return tiny_model(ONE_HEAD | (flags or {}), **{"version": version, "langs": 2, "tasks": 8} | settings)


def sizes(version: int, **settings: Any) -> dict[str, tuple[int, ...]]:
    flags = ModelExperimentalConfig(**ONE_HEAD | {"retnet_layout": settings.pop("retnet_layout", "new")})
    with torch.device("meta"):
        model = VallE(ModelConfig(version=version, langs=2, tasks=8, experimental=flags, **settings))
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def count(found: dict[str, tuple[int, ...]]) -> tuple[int, int]:
    return len(found), sum(torch.Size(shape).numel() for shape in found.values())


@pytest.mark.parametrize(
    ("version", "tensors", "elements"),
    [(2, 130, 219_445_249), (3, 132, 219_455_489), (4, 149, 219_455_489 + 1024 + 16)],
)
def test_tensors_of_older_llama_models(version: int, tensors: int, elements: int) -> None:
    found = sizes(version)
    assert count(found) == (tensors, elements)
    assert not {"rvq_l_emb.weight", "len_emb.weight"} & found.keys()
    assert ("langs_emb.weight" in found, "tones_emb.weight" in found) == (version >= 3, version >= 4)


def test_the_fourth_generation_weighs_its_levels() -> None:
    found = sizes(4)
    weights = {f"{family}_emb.weight.{level}" for family in ("proms", "resps") for level in range(8)}
    assert {name for name, shape in found.items() if shape == (1,)} == weights
    assert all(w.item() == 1 for w in VallE(tiny_config(ONE_HEAD, version=4)).proms_emb.weight or [])


def test_tensors_of_the_third_generation_with_the_newer_retnet() -> None:
    assert count(sizes(3, arch_type="retnet")) == (146, 269_787_217)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_sequence_is_text_prompt_and_response(version: int) -> None:
    layout = old_model(version).lay_out(speech(3, tone=0))
    assert [segment.name for segment in layout.segments] == ["text", "prom", "resp"]


def test_a_language_is_told_if_the_model_can_be_told_it() -> None:
    layout = old_model(3, capabilities=["ar", "nar", "lang"]).lay_out(speech(3))
    assert [segment.name for segment in layout.segments] == ["text", "lang", "prom", "resp"]


@pytest.mark.parametrize(
    ("flags", "settings", "expected"),
    [
        ({}, {}, [8, 1, 2, 3, 4, 5, 6, 7]),
        ({"retnet_layout": "old"}, {"arch_type": "retnet"}, [8] * 8),
        ({"retnet_layout": "new"}, {"arch_type": "retnet"}, [8, 1, 2, 3, 4, 5, 6, 7]),
        ({}, {"arch_type": "retnet-hf"}, [8] * 8),
    ],
)
def test_levels_of_the_prompt_that_are_summed(
    flags: dict[str, Any], settings: dict[str, Any], expected: list[int]
) -> None:
    model = old_model(3, flags, **settings)
    assert [prompt_levels(level, 8, model.sums or "") for level in range(8)] == expected


@pytest.mark.parametrize("version", [3, 4])
def test_a_prompt_and_a_response_are_sums_of_their_levels(version: int) -> None:
    model, sample = old_model(version), speech(3)
    assert isinstance(sample.prompt, torch.Tensor) and sample.response is not None
    layout, vectors = model.lay_out(sample), model.pack([sample]).embeddings
    state = model.state_dict()
    for name, codes, shift in (("prom", sample.prompt, 0), ("resp", sample.response, 1)):
        expected = torch.zeros(len(codes), 32)
        for level in range(3):
            weight = state.get(f"{name}s_emb.weight.{level + shift}", torch.ones(1))
            table = state[f"{name}s_emb.embeddings.{level + shift}.weight"]
            expected += weight * table[codes[:, level].long()]
        segment = layout.segment(name)
        torch.testing.assert_close(vectors[segment.start : segment.start + segment.length], expected)


def test_level_0_hears_all_levels_of_the_prompt_and_its_own_codes() -> None:
    model, sample = old_model(3), speech(0)
    assert isinstance(sample.prompt, torch.Tensor) and sample.response is not None
    layout, vectors = model.lay_out(sample), model.pack([sample]).embeddings
    prompt = sum(model.proms_emb.read(level, sample.prompt[:, level]) for level in range(8))
    prom, resp = layout.segment("prom"), layout.segment("resp")
    torch.testing.assert_close(vectors[prom.start : prom.start + prom.length], prompt)
    torch.testing.assert_close(vectors[resp.start :], model.resps_emb.read(0, sample.response[:, 0]))


BACKBONES = [
    (2, {}, {}),
    (3, {}, {}),
    (4, {}, {}),
    (2, {"retnet_layout": "old"}, {"arch_type": "retnet"}),
    (3, {"retnet_layout": "old"}, {"arch_type": "retnet"}),
    (3, {}, {"arch_type": "retnet"}),
]


@pytest.mark.parametrize(("version", "flags", "settings"), BACKBONES)
def test_they_learn(version: int, flags: dict[str, Any], settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = VallE(tiny_config(ONE_HEAD | flags, version=version, tasks=8, **settings)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    losses = []
    for _ in range(60):
        loss = model([speech(0), speech(3)]).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize(("version", "flags", "settings"), BACKBONES)
def test_they_speak_alone_as_in_a_batch(version: int, flags: dict[str, Any], settings: dict[str, Any]) -> None:
    model = old_model(version, flags, **settings)
    requests = [SpeechRequest(tokens=draw_text(5 + n, n), prompt=draw_codes(4 + n, n)) for n in range(2)]
    sampling = SamplingConfig(max_duration=9, ar_temperature=1.0)
    together = generate_speech(model, requests, sampling, 1)
    alone = [generate_speech(model, [request], sampling, 1)[0] for request in requests]
    assert all(len(said.codes) and said.codes.shape[1] == 8 and said.codes.max() < 1024 for said in together)
    assert all(one.codes.equal(other.codes) for one, other in zip(together, alone, strict=True))


@pytest.mark.parametrize(
    ("settings", "flags", "told"),
    [
        ({"version": 2, "capabilities": ["ar", "lang"]}, {}, "capabilities=['ar', 'lang']: lang does not go with"),
        ({"version": 3, "capabilities": ["ar", "tone"]}, {}, "tone does not go with version=3"),
        ({"version": 4, "capabilities": ["nar", "len"]}, {}, "len does not go with version=4, which has no embedding"),
        ({"version": 3}, {"audio_embedding_sums": False}, "audio_embedding_sums=false does not go with version=3"),
        ({"version": 3}, {"audio_embedding_sums_mode": "legacy"}, "audio_embedding_sums_mode=legacy does not go with"),
        ({"version": 5}, {"retnet_layout": "old"}, "retnet_layout=old does not go with arch_type=llama, allowed: new"),
    ],
)
def test_what_a_generation_cannot_do_is_refused(settings: dict[str, Any], flags: dict[str, Any], told: str) -> None:
    assert any(told in line for line in problems(tiny_config(flags, **settings), "model."))


def test_the_first_generation_is_refused_with_the_reason() -> None:
    (line,) = unavailable(replace(ModelConfig(), version=1), "model.")
    assert "model.version=1 is not available: needs the layout of generation 1" in line
    assert not list(unavailable(replace(ModelConfig(), version=2), "model."))
