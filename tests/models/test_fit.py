"""Tensors of a model that is not quite the one at hand."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from vall_e.errors import WeightsError
from vall_e.models.weights.fit import fit

WEIGHTS = Path("w.safetensors")


def two() -> nn.Module:
    return nn.ModuleDict({"emb": nn.Embedding(4, 2), "head": nn.Linear(2, 4)})


def test_rows_are_cut_and_extended_by_their_mean_and_biases_by_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    model = two()
    saved = {
        "emb.weight": torch.tensor([[1.0, 0.0], [3.0, 2.0]]),
        "head.weight": torch.arange(10.0).reshape(5, 2),
        "head.bias": torch.tensor([1.0, 2.0]),
    }
    fit(model, saved, WEIGHTS, resize=True)
    state = model.state_dict()
    assert state["emb.weight"].tolist() == [[1, 0], [3, 2], [2, 1], [2, 1]]
    assert torch.equal(state["head.weight"], saved["head.weight"][:4])
    assert state["head.bias"].tolist() == [1, 2, 0, 0]
    assert "emb.weight; head.weight; head.bias" in caplog.text


def test_other_widths_are_refused_though_rows_may_differ() -> None:
    saved = two().state_dict() | {"head.weight": torch.zeros(4, 3)}
    with pytest.raises(WeightsError, match=r"head\.weight is \(4, 3\), the model's is \(4, 2\)"):
        fit(two(), saved, WEIGHTS, strict=False, resize=True)


def test_without_strictness_what_is_missing_stays_and_what_is_foreign_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, saved = two(), dict(two().state_dict())
    before = model.state_dict()["head.bias"].clone()
    del saved["head.bias"]
    saved["extra"] = torch.zeros(1)
    with pytest.raises(WeightsError, match=r"head\.bias is missing; extra is foreign"):
        fit(model, saved, WEIGHTS)
    fit(model, saved, WEIGHTS, strict=False)
    assert torch.equal(model.state_dict()["head.bias"], before)
    assert torch.equal(model.state_dict()["emb.weight"], saved["emb.weight"])
    assert "head.bias is missing; extra is foreign" in caplog.text
