"""Muon: orthogonalised momentum for the matrices of the backbone, AdamW for everything else.

Muon is for maps between hidden states: Jordan et al., https://kellerjordan.github.io/posts/muon/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import AdamW, Optimizer

from vall_e.errors import ConfigError

from .parameter_groups import Groups

ADAMW_RATE = 3.25e-4
"""Peak learning rate of what AdamW trains, unless `optimizer_params.adamw.lr` says otherwise."""


class MuonWithAdamW(Optimizer):
    """Two optimizers as one: their groups, first Muon's, and a state that they share."""

    def __init__(self, muon: Optimizer, adamw: Optimizer) -> None:
        super().__init__([*muon.param_groups, *adamw.param_groups], {})
        self.param_groups = [*muon.param_groups, *adamw.param_groups]
        self._parts = (muon, adamw)
        for part in self._parts:
            part.state = self.state

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """A step of both; `closure` computes the loss anew."""
        loss = None if closure is None else closure()
        for part in self._parts:
            part.step()
        return loss


def build_muon(
    hidden: Groups, others: Groups, learning_rate: float, arguments: dict[str, Any], defaults: dict[str, Any]
) -> Optimizer:
    """`arguments` are Muon's, those under `adamw` AdamW's; ConfigError if torch is too old to have Muon."""
    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(f"hyperparameters.optimizer=muon needs torch 2.9 or newer, not {torch.__version__}")
    own = dict(arguments)
    theirs = {"lr": ADAMW_RATE, "fused": True} | defaults | own.pop("adamw", {})
    muon = torch.optim.Muon(hidden, **({"lr": learning_rate} | own))
    return MuonWithAdamW(muon, AdamW(others, **theirs))
