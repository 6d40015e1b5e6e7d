"""Draws that adapt to certainty, and the attention they are told of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.models.tiny import draw_codes, draw_text, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero, replies
from vall_e.decoding.guidance import Guidance, unconditional
from vall_e.decoding.reply import Reply
from vall_e.decoding.sampling.dice import seeded
from vall_e.decoding.sampling.draw import Draw
from vall_e.decoding.sampling.entropix import Certainty, Entropix, adapted, certainty
from vall_e.decoding.sequences.opening import open_sequences
from vall_e.decoding.sequences.sequences import Sequences
from vall_e.errors import ConfigError
from vall_e.models.backbones.attention import PackedAttention, shared
from vall_e.models.exit_rule import entropies
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
    ModelInput(text=draw_text(3, 2), prompt=draw_codes(11, 1), lang=2),
]


class Spy(PackedAttention):
    """Keeps the queries and keys of the layer that was computed last."""

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self.q, self.k = q, shared(k, q.shape[1], 1)
        return super().__call__(layer, q, k, v)


@torch.inference_mode()
def looked(model: VallE, prefix: ModelInput, codes: Sequence[int]) -> Tensor:
    """Scores [H, S] of the last position, without a cache."""
    packed = model.pack([replace(prefix, response=torch.tensor(codes)[:, None] if codes else None)])
    spy = Spy(packed.lengths, [True])
    model.hidden(packed, spy)
    return torch.stack([k @ q / math.sqrt(len(q)) for q, k in zip(spy.q[-1], spy.k.unbind(1), strict=True)])


@pytest.mark.parametrize("flags", [{}, {"kv_heads": 1}], ids=str)
@pytest.mark.parametrize("guidance", [None, Guidance(strength=2.0, rescale=0.7)], ids=["plain", "guided"])
@torch.inference_mode()
def test_attention_through_the_cache_is_that_of_the_whole_sequence(
    flags: dict[str, int], guidance: Guidance | None
) -> None:
    """After joining, after steps, after another one ended and one joined."""
    model = tiny_model(flags)
    sequences = Sequences(model, model.embed_first, 9, guidance, watched=True)

    def check(expected: Sequence[tuple[int, list[int]]]) -> None:
        assert len(sequences.attention) == len(expected)
        for found, (prefix, codes) in zip(sequences.attention, expected, strict=True):
            torch.testing.assert_close(found, looked(model, PREFIXES[prefix], codes), atol=1e-4, rtol=1e-4)

    sequences.admit(PREFIXES[:2])
    check([(0, []), (1, [])])
    sequences.extend([5, 6])
    sequences.extend([7, 8])
    check([(0, [5, 7]), (1, [6, 8])])
    sequences.select([1])
    sequences.admit(PREFIXES[2:])
    check([(1, [6, 8]), (2, [])])
    sequences.extend([9, 10])
    check([(1, [6, 8, 9]), (2, [10])])


def test_attention_with_and_without_text_differs() -> None:
    """So that the test above tells which of both is watched."""
    model = tiny_model()
    assert looked(model, PREFIXES[0], []).shape != looked(model, unconditional(PREFIXES[0]), []).shape


def test_attention_is_kept_only_when_asked_for() -> None:
    model, told = tiny_model(), list[Tensor | None]()

    def choose(logits: Tensor, running: Sequence[Reply]) -> list[int]:
        told.extend(reply.attention for reply in running)
        return logits[:, :1024].argmax(-1).tolist()

    decode_level_zero(model, PREFIXES, 3, choose)
    assert told == [None] * 9
    sequences = open_sequences(model, model.embed_first, 3, watched=True)
    list(replies(sequences, PREFIXES, 1024, 3, choose, rows=2))
    assert all(attention is not None for attention in told[9:])


@pytest.mark.parametrize("arch", ["retnet", "mamba", "mamba2"])
def test_a_model_without_attention_is_refused(arch: str) -> None:
    model = tiny_model({"noncausal_masks": False}, arch_type=arch)
    sequences = Sequences(model, model.embed_first, 3, watched=True)
    with pytest.raises(ConfigError, match=f"entropix_sampling=true does not go with arch_type={arch}"):
        sequences.admit(PREFIXES)


def test_the_entropies_of_a_prediction_are_those_of_the_reference() -> None:
    entropy, varentropy = entropies(torch.tensor([2.0, 1.0, 0.0, -1.0, -2.0]))
    assert float(entropy) == pytest.approx(1.44266, abs=1e-5)
    assert float(varentropy) == pytest.approx(1.56088, abs=1e-5)
    assert [float(one) for one in entropies(torch.tensor([-torch.inf, 0.0]))] == [0.0, 0.0]


def test_the_certainty_of_attention_is_that_of_its_heads() -> None:
    """One head looks at two places alike, the other at four."""
    far = -1e4
    scores = torch.tensor([[0.0, 0.0, far, far], [3.0, 3.0, 3.0, 3.0]], dtype=torch.float64)
    found = certainty(torch.zeros(8, dtype=torch.float64), scores)
    assert (found.entropy, found.varentropy) == pytest.approx((3.0, 0.0))
    assert found.attention_entropy == pytest.approx(1.5)
    assert found.attention_varentropy == pytest.approx(0.5)
    assert found.agreement == pytest.approx(0.125)
    assert found.interaction == pytest.approx((2 * 1e4 + 12) / 8)
    assert certainty(torch.zeros(8), scores[:1]).attention_varentropy == 0.0


SURE = Certainty(
    entropy=0.0, varentropy=0.0, attention_entropy=0.0, attention_varentropy=0.0, agreement=0.0, interaction=0.0
)


@pytest.mark.parametrize(
    ("changes", "draw", "count"),
    [
        ({"entropy": 0.09, "varentropy": 0.09}, {"temperature": 0.0}, 1),
        ({"entropy": 5.1, "attention_entropy": 1.5}, {"temperature": 0.5 * 1.6}, 1),
        (
            {"entropy": 4.0, "varentropy": 6.0, "interaction": 2.0, "agreement": 0.5},
            {"temperature": 0.5 * 1.8, "top_k": 62},
            1,
        ),
        ({"entropy": 4.0, "varentropy": 6.0, "agreement": 1.0}, {"temperature": 0.5 * 1.2, "top_k": 50}, 1),
        (
            {"entropy": 5.5, "varentropy": 6.0, "attention_varentropy": 0.2, "attention_entropy": 1.0},
            {"temperature": 0.5 * 2.1, "top_p": 0.6},
            1,
        ),
        (
            {"entropy": 5.5, "varentropy": 6.0, "attention_varentropy": 9.0, "attention_entropy": 5.0},
            {"temperature": 1.25, "top_p": 0.5},
            1,
        ),
        (
            {
                "entropy": 1.0,
                "varentropy": 0.5,
                "attention_entropy": 0.4,
                "attention_varentropy": 0.6,
                "agreement": 0.5,
                "interaction": 0.1,
            },
            {"temperature": 0.5 * 1.55, "top_p": 0.8 * 1.06, "top_k": round(50 * 0.93)},
            5,
        ),
    ],
)
def test_the_draw_suits_the_certainty(changes: dict[str, float], draw: dict[str, float], count: int) -> None:
    asked = Draw(temperature=0.5, top_p=0.8, top_k=50, min_p=0.0 if not draw["temperature"] else 0.01)
    found, times = adapted(asked, replace(SURE, **changes), 1025)
    assert times == count
    for name in ("temperature", "top_p", "top_k", "min_p"):
        assert getattr(found, name) == pytest.approx(draw.get(name, getattr(asked, name))), name


def test_settings_stay_in_range() -> None:
    wild = replace(SURE, entropy=4.0, varentropy=3.0, interaction=90.0, attention_varentropy=9.0)
    found, _ = adapted(Draw(temperature=10.0, min_p=0.9), wild, 1025)
    assert (found.temperature, found.top_p, found.top_k, found.min_p) == (1.25, 1.0, 1025, 0.01)
    found, _ = adapted(Draw(temperature=0.1, top_p=0.01, top_k=1, min_p=0.9), replace(SURE, entropy=6.0), 1025)
    assert (found.temperature, found.top_p, found.top_k, found.min_p) == (0.5, 0.1, 1, 0.5)


def test_all_ids_are_the_number_that_is_scaled_without_top_k() -> None:
    scattered = replace(SURE, entropy=4.0, varentropy=6.0)
    assert adapted(Draw(), scattered, 1025)[0].top_k == 1025


def drawn(logits: Tensor, attention: Tensor, count: int) -> list[int]:
    sampler = Entropix(SamplingConfig(), seeded(0, 1))
    return [sampler(logits[None], [Reply(0, 1024, 999, [0] * place, attention=attention)])[0] for place in range(count)]


def test_where_nothing_stands_out_the_likeliest_of_five_is_said() -> None:
    """H = 1, V = 0: 0 and 1 are alike, but for a hair, and 0 is not said when all five draws are 1."""
    logits = torch.full((1025,), -100.0)
    logits[0], logits[1] = 1e-4, 0.0
    ids = drawn(logits, torch.zeros(1, 4), 600)
    assert set(ids) == {0, 1}
    assert ids.count(1) / 600 == pytest.approx(1 / 32, abs=0.02)


def test_a_sure_prediction_is_said() -> None:
    logits = torch.full((1025,), -100.0)
    logits[3] = 0.0
    assert set(drawn(logits, torch.zeros(1, 4), 5)) == {3}


def test_replies_without_attention_are_no_use() -> None:
    with pytest.raises(ValueError, match="attention"):
        Entropix(SamplingConfig(), seeded(0, 1))(torch.zeros(1, 9), [Reply(0, 1024, 9999)])
