"""Which parameters an optimizer trains, which of them decay, and which are matrices of the backbone."""

from __future__ import annotations

from typing import Any

from torch import nn

from vall_e.config.nearest import hint
from vall_e.errors import ConfigError

WEIGHT_DECAY = 0.01
BACKBONE = "model."
RATES = "A_log"
"""A table of rates of decay in a backbone, which maps nothing."""

Groups = list[dict[str, Any]]


def freeze(model: nn.Module, names: list[str]) -> None:
    """Stop training the parameters called `names`; ConfigError for a name the model does not have."""
    parameters = dict(model.named_parameters())
    for name in names:
        if name not in parameters:
            raise ConfigError(f"model.frozen_params: the model has no parameter {name!r}{hint(name, parameters)}")
        parameters[name].requires_grad_(False)


def parameter_groups(model: nn.Module, weight_decay: float) -> Groups:
    """Matrices of linear maps decay; embeddings, tables of rates, norms, biases and single vectors do not."""
    tables = {id(p) for m in model.modules() if isinstance(m, nn.Embedding) for p in m.parameters()}
    tables |= {id(p) for name, p in model.named_parameters() if name.endswith(RATES)}
    trained = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in trained if p.ndim >= 2 and id(p) not in tables]
    others = [p for p in trained if p.ndim < 2 or id(p) in tables]
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def hidden_and_other_groups(model: nn.Module, weight_decay: float) -> tuple[Groups, Groups]:
    """`parameter_groups`, the matrices of the backbone apart from the rest: heads, tables, norms, vectors."""
    hidden = {id(p) for name, p in model.named_parameters() if name.startswith(BACKBONE) and p.ndim == 2}
    decayed, others = parameter_groups(model, weight_decay)
    matrices = {**decayed, "params": [p for p in decayed["params"] if id(p) in hidden]}
    heads = {**decayed, "params": [p for p in decayed["params"] if id(p) not in hidden]}
    return [matrices], [heads, others]
