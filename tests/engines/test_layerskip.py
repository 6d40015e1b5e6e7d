"""Steps of an engine that trains early exits."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from tests.small_run import batches, engine, small
from vall_e.config.model_experimental import ModelExperimentalConfig
from vall_e.config.trainer import WeightDtype
from vall_e.engines.local import LocalEngine

SIZE = {"dim": 32, "heads": 2, "layers": 4, "label": ""}
FLAGS = {"layerskip_p_max": 0.3, "rvq_levels_p": [0], "layerskip": True}


def exiting(speech: Path, flags: dict[str, Any] | None = None, **changes: Any) -> LocalEngine:
    experimental = ModelExperimentalConfig(**(FLAGS | (flags or {})))
    return engine(small(speech, model__experimental=experimental, model__size=SIZE, dropout=0.0, **changes))


def test_exits_follow_from_the_number_of_the_step(speech: Path) -> None:
    one = exiting(speech)
    batch, found = batches(one.cfg, 1), []
    for _ in range(5):
        found.append(dict(one.early_exits()))
        stats = one.step(batch)
        assert stats["loss"] == pytest.approx(stats["nll"] + stats["early_exit.nll"])
    assert found == [{2: 1.0}, {3: 1.0}, {2: 1.0}, {3: 1.0}, {2: 1.0}]
    one.global_step = 1
    assert one.early_exits() == {3: 1.0}
    assert exiting(speech, {"layerskip": False}).early_exits() == {}


def test_all_micro_batches_of_a_step_have_the_same_exits(speech: Path) -> None:
    both = exiting(speech, {"layerskip_p_max": 0.0})
    pair = batches(both.cfg, 2)
    apart = [exiting(speech, {"layerskip_p_max": 0.0}).step([batch]) for batch in pair]
    stats = both.step(pair)
    for key in ("nll", "early_exit.nll"):
        assert stats[key] == pytest.approx(sum(one[key] for one in apart) / 2)


@pytest.mark.parametrize("kind", [WeightDtype.float16, WeightDtype.bfloat16])
@pytest.mark.parametrize("layerskip", [False, True])
def test_float16_with_exits_is_warned_of(
    speech: Path, caplog: pytest.LogCaptureFixture, kind: WeightDtype, layerskip: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        exiting(speech, {"layerskip": layerskip}, amp=True, weight_dtype=kind)
    assert ("the loss scale is known to collapse" in caplog.text) == (layerskip and kind is WeightDtype.float16)
