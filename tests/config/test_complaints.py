"""All that is wrong with a command line is told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from vall_e.config.complaints import complaints


def test_every_refused_setting_is_told_whoever_refuses_it() -> None:
    told = complaints("train", ["model.droput=1", "seed=x", "model=none", "dataset.workers=-1", "+model.x=1"])
    assert [line.partition("=")[0] for line in told] == ["model", "model.droput", "seed", "model.x", "dataset.workers"]


def test_settings_that_need_each_other_are_not_blamed() -> None:
    assert complaints("train", ["+lora@loras.voice=r8", "loras.voice.rank=4", "loras.voice.rnak=4"])[0].startswith(
        "loras.voice.rnak=4: no such setting"
    )


def test_a_right_command_line_has_none_and_sweeps_are_not_judged() -> None:
    assert complaints("train", ["seed=1"]) == []
    assert complaints("train", ["-m", "seed=x,1"]) == []


@pytest.mark.parametrize("content", ["dropuot: 0.5", "dropout: high"])
def test_a_users_folder_of_fragments_is_searched(content: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(content)
    (told,) = complaints("train", ["--config-dir", str(tmp_path), "model=mine"])
    assert "model.drop" in told


def test_a_refused_value_says_where_it_came_from() -> None:
    told = complaints("train", ["experiment=train/1-short", "trainer.weight_dtype=float32", "model.dropout=7"])
    assert told[0].endswith("(from override model.dropout=7)")
    assert told[1].startswith("trainer.amp=true needs") and told[1].endswith(
        "(from conf/experiment/train/1-short.yaml)"
    )
