"""The weights that are exported while training goes on elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.small_run import MODEL, batches, engine, small
from vall_e.config.export import ExportConfig
from vall_e.engines.export import export


@pytest.mark.parametrize(
    "settings", [{"ema_decay": 0.5}, {"scheduler": "schedulefree"}], ids=["moving", "schedulefree"]
)
def test_a_checkpoint_is_exported_as_the_run_exports(speech: Path, tmp_path: Path, settings: dict[str, Any]) -> None:
    pytest.importorskip("schedulefree")
    one = engine(small(speech, **settings))
    for batch in batches(one.cfg, 3):
        one.step([batch])
    one.write(one.snapshot({}), tmp_path / "ckpt" / MODEL, "3")
    exported = load_file(export(ExportConfig(run=str(tmp_path)))[-1])
    assert all(torch.equal(exported[name], tensor) for name, tensor in one.weights().items())
    assert not torch.equal(exported["model.norm.weight"], one.model.model.norm.weight), "training goes on elsewhere"
