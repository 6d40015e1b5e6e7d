from __future__ import annotations

import pytest
from torch import Tensor

from tests.golden.formula_model import weights
from tests.models.tiny import tiny_config
from vall_e.models.vall_e import VallE


@pytest.fixture(scope="session")
def formula_weights() -> dict[str, Tensor]:
    config = tiny_config(size="quarter", capabilities=["ar", "nar", "len", "lang"])
    return weights({name: tensor.shape for name, tensor in VallE(config).state_dict().items()})
