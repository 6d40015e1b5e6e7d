"""Every fragment, preset and app under conf/ composes into settings that pass all rules."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from vall_e.config.codec import CODEC_FACTS, AudioBackend
from vall_e.config.composing import compose_config
from vall_e.config.conf_dir import conf_dir
from vall_e.config.documentation.reference import ALONE
from vall_e.config.nearest import groups, options
from vall_e.config.schema import Config
from vall_e.config.seal import seal
from vall_e.errors import ConfigError

FRAGMENTS = [(group, option) for group in groups() for option in options(group)]
GIVEN = {
    "experiment=distill/quarter": ["teacher=W.safetensors"],
    "hyperparameters=distill": ["teacher=W.safetensors"],
    "dataset=own": ["dataset.source=recordings"],
}
"""What a user has to give beside a fragment."""
APPS = sorted(f.stem for f in Path(conf_dir()).glob("*.yaml"))


@cache
def composed(*overrides: str, app: str = "train") -> Config:
    return seal(compose_config(app, overrides), Config)


def chosen(group: str, option: str) -> list[str]:
    """The overrides that choose a fragment."""
    fragment = f"+lora@loras.test={option}" if group == "lora" else f"{group}={option}"
    return [fragment, *GIVEN.get(fragment, [])]


# Fragments that choose a plugin of an extra, and where Hydra looks for it.
PLUGINS = {
    "sweep/optuna": ("hydra_plugins.hydra_optuna_sweeper", "sweep"),
    "slurm/sweep": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
    "slurm/train": ("hydra_plugins.hydra_submitit_launcher", "slurm"),
}


@pytest.mark.parametrize(("group", "option"), FRAGMENTS)
def test_every_fragment_seals_or_says_what_it_needs(group: str, option: str) -> None:
    if option in PLUGINS:
        module, extra = PLUGINS[option]
        pytest.importorskip(module, reason=f"the extra {extra} is not installed")
    comments = [line for line in (Path(conf_dir()) / group / f"{option}.yaml").read_text().splitlines() if "#" in line]
    needs_a_component = any("Needs " in line for line in comments)
    try:
        assert isinstance(composed(*chosen(group, option)), Config)
    except ConfigError as error:
        problems = str(error).splitlines()
        assert all("is not available: needs " in problem for problem in problems), problems
        assert needs_a_component, "its first comment must say `Needs ...`"
    else:
        assert not needs_a_component, "it works, so its comment must not say `Needs ...`"


@pytest.mark.parametrize("app", APPS)
def test_every_app_seals_without_overrides(app: str) -> None:
    kind = ALONE.get(app, Config)
    assert isinstance(seal(compose_config(app, []), kind), kind)


def test_fragments_were_found() -> None:
    assert {("model", "ar+nar-llama-8"), ("experiment", "eval/quick"), ("codec", "encodec")} <= set(FRAGMENTS)


def test_the_reference_model_has_the_switches_of_published_weights() -> None:
    model = composed("model=ar+nar-llama-8").model
    assert (model.full_name, model.dimensions.dim, model.dimensions.heads, model.dimensions.layers) == (
        "ar+nar-llama-8",
        1024,
        16,
        12,
    )
    assert (model.tasks, model.langs, model.tones, model.dropout) == (9, 4, 1, 0.1)
    assert model.loss_factors == {"text": 0.1, "prom": 0.5, "resp": 1.0}
    switches = model.experimental
    assert switches.audio_embedding_sums and switches.split_classifiers
    assert not switches.unified_position_ids and not switches.noncausal_masks
    assert switches.audio_embedding_sums_mode == "legacy"


@pytest.mark.parametrize("name", options("model"))
def test_a_model_file_has_the_models_full_name(name: str) -> None:
    config = OmegaConf.to_object(compose_config("train", [f"model={name}"]))
    assert isinstance(config, Config) and config.model.full_name == name


@pytest.mark.parametrize("backend", ["builtin", "encodec"])
def test_audio_backend_alone_decides_every_codec_fact(backend: str) -> None:
    cfg, facts = composed(f"audio_backend={backend}"), CODEC_FACTS[AudioBackend[backend]]
    assert (cfg.codec.sample_rate, cfg.codec.frame_rate, cfg.codec.levels) == (
        facts.sample_rate,
        facts.frame_rate,
        facts.levels,
    )
    assert (cfg.sample_rate, cfg.model.resp_levels, cfg.model.audio_tokens) == (
        facts.sample_rate,
        facts.levels,
        facts.codebook_size,
    )
    assert cfg.dataset.hdf5_name == f"data/sample-{backend}.h5"


def test_each_codec_and_tokenizer_fragment_sets_the_root_setting_it_stands_for() -> None:
    assert composed("codec=encodec").audio_backend is AudioBackend.encodec
    assert composed("tokenizer=naive").tokenizer == "naive"
    assert composed("tokenizer=ipa").tokenizer is None


def test_the_sample_dataset_points_at_the_speech_in_the_package() -> None:
    source = composed().dataset.source
    assert source is not None and (Path(source) / "meta.jsonl").is_file()


def test_an_experiment_beats_the_groups_and_an_override_beats_both() -> None:
    demo = composed("experiment=demo").trainer.iterations
    assert demo != composed().trainer.iterations
    assert composed("experiment=demo", "trainer.iterations=7").trainer.iterations == 7


def test_values_keep_their_types() -> None:
    cfg = composed("model.size={dim:64,heads:2,layers:1}", "model.experimental.rvq_levels_p=[0,0,1]")
    assert type(cfg.model.size) is dict and cfg.model.size == {"dim": 64, "heads": 2, "layers": 1}
    assert type(cfg.model.experimental.rvq_levels_p) is list
    assert type(cfg.hyperparameters.optimizer_params) is dict
    assert type(cfg.dataset.duration_range) is list
