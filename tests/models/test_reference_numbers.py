"""The model computes what the reference implementation computed with the same weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.golden.formula_model import FACTORS, LOSSES, PROMPT, RESPONSE, ROWS, TEXT, Loss, Row
from tests.models.tiny import tiny_config, with_stop
from vall_e.models.layout import ModelInput, length_tokens
from vall_e.models.loss import LossOutput, predictions, read_heads, score
from vall_e.models.vall_e import VallE


def model(formula_weights: dict[str, Tensor], full: bool, sums: str | None = "legacy") -> VallE:
    flags = {
        "noncausal_masks": full,
        "audio_embedding_sums": sums is not None,
        "audio_embedding_sums_mode": sums or "legacy",
    }
    with torch.device("meta"):
        built = VallE(tiny_config(flags, size="quarter", capabilities=["ar", "nar", "len", "lang"]))
    built.load_state_dict(formula_weights, assign=True)
    return built.eval()


def read_input(case: str) -> ModelInput:
    """What a row of logits was computed from."""
    tts = ModelInput(text=TEXT, prompt=PROMPT, response=RESPONSE, lang=0)
    match case:
        case "ar":
            return replace(tts, response=RESPONSE[:, :1])
        case "masked":
            return replace(tts, mask=torch.ones(6, dtype=torch.bool))
        case "len":
            return replace(tts, task="len", response=None, length=torch.tensor([0]))
        case "stt":
            return ModelInput(task="stt", text=torch.tensor([1]), response=RESPONSE, lang=0)
    level = int(case.removeprefix("nar"))
    return replace(tts, level=level, response=RESPONSE[:, :level])


def learnt_input(case: str) -> ModelInput:
    """What a loss was computed from."""
    sample = read_input(case)
    match case:
        case "ar":
            return replace(sample, response=with_stop(RESPONSE))
        case "masked":
            return replace(sample, mask=torch.tensor([True, False] * 3))
        case "len":
            return replace(sample, length=length_tokens(6))
        case "stt":
            return replace(sample, text=TEXT)
    return replace(sample, response=RESPONSE[:, : sample.level + 1])


def label(expected: Row | Loss) -> str:
    sums = getattr(expected, "sums", "legacy")
    return f"{expected.case}-{'full' if expected.full else 'causal'}-{sums}"


def test_weights_have_the_tensors_of_the_reference(formula_weights: dict[str, Tensor]) -> None:
    assert len(formula_weights) == 156
    assert sum(tensor.numel() for tensor in formula_weights.values()) == 19_558_156


@pytest.mark.parametrize("expected", ROWS, ids=label)
@torch.inference_mode()
def test_logits(expected: Row, formula_weights: dict[str, Tensor]) -> None:
    valle = model(formula_weights, expected.full, expected.sums)
    packed = valle.pack([read_input(expected.case)])
    layout = packed.layouts[0]
    logits = valle.logits(layout.head, valle.hidden(packed))
    row = logits[-1 if layout.causal_head else layout.segment("resp").start]
    assert row[: len(expected.first)].tolist() == pytest.approx(expected.first, abs=2e-4)
    if expected.likeliest is not None:
        assert int(row.argmax()) == expected.likeliest
    if expected.log_sum_exp is not None:
        assert float(row.logsumexp(0)) == pytest.approx(expected.log_sum_exp, abs=2e-4)


@pytest.mark.parametrize("expected", [row for row in ROWS if row.case in ("len", "stt")], ids=label)
def test_lengths_and_text_are_predicted_the_same_under_both_masks(
    expected: Row, formula_weights: dict[str, Tensor]
) -> None:
    test_logits(replace(expected, full=False), formula_weights)


@torch.inference_mode()
def loss_of(valle: VallE, sample: ModelInput, factors: dict[str, float]) -> LossOutput:
    valle.cfg.loss_factors = factors
    return valle.train()([sample])


@pytest.mark.parametrize("expected", LOSSES, ids=label)
def test_unified_loss(expected: Loss, formula_weights: dict[str, Tensor]) -> None:
    output = loss_of(model(formula_weights, expected.full), learnt_input(expected.case), {})
    assert list(output.parts) == ["nll"]
    assert float(output.loss) == pytest.approx(expected.unified, abs=3e-5)


@pytest.mark.parametrize("expected", [loss for loss in LOSSES if loss.case in ("len", "stt")], ids=label)
def test_loss_of_lengths_and_text_is_the_same_under_both_masks(
    expected: Loss, formula_weights: dict[str, Tensor]
) -> None:
    test_unified_loss(replace(expected, full=False), formula_weights)


def test_unified_accuracy(formula_weights: dict[str, Tensor]) -> None:
    output = loss_of(model(formula_weights, True), learnt_input("len"), {})
    assert float(output.stats["acc"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize("expected", [loss for loss in LOSSES if not loss.first_missing], ids=label)
def test_split_loss(expected: Loss, formula_weights: dict[str, Tensor]) -> None:
    output = loss_of(model(formula_weights, expected.full), learnt_input(expected.case), FACTORS)
    assert float(output.loss) == pytest.approx(expected.split, abs=3e-5)


@pytest.mark.parametrize("expected", [loss for loss in LOSSES if loss.first_missing], ids=label)
@torch.inference_mode()
def test_split_loss_differs_by_the_first_id_that_the_reference_never_learnt(
    expected: Loss, formula_weights: dict[str, Tensor]
) -> None:
    valle, sample = model(formula_weights, expected.full), learnt_input(expected.case)
    packed = valle.pack([sample])
    output = packed.layouts[0].output
    wanted = predictions([sample], packed.layouts, sums=True, ignore_inputs=True)
    losses, _ = score(read_heads(valle.hidden(packed), wanted, valle.logits))
    factor = FACTORS[output]
    assert float(factor * losses[0][1:].mean()) == pytest.approx(expected.split, abs=3e-5)
    ours = loss_of(valle, sample, FACTORS).parts[f"{output}.nll"]
    assert float(ours) == pytest.approx(float(factor * losses[0].mean()), abs=1e-6)
