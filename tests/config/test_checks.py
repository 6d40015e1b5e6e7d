"""Weights against the model that goes on with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vall_e.config.checks import check_weights
from vall_e.config.composing import compose_config
from vall_e.config.schema import Config
from vall_e.config.seal import seal
from vall_e.errors import ConfigError, WeightsError


def weights_file(path: Path, **settings: Any) -> str:
    """The header of a safetensors file whose metadata carries model settings."""
    header = json.dumps({"__metadata__": {"config": json.dumps(settings)}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    return str(path)


def check(path: str, *overrides: str) -> None:
    check_weights(seal(compose_config("train", [f"weights={path}", *overrides]), Config))


def test_weights_of_the_same_architecture_pass_whatever_they_were_trained_with(tmp_path: Path) -> None:
    check(weights_file(tmp_path / "w.safetensors", size="tiny", dropout=0.5, experimental={"noncausal_masks": True}))
    check(weights_file(tmp_path / "w.safetensors"))


def test_weights_trained_with_other_masks_are_refused_though_their_tensors_would_fit(tmp_path: Path) -> None:
    path = weights_file(tmp_path / "w.safetensors", size="half", experimental={"noncausal_masks": False})
    with pytest.raises(ConfigError) as caught:
        check(path)
    assert str(caught.value).splitlines() == [
        f"model.size=tiny contradicts weights={path}, which have half",
        f"model.experimental.noncausal_masks=true contradicts weights={path}, which have false",
    ]


def test_weights_of_explicit_dimensions_are_compared_whole(tmp_path: Path) -> None:
    path = weights_file(tmp_path / "w.safetensors", size={"dim": 64, "heads": 2, "layers": 1})
    check(path, "model.size={dim:64,heads:2,layers:1}")
    with pytest.raises(ConfigError, match=r"model\.size=\{'dim': 64, 'heads': 2, 'layers': 2\} contradicts"):
        check(path, "model.size={dim:64,heads:2,layers:2}")


def test_weights_of_one_vocabulary_are_of_another_architecture(tmp_path: Path) -> None:
    path = weights_file(tmp_path / "w.safetensors", experimental={"hf": True})
    check(path, "model.experimental.hf=true")
    with pytest.raises(ConfigError, match=r"^model\.experimental\.hf=false contradicts weights=\S+, which have true$"):
        check(path)


def test_a_pretrained_folder_is_compared_as_a_file_is(tmp_path: Path) -> None:
    told = {"model_type": "vall_e", "format": 1, "model": {"size": "half"}, "codec": {}}
    (tmp_path / "config.json").write_text(json.dumps(told), encoding="utf-8")
    check(str(tmp_path), "model=ar+nar-half-llama-8")
    with pytest.raises(ConfigError, match=r"^model\.size=tiny contradicts weights=\S+, which have half$"):
        check(str(tmp_path))
    with pytest.raises(WeightsError, match=r"has no config\.json, allowed: a weights file, or a folder"):
        check(str(tmp_path.parent))


def test_rows_may_differ_when_modules_are_resized(tmp_path: Path) -> None:
    path = weights_file(tmp_path / "w.safetensors", langs=2)
    check(path, "trainer.resize_modules=true")
    with pytest.raises(ConfigError, match=r"model\.langs=1 contradicts"):
        check(path)


@pytest.mark.parametrize(
    ("content", "said"), [(None, "is not a file"), (b"", "no safetensors|not a safetensors"), (b"\xff" * 64, "not a")]
)
def test_a_file_that_is_no_weights_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "w.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=said):
        check(str(path))
