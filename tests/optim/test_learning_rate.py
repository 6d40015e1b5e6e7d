"""One interface to the learning rates of all optimizers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from vall_e.optim.learning_rate import apply_factor, effective, peak, set_peak


def parameters() -> list[nn.Parameter]:
    return [nn.Parameter(torch.ones(2, 2)), nn.Parameter(torch.ones(2))]


def stepped(optimizer: Optimizer) -> Optimizer:
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    return optimizer


def test_a_plain_optimizer_has_its_rate() -> None:
    optimizer = AdamW(parameters(), lr=0.5)
    apply_factor(optimizer, 0.1)
    apply_factor(optimizer, 0.5)
    assert (peak(optimizer), effective(optimizer)) == (0.5, 0.25)
    set_peak(optimizer, 4.0)
    apply_factor(optimizer, 0.25)
    assert (peak(optimizer), effective(optimizer)) == (4.0, 1.0)


def test_rates_of_groups_keep_their_proportion() -> None:
    matrix, vector = parameters()
    optimizer = AdamW([{"params": [matrix], "lr": 0.5}, {"params": [vector], "lr": 0.1}])
    set_peak(optimizer, 1.0)
    apply_factor(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.1])


def test_prodigy_is_scaled_by_its_factor() -> None:
    from prodigyopt import Prodigy

    optimizer = Prodigy(parameters(), lr=1.0, d_coef=0.5)
    set_peak(optimizer, 2.0)
    apply_factor(optimizer, 0.25)
    group = stepped(optimizer).param_groups[0]
    assert (peak(optimizer), group["d_coef"], group["lr"]) == (2.0, 2.0, 0.25)
    assert effective(optimizer) == 0.25 * group["d"]


@pytest.mark.parametrize("name", ["DAdaptAdam", "DAdaptSGD", "DAdaptAdaGrad"])
def test_d_adaptation_tells_the_step_size_it_has_found(name: str) -> None:
    dadaptation = pytest.importorskip("dadaptation")
    optimizer = getattr(dadaptation, name)(parameters(), d0=1e-3)
    apply_factor(optimizer, 0.5)
    stepped(optimizer)
    norm = 6**0.5 if name == "DAdaptSGD" else 1.0
    assert peak(optimizer) == 1.0
    assert effective(optimizer) == pytest.approx(0.5 * optimizer.param_groups[0]["d"] / norm)
    apply_factor(optimizer, 0.0)
    before = [p.detach().clone() for p in optimizer.param_groups[0]["params"]]
    stepped(optimizer)
    for old, new in zip(before, optimizer.param_groups[0]["params"], strict=True):
        torch.testing.assert_close(new.detach(), old, atol=1e-2, rtol=0)


@pytest.mark.parametrize(("name", "settings"), [("AdamWScheduleFree", {}), ("SGDScheduleFree", {"momentum": 0.9})])
def test_schedule_free_optimizers_warm_up_by_themselves(name: str, settings: dict[str, Any]) -> None:
    schedulefree = pytest.importorskip("schedulefree")
    optimizer = getattr(schedulefree, name)(parameters(), lr=0.5, warmup_steps=4, **settings)
    optimizer.train()
    seen = []
    for factor in (0.0, 0.3, 0.1):
        apply_factor(optimizer, factor)
        seen.append(effective(stepped(optimizer)))
    assert seen == [0.125, 0.25, 0.375] and peak(optimizer) == 0.5
    set_peak(optimizer, 2.0)
    apply_factor(optimizer, 0.0)
    assert (effective(stepped(optimizer)), peak(optimizer)) == (2.0, 2.0)
