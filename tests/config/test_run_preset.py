"""A preset of a run's settings composes to exactly these, whatever the fragments say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from vall_e.config.composing import compose_config
from vall_e.config.conf_dir import conf_dir
from vall_e.config.records.run_preset import NAME, additions, check_preset, quoted, write_preset
from vall_e.config.setting import setting
from vall_e.config.versions import VERSION_BASE
from vall_e.errors import ConfigError


def resolved(*overrides: str) -> dict[str, Any]:
    """The settings as a run's folder keeps them."""
    tree = OmegaConf.to_container(compose_config("train", overrides), resolve=True, enum_to_str=True)
    assert isinstance(tree, dict)
    return {str(name): value for name, value in tree.items()}


def repeated(settings: Mapping[str, Any], folder: Path, overrides: Sequence[str] = ()) -> Any:
    """What Hydra composes of a preset."""
    write_preset(folder, settings, "train")
    fragments = f"hydra.searchpath=[file://{conf_dir()}]"
    with initialize_config_dir(str(folder), **VERSION_BASE):
        return OmegaConf.to_container(compose(NAME, [fragments, *overrides]), resolve=True, enum_to_str=True)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("experiment=demo", "tokenizer=naive", "codec=encodec"),
        ("model=ar+nar-llama-8", "~model.loss_factors.text"),
        ("model.size={dim:64,heads:2,layers:1}", "model.experimental.rvq_levels_p=[0,0,1]"),
        ("+hyperparameters.optimizer_params={betas:[0.9,0.95],eps:1e-9,name:'1e-3',note:'on',nested:{3:null}}",),
        ("dataset.training=['a/*','no','010']", "dataset.hdf5_name='a b, c.h5'"),
    ],
)
def test_a_preset_gives_the_settings_it_was_written_from(overrides: tuple[str, ...], tmp_path: Path) -> None:
    settings = resolved(*overrides)
    assert repeated(settings, tmp_path) == settings


@pytest.mark.parametrize("name", ["${seed}.h5", "a/${oc.env:HOME}", "\\${x}.h5", "$$.h5"])
def test_a_text_that_looks_like_a_reference_is_taken_as_it_stands(name: str, tmp_path: Path) -> None:
    settings = resolved()
    settings["dataset"]["hdf5_name"] = name
    assert repeated(settings, tmp_path) == settings


def test_an_override_wins_and_so_does_a_choice_from_a_group(tmp_path: Path) -> None:
    overrides = ("experiment=demo", "model=ar+nar-llama-8", "trainer.iterations=7")
    found = repeated(resolved("seed=3"), tmp_path, overrides)
    assert found == resolved("seed=3", *overrides)


def test_what_the_schema_adds_is_told() -> None:
    settings = resolved()
    assert additions(settings) == ([], [])
    del settings["trainer"]["amp"], settings["inference"]
    assert additions(settings) == (["trainer.amp", "inference"], [])


@dataclass
class Mapped:
    """A schema with a free mapping that is not empty by default."""

    free: dict[str, Any] = setting({"kept": 1, "gone": 2}, "Anything.")


def test_an_entry_that_the_schema_adds_to_a_free_mapping_is_told_apart() -> None:
    assert additions({"free": {"kept": 1}}, Mapped) == ([], ["free.gone"])


def test_settings_that_are_out_of_range_are_refused_unless_an_override_mends_them() -> None:
    settings = resolved() | {"seed": -1}
    with pytest.raises(ConfigError, match="seed=-1 is out of range"):
        check_preset(settings, [])
    check_preset(settings, ["seed=1"])


@pytest.mark.parametrize("path", ["/a/b-c.d", "/a b/c,d", "/it's/${x}", "/ä=1"])
def test_a_path_passes_unharmed_through_an_override(path: str) -> None:
    assert resolved(f"dataset.hdf5_name={quoted(path)}")["dataset"]["hdf5_name"] == path
