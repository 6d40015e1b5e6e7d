"""A model that is read where it is sure says what its own layers say, and leaves the cache as it should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.models.backbones import BACKBONES, next_positions
from tests.models.test_parts import CODES, EVERY, PREFIXES, SIZE, STEPS, through_a_cache
from tests.models.tiny import tiny_model
from vall_e.config.sampling import SamplingConfig
from vall_e.models.early_exit import EarlyExit
from vall_e.models.exit_rule import ExitRule, entropies, exit_rule
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE

HEAD = "AR:0:0"


def model_of(name: str = "llama") -> VallE:
    return tiny_model(**(BACKBONES[name] | {"size": SIZE}))


def test_entropy_and_varentropy_are_told_in_bits() -> None:
    logits = torch.tensor([[2.0, 1, 0, -1, -2], [0, 0, 0, 0, -torch.inf], [0, -torch.inf, -torch.inf, -1e30, -500]])
    entropy, varentropy = entropies(logits)
    torch.testing.assert_close(entropy, torch.tensor([1.44266, 2.0, 0.0]), atol=1e-5, rtol=0)
    torch.testing.assert_close(varentropy, torch.tensor([1.56088, 0.0, 0.0]), atol=1e-5, rtol=0)


SURE, TORN = torch.tensor([20.0, 0, 0, 0]), torch.zeros(4)


@pytest.mark.parametrize(
    ("done", "latest", "read", "leaves"),
    [
        (5, None, [SURE], False),
        (5, 3, [SURE], False),
        (6, None, [SURE], True),
        (6, None, [TORN], False),
        (8, None, [SURE, TORN], False),
        (8, 7, [TORN], True),
        (7, 7, [TORN], False),
        (6, 0, [TORN], True),
        (12, None, [TORN], True),
    ],
)
def test_of_twelve_layers_half_are_computed_and_more_until_it_is_sure(
    done: int, latest: int | None, read: list[Tensor], leaves: bool
) -> None:
    assert ExitRule(12, latest).leaves(done, torch.stack(read)[None]).tolist() == [leaves]


def test_both_thresholds_are_met_by_the_mean_over_positions() -> None:
    logits = torch.stack([torch.stack([SURE, TORN]), torch.stack([SURE, SURE])])
    assert ExitRule(4, None, 1.1, 0.1).leaves(2, logits).tolist() == [True, True]
    assert ExitRule(4, None, 0.9, 0.1).leaves(2, logits).tolist() == [False, True]
    spread = torch.tensor([[[2.0, 1, 0, -1, -2]]])
    assert ExitRule(4, None, 2.0, 1.5).leaves(2, spread).tolist() == [False]
    assert ExitRule(4, None, 2.0, 1.6).leaves(2, spread).tolist() == [True]


def test_the_settings_make_the_rule() -> None:
    told: dict[str, Any] = {"layer_skip_exit_layer": 9, "layer_skip_entropy_threshold": 0.3}
    assert exit_rule(SamplingConfig(layer_skip=True, **told), 12) == ExitRule(12, 9, 0.3, 0.1)
    assert exit_rule(SamplingConfig(**told), 12) is None


def begun(model: VallE, prefixes: Sequence[ModelInput], rule: ExitRule) -> tuple[EarlyExit, Tensor]:
    """Decoding after prefixes, and the positions that come next."""
    packed = model.pack(prefixes)
    cache = model.model.cache(max(packed.lengths) + STEPS, packed.embeddings)
    model.hidden(packed, cache.admit(packed.lengths))
    decoding = EarlyExit(model.model, cache, rule, partial(model.logits, HEAD))
    return decoding, next_positions(model, packed.layouts)


def decoded(model: VallE, rows: Sequence[int], rule: ExitRule) -> tuple[Tensor, Tensor]:
    """Logits [steps, rows, V] and layers [steps, rows] after prefixes and the same codes."""
    decoding, positions = begun(model, [PREFIXES[row] for row in rows], rule)
    steps = [decoding.step(model.resps_emb.read(0, CODES[list(rows), step]), positions + step) for step in range(STEPS)]
    logits, layers = zip(*steps, strict=True)
    return torch.stack(logits), torch.stack(layers)


def all_exits(model: VallE) -> dict[int, Tensor]:
    """By how many layers were computed: logits [steps, rows, V] of a pass over whole sequences."""
    inputs = [ModelInput(**{**vars(p), "response": CODES[row, :, None]}) for row, p in enumerate(PREFIXES)]
    packed = model.pack(inputs)
    layers = range(len(model.model.stack))
    states, _ = model.model.states(packed.embeddings, packed.positions, model.within(packed.layouts), layers)
    rows = {layer: torch.split(model.logits(HEAD, hidden), packed.lengths) for layer, hidden in states.items()}
    return {layer + 1: torch.stack([row[-STEPS:] for row in found], 1) for layer, found in rows.items()}


def telling_apart(found: Tensor) -> float:
    """A threshold that some of what is read first, [exits, ...], is below and some above, far from all."""
    sorted_ = found.detach().flatten().sort().values
    within = sorted_[(sorted_ >= found[0].min()) & (sorted_ <= found[0].max())]
    wide = int(within.diff().argmax())
    return float(within[wide : wide + 2].mean())


def halfway(expected: dict[int, Tensor]) -> ExitRule:
    """By which some tokens leave after half of the layers, and others later."""
    layers = len(expected)
    doubts = torch.stack([entropies(expected[done])[0] for done in range(layers // 2, layers)])
    return ExitRule(layers, None, telling_apart(doubts), math.inf)


@EVERY
@torch.inference_mode()
def test_every_token_is_read_after_its_layers_whichever_were_computed_before(name: str) -> None:
    model = model_of(name)
    expected = all_exits(model)
    logits, layers = decoded(model, [0, 1], halfway(expected))
    assert len(layers.unique()) > 1 and layers.min() >= len(expected) // 2
    for step in range(STEPS):
        for row in range(2):
            told = expected[int(layers[step, row])][step, row]
            torch.testing.assert_close(logits[step, row], told, atol=2e-3, rtol=1e-3)


@EVERY
@torch.inference_mode()
def test_a_row_leaves_at_the_same_layers_alone_and_in_a_batch(name: str) -> None:
    model = model_of(name)
    rule = halfway(all_exits(model))
    together = decoded(model, [0, 1], rule)
    for row in range(2):
        logits, layers = decoded(model, [row], rule)
        assert layers[:, 0].equal(together[1][:, row])
        torch.testing.assert_close(logits[:, 0], together[0][:, row], atol=2e-3, rtol=1e-3)


@EVERY
@torch.inference_mode()
def test_after_catching_up_the_cache_is_that_of_the_whole_backbone(name: str) -> None:
    model = model_of(name)
    expected, last = through_a_cache(model, 0)[-1], STEPS - 1
    decoding, positions = begun(model, PREFIXES, halfway(all_exits(model)))
    vectors = [model.resps_emb.read(0, CODES[:, step]) for step in range(STEPS)]
    for step in range(last):
        decoding.step(vectors[step], positions + step)
    decoding.catch_up()
    decoding.catch_up()
    hidden, _ = model.model(vectors[last], positions + last, decoding.cache.step())
    torch.testing.assert_close(hidden, expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_layers_above_an_exit_are_not_computed() -> None:
    model, calls = model_of(), list[int]()
    decoding, positions = begun(model, PREFIXES, ExitRule(4, 2, -1.0))

    def count(module: nn.Module, told: Any, output: Tensor) -> None:
        calls.append(len(output))

    for layer in model.model.stack:
        layer.register_forward_hook(count)
    for step in range(2):
        _, layers = decoding.step(model.resps_emb.read(0, CODES[:, step]), positions + step)
        assert layers.tolist() == [3, 3]
    assert calls == [2] * 6
    decoding.catch_up()
    assert calls == [2] * 6 + [4]
