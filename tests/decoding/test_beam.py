"""Several hypotheses at once, of which the best is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.models.tiny import STOP, draw_codes, draw_text, tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.decoding.autoregressive import decode_level_zero
from vall_e.decoding.finish import Guard
from vall_e.decoding.guidance import Guidance, RunningGuidance, unconditional
from vall_e.decoding.sampling.beam import BeamSearch, Hypothesis
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

PREFIXES = [
    ModelInput(text=draw_text(5), prompt=draw_codes(4), lang=0),
    ModelInput(text=draw_text(9, 1), prompt=None, lang=1),
    ModelInput(text=draw_text(3, 2), prompt=draw_codes(11, 1), lang=2),
]
CODES = [3, 700, 1023]


def unsure_model(stop: float = 0.0, flags: dict[str, Any] | None = None, **settings: Any) -> VallE:
    """A model whose predictions are flat, and whose chance to stop is changed."""
    model = tiny_model(flags, **settings)
    with torch.no_grad():
        model.classifiers.proj[0].weight *= 0.3
        model.classifiers.proj[0].bias[STOP] += stop
    return model


def of_few_codes(stop: float) -> VallE:
    """One that knows three codes and the stop."""
    model = unsure_model(stop)
    others = [id for id in range(STOP) if id not in CODES]
    with torch.no_grad():
        model.classifiers.proj[0].bias[others] = -1e9
    return model


def search(model: VallE, prefix: ModelInput, width: int, guide: Guidance | None = None, **settings: Any) -> Hypothesis:
    sampling = SamplingConfig(**({"beam_width": width, "max_duration": 8} | settings))
    beam = BeamSearch(model, model.embed_first, sampling, guide)
    with torch.inference_mode():
        return beam.best(prefix, Guard(sampling, len(prefix.text)))


@torch.inference_mode()
def log_probabilities(
    model: VallE, prefix: ModelInput, responses: Sequence[Sequence[int]], guide: Guidance | None = None
) -> list[Tensor]:
    """float64 [T + 1, V] of each response, without a cache."""
    shown = [replace(prefix, response=torch.tensor(codes, dtype=torch.int64)[:, None]) for codes in responses]
    rows = [predictions(model, samples) for samples in (shown, [unconditional(one) for one in shown] if guide else [])]
    if guide is None:
        return [row.double().log_softmax(-1) for row in rows[0]]
    return [guided(guide, *both).double().log_softmax(-1) for both in zip(*rows, strict=True)]


def predictions(model: VallE, samples: Sequence[ModelInput]) -> list[Tensor]:
    if not samples:
        return []
    packed = model.pack(samples)
    hidden = torch.split(model.hidden(packed), packed.lengths)
    lengths = [0 if one.response is None else len(one.response) for one in samples]
    return [model.logits("AR:0:0", h[-length - 1 :]) for h, length in zip(hidden, lengths, strict=True)]


def guided(guide: Guidance, conditional: Tensor, null: Tensor) -> Tensor:
    running = RunningGuidance(guide)
    running.admit(1)
    pairs = zip(torch.split(conditional, 1), torch.split(null, 1), strict=True)
    return torch.cat([running.combine(one, other, range(1)) for one, other in pairs])


def total(found: Tensor, ids: Sequence[int], stopped: bool) -> float:
    said = [*ids, STOP] if stopped else list(ids)
    return float(found[range(len(said)), said].sum())


@pytest.mark.parametrize("power", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("stop", [-2.0, 0.0, 2.0])
def test_a_beam_that_is_wide_enough_finds_the_best_of_all(power: float, stop: float) -> None:
    """Of all that stop within 4 codes; each is scored without a cache."""
    model, prefix = of_few_codes(stop), PREFIXES[0]
    every = [list(codes) for length in range(4) for codes in product(CODES, repeat=length)]
    sums = [total(row, ids, True) for ids, row in zip(every, log_probabilities(model, prefix, every), strict=True)]
    scored = {tuple(ids): total / (len(ids) + 1) ** power for ids, total in zip(every, sums, strict=True)}
    found = search(model, prefix, 200, max_duration=4, beam_length_power=power)
    assert found.stopped
    assert found.score(power) == pytest.approx(max(scored.values()), abs=1e-4)
    assert scored[tuple(found.ids)] == pytest.approx(max(scored.values()), abs=1e-4)


def test_the_power_of_the_length_decides_between_short_and_long() -> None:
    model = of_few_codes(0.0)
    lengths = [len(search(model, PREFIXES[0], 200, max_duration=4, beam_length_power=p).ids) for p in (0.0, 2.0)]
    assert lengths[0] < lengths[1]


SETTINGS: list[dict[str, Any]] = [
    {},
    {"flags": {"kv_heads": 1}},
    {"flags": {"noncausal_masks": False}, "arch_type": "retnet"},
    {"flags": {"noncausal_masks": False}, "arch_type": "mamba"},
    {"flags": {"noncausal_masks": False}, "arch_type": "mamba2"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("guide", [None, Guidance(strength=2.0, rescale=0.7)], ids=["plain", "guided"])
def test_hypotheses_keep_what_was_said_before_them(settings: dict[str, Any], guide: Guidance | None) -> None:
    """The probability that a hypothesis got through a cache whose rows were parted and reordered is its own."""
    model = unsure_model(2.0, **settings)
    for prefix in PREFIXES[:2]:
        found = search(model, prefix, 5, guide)
        (row,) = log_probabilities(model, prefix, [found.ids], guide)
        assert found.log_probability == pytest.approx(total(row, found.ids, found.stopped), abs=1e-3)


def test_rows_change_places() -> None:
    """So that the test above would notice if they did not."""
    model, parents = unsure_model(2.0), list[list[int]]()

    class Watched(BeamSearch):
        def grow(self, logits: Tensor, running: Sequence[Hypothesis], count: int) -> list[Hypothesis]:
            grown = super().grow(logits, running, count)
            parents.append([one.parent for one in grown])
            return grown

    sampling = SamplingConfig(beam_width=5, max_duration=8)
    with torch.inference_mode():
        Watched(model, model.embed_first, sampling).best(PREFIXES[0], Guard(sampling, 5))
    assert any(len(set(rows)) < len(rows) and len(set(rows)) > 1 for rows in parents[1:])
    assert any(rows != sorted(rows) for rows in parents)


def greedy(model: VallE, prefix: ModelInput, steps: int) -> list[int]:
    found = decode_level_zero(model, [prefix], steps, lambda logits, _: logits.argmax(-1).tolist())
    return found[0].tolist()


def test_a_beam_of_one_is_greedy() -> None:
    for model in (unsure_model(), unsure_model(3.0), tiny_model()):
        assert [search(model, p, 1, max_duration=12).ids for p in PREFIXES] == [greedy(model, p, 12) for p in PREFIXES]


def test_a_wider_beam_finds_what_is_likelier() -> None:
    """Of eight codes that do not stop."""
    gained = []
    for seed in range(3):
        prefix, model = replace(PREFIXES[0], text=draw_text(6, seed)), unsure_model(-1e6)
        ids = [greedy(model, prefix, 8), search(model, prefix, 16).ids]
        plain, best = (
            total(row, one, False) for row, one in zip(log_probabilities(model, prefix, ids), ids, strict=True)
        )
        gained.append(best - plain)
    assert min(gained) >= -1e-3 and max(gained) > 0.1


def test_one_that_stops_is_better_than_any_that_is_ended() -> None:
    """Whose score is higher, as the stop is improbable."""
    found = search(of_few_codes(-3.0), PREFIXES[0], 10, max_duration=3)
    ended = search(of_few_codes(-1e6), PREFIXES[0], 3, max_duration=3)
    assert found.stopped and not ended.stopped
    assert found.score(1.0) < ended.score(1.0)


def test_a_loop_is_ended() -> None:
    model = unsure_model(-1e6)
    with torch.no_grad():
        model.classifiers.proj[0].bias[7] += 1e3
    found = search(model, PREFIXES[0], 3, max_duration=50, longest_loop=6)
    assert len(found.ids) == 6 and set(found.ids) == {7}


def test_penalties_and_filters_hold() -> None:
    model = unsure_model(-1e6)
    with torch.no_grad():
        model.classifiers.proj[0].bias[7] += 15.0
    assert search(model, PREFIXES[0], 3, longest_loop=0).ids == [7] * 8
    penalised = search(model, PREFIXES[0], 3, longest_loop=0, repetition_penalty=10.0)
    assert penalised.ids.count(7) < 8
    assert search(unsure_model(-1e6), PREFIXES[0], 3, top_k=1).ids == greedy(unsure_model(-1e6), PREFIXES[0], 8)


def test_the_score_is_the_mean_of_all_that_was_said_and_the_stop() -> None:
    one = Hypothesis([1, 2, 3], -8.0, stopped=True)
    assert [one.score(power) for power in (0.0, 0.5, 1.0)] == [-8.0, -4.0, -2.0]
    assert replace(one, ids=[1, 2], stopped=False).score(1.0) == -4.0
