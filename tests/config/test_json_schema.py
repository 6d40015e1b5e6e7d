"""The JSON Schemas accept what the program accepts, and an editor with them underlines what it refuses."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from vall_e.config.conf_dir import conf_dir
from vall_e.config.documentation.json_schema import schemas
from vall_e.config.documentation.reference import ALONE
from vall_e.config.nearest import groups, options

jsonschema = pytest.importorskip("jsonschema")
referencing = pytest.importorskip("referencing")

FRAGMENTS = [(group, f"{group}/{option}") for group in groups() for option in options(group)]
PRIMARY = [(stem if stem in ALONE else "config", stem) for stem in (f.stem for f in Path(conf_dir()).glob("*.yaml"))]


@cache
def validator(name: str) -> Any:
    """What an editor checks a file with whose modeline names the schema `name`."""
    resources = [
        (file, referencing.Resource(contents=schema, specification=referencing.jsonschema.DRAFT202012))
        for file, schema in schemas().items()
    ]
    kind = jsonschema.Draft202012Validator
    return kind(schemas()[f"{name}.schema.json"], registry=referencing.Registry().with_resources(resources))


def complaints(name: str, yaml: str) -> list[str]:
    """The places in a YAML text that the schema `name` refuses."""
    tree = OmegaConf.to_container(OmegaConf.create(yaml), resolve=False)
    return [error.json_path for error in validator(name).iter_errors(tree)]


@pytest.mark.parametrize("name", schemas())
def test_each_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schemas()[name])


@pytest.mark.parametrize(("name", "file"), FRAGMENTS + PRIMARY)
def test_every_fragment_preset_and_primary_config_fits_its_schema(name: str, file: str) -> None:
    assert complaints(name, (Path(conf_dir()) / f"{file}.yaml").read_text(encoding="utf-8")) == []


REFUSED = {
    "a misspelt name": ("model", "droput: 0.1", "$"),
    "a misspelt name within a section": ("model", "experimental: {split_clasifiers: true}", "$.experimental"),
    "a misspelt group": ("config", "modle: {dropout: 0.1}", "$"),
    "a misspelt name in a group": ("experiment", "trainer: {iteration: 5}", "$.trainer"),
    "a misspelt choice": ("hyperparameters", "optimizer: adanw", "$.optimizer"),
    "a misspelt member": ("trainer", "backend: locl", "$.backend"),
    "a number below its range": ("dataset", "workers: -1", "$.workers"),
    "a number above its range": ("dataset", "workers: 257", "$.workers"),
    "a number at an open end below": ("hyperparameters", "learning_rate: 0", "$.learning_rate"),
    "a number at an open end above": ("model", "dropout: 1", "$.dropout"),
    "an item out of range": ("dataset", "duration_range: [-1.0, 3.0]", "$.duration_range"),
    "a misspelt item": ("dataset", "tasks_list: [sing]", "$.tasks_list"),
    "a fraction of a whole number": ("trainer", "iterations: 1.5", "$.iterations"),
    "text in place of a number": ("model", "dropout: high", "$.dropout"),
    "text in place of true or false": ("trainer", "amp: maybe", "$.amp"),
    "null where something is needed": ("trainer", "iterations: null", "$.iterations"),
    "a size that is no name": ("model", "size: quater", "$.size"),
    "a wrong value in a mapping": ("model", "loss_factors: {resp: much}", "$.loss_factors"),
    "defaults that are no list": ("model", "defaults: _self_", "$.defaults"),
    "a misspelt setting of an adapter": ("config", "loras: {voice: {rnak: 8}}", "$.loras"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_an_editor_underlines(case: str) -> None:
    name, yaml, place = REFUSED[case]
    assert complaints(name, yaml) == [place]


ACCEPTED = {
    "a value of another setting": ("model", "resp_levels: ${codec.levels}"),
    "a value to be given": ("trainer", "iterations: ???"),
    "an interpolation in a list": ("dataset", "duration_range: [1.0, '${x}']"),
    "a whole section from elsewhere": ("config", "model: ${other}"),
    "a mapping with keys of one's own": ("hyperparameters", "optimizer_params: {betas: [0.9, 0.96], eps: 1.0e-7}"),
    "settings of DeepSpeed": ("trainer", "deepspeed: {config: {zero_optimization: {stage: 1}}}"),
    "a size by name": ("model", "size: half"),
    "a size by factor": ("model", "size: 0.5"),
    "a size by numbers": ("model", "size: {dim: 64, heads: 2, layers: 1}"),
    "levels to draw from": ("model", "experimental: {rvq_levels_p: [0, 0, 1]}"),
    "a backend of the compiler": ("optimizations", "compile: inductor"),
    "a name that needs a missing component": ("config", "audio_backend: vocos"),
    "null where nothing is fine": ("inference", "seed: null"),
    "settings of Hydra in a preset": ("experiment", "hydra: {run: {dir: runs/mine}}"),
    "a number that YAML 1.2 takes for text": ("trainer", "iterations: '300_000'"),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_an_editor_leaves_alone(case: str) -> None:
    assert complaints(*ACCEPTED[case]) == []


def test_an_editor_explains_a_setting_and_what_it_needs() -> None:
    backend = schemas()["config.schema.json"]["properties"]["audio_backend"]
    assert backend["default"] == "builtin"
    assert (
        backend["description"].startswith("The neural codec.") and "dac needs the codec DAC" in backend["description"]
    )
