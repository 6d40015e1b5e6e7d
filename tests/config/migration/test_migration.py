"""A configuration of the reference system keeps its meaning, and everything that cannot is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vall_e.config.composing import compose_config
from vall_e.config.deviations import DEVIATIONS
from vall_e.config.migration.migration import migrate
from vall_e.config.migration.names import DROPPED, MOVED
from vall_e.config.migration.old_file import read_old
from vall_e.config.migration.outcome import Dropped, Old, Placed
from vall_e.config.migration.place import nested, place_of
from vall_e.config.migration.preset import preset, preset_name
from vall_e.config.migration.translated import TRANSLATED
from vall_e.config.migration.walk import walk
from vall_e.config.nearest import settings as setting_names
from vall_e.config.schema import Config
from vall_e.config.seal import problems, seal

COMPLETE = Path(__file__).parent / "complete.yaml"

# An old fragment; what it becomes, by dotted names; what is said of it, and under which title.
MEANINGS: list[tuple[str, dict[str, Any], dict[str, list[str]]]] = [
    ("audio_backend: vocos", {"audio_backend": "encodec"}, {"translated": ["vocos", "the same codes"]}),
    ("inference: {use_dac: true}", {"audio_backend": "dac"}, {"translated": ["inference.use_dac"]}),
    ("inference: {audio_backend: encodec}", {"audio_backend": "encodec"}, {"renamed": ["inference.audio_backend"]}),
    (
        "{audio_backend: dac, inference: {use_vocos: true}}",
        {"audio_backend": "dac"},
        {"dropped": ["inference.use_vocos: audio_backend, which is given, too, decides"]},
    ),
    ("sample_rate: 24000", {}, {"dropped": ["sample_rate: it follows"]}),
    ("{audio_backend: dac, sample_rate: 44000}", {}, {"unplaced": ["sample_rate=44000", "dac has 44100"]}),
    ("tokenizer: naive", {"tokenizer": "naive", "tokenizer_path": None}, {"kept": ["tokenizer=naive has no file"]}),
    (
        "{fp8: true, optimizations: {replace: true}}",
        {"optimizations.fp8": True, "optimizations.replace": True},
        {"renamed": ["fp8 -> optimizations.fp8"]},
    ),
    ("fp8: true", {"optimizations.fp8": False}, {"dropped": ["fp8: it qualifies linear layers that replace"]}),
    (
        "hyperparameters: {autotune_params: {start_profile_step: 1}}",
        {"hyperparameters.autotune_params": {}},
        {"dropped": ["hyperparameters.autotune_params.start_profile_step: it qualifies the search"]},
    ),
    ("yaml_path: x.yaml", {}, {"dropped": ["yaml_path: Hydra"]}),
    (
        "{models: [{name: a}, {name: b, training: true}]}",
        {"model.name": "b"},
        {"dropped": ["models[0]: a run has one"]},
    ),
    ("models: [{name: a}, {name: b}]", {"model.name": "a"}, {"renamed": ["models[0] -> model"]}),
    (
        "models: [{name: big, teacher: true, path: big.sft}, {name: small, training: true}]",
        {"model.name": "small", "teacher": "big.sft"},
        {"renamed": ["models[0].path -> teacher"], "dropped": ["models[0]: but for path"]},
    ),
    ("models: [{teacher: true}]", {"teacher": None}, {"unplaced": ["teacher=WEIGHTS"]}),
    ("models: [{path: w.sft}]", {"weights": "w.sft"}, {"renamed": ["models[0].path -> weights"]}),
    ("model: {name: a}", {"model.name": "a"}, {}),
    ("{model: {name: a}, models: [{name: b}]}", {"model.name": "b"}, {"dropped": ["model: models, which is given"]}),
    (
        "models: [{prom_levels: 8, p_ar_level: auto}]",
        {},
        {"dropped": ["models[0].prom_levels", "models[0].p_ar_level"]},
    ),
    (
        "models: [{split_classifiers: true, p_rvq_levels: equal}]",
        {"model.experimental.split_classifiers": True, "model.experimental.rvq_levels_p": "equal"},
        {"renamed": ["models[0].p_rvq_levels -> model.experimental.rvq_levels_p"]},
    ),
    (
        "teacher: w.sft\n"
        "models: [{experimental: {p_rvq_levels: [0, 1], teacher_alpha: 0.25, masking_ratio_fixed: true}}]",
        {"model.experimental.rvq_levels_p": [0, 1], "hyperparameters.teacher_alpha": 0.25, "teacher": "w.sft"},
        {"dropped": ["models[0].experimental.masking_ratio_fixed"]},
    ),
    (
        "hyperparameters: {teacher_alpha: 0.25}\noptimizations: {replace: true, linear: false}\n"
        "dataset: {resps_append_p: 0.0, noise_scale: 0.5}",
        {},
        {
            "dropped": [
                "hyperparameters.teacher_alpha: it qualifies distillation",
                "optimizations.replace: it qualifies swapped modules",
                "optimizations.linear: it qualifies swapped modules",
                "dataset.resps_append_p: it qualifies joined targets",
                "dataset.noise_scale: it qualifies noise",
            ]
        },
    ),
    (
        "optimizations: {replace: true, bitnet: true}\ndataset: {resps_append_p: 0.0, resps_max_samples: 2}",
        {
            "optimizations.replace": True,
            "optimizations.bitnet": True,
            "dataset.resps_append_p": 0.0,
            "dataset.resps_max_samples": 2,
        },
        {},
    ),
    (
        "models: [{size: {dim: 256, heads: 4, layers: 6, label: mini, text_tokens: 300, audio_tokens: 1024}}]",
        {"model.size": {"dim": 256, "heads": 4, "layers": 6, "label": "mini"}, "model.text_tokens": 300},
        {"translated": ["text_tokens is a setting of its own"]},
    ),
    ("models: [{size: 0.5}]", {"model.size": 0.5}, {}),
    ("models: [{experimental: {classifiers_bias: false}}]", {}, {"dropped": ["after version 5"]}),
    (
        "loras: [{name: shodan, rank: 16, path: a.sft}, {rank: 8}]",
        {"loras.shodan.rank": 16, "loras.shodan.path": "a.sft", "loras.lora.rank": 8},
        {"renamed": ["loras[0] -> loras.shodan", "loras[1] -> loras.lora"]},
    ),
    ("loras: [{name: a}, {name: a}]", {"loras.a.rank": 128}, {"unplaced": ["loras[1]", "two adapters"]}),
    ("hyperparameters: {optimizer: AdaGrad}", {"hyperparameters.optimizer": "adagrad"}, {"translated": ["AdaGrad"]}),
    (
        "hyperparameters: {scheduler_type: ScheduleFree, scheduler: ''}",
        {"hyperparameters.scheduler": "schedulefree"},
        {},
    ),
    (
        "trainer: {activation_checkpointing: false}",
        {"trainer.gradient_checkpointing": False},
        {"renamed": ["activation_"]},
    ),
    ("trainer: {activation_checkpointing: null}", {"trainer.gradient_checkpointing": True}, {"dropped": ["null"]}),
    (
        "trainer: {activation_checkpointing: false, gradient_checkpointing: true}",
        {"trainer.gradient_checkpointing": False},
        {"dropped": ["trainer.gradient_checkpointing: activation_checkpointing"]},
    ),
    ("trainer: {save_tag: final, no_logger: true}", {"trainer.save_tag": "final"}, {"dropped": ["trainer.no_logger"]}),
    (
        "evaluation: {kwargs: {max_steps: 500, ar_temp: 0.95, nar_temp: 0.25}}",
        {
            "evaluation.kwargs.max_duration": 500,
            "evaluation.kwargs.max_steps": 25,
            "evaluation.kwargs.ar_temperature": 0.95,
            "evaluation.kwargs.nar_temperature": 0.25,
        },
        {"translated": ["steps of the AR part"], "renamed": ["evaluation.kwargs.ar_temp -> "]},
    ),
    (
        "evaluation: {kwargs: {max_steps: 500, max_duration: 600}}",
        {"evaluation.kwargs.max_duration": 600},
        {"dropped": ["evaluation.kwargs.max_steps: evaluation.kwargs.max_duration, which is given"]},
    ),
    ("evaluation: {kwargs: {max_steps: 50}}", {"evaluation.kwargs.max_steps": 50}, {}),
    ("evaluation: {kwargs: {max_ar_steps: 90}}", {"evaluation.kwargs.max_duration": 90}, {}),
    ("evaluation: {kwargs: {max_nar_levels: 0}}", {"evaluation.kwargs.max_levels": 7}, {"dropped": ["all levels"]}),
    (
        "evaluation: {steps: 300, nar_levels: 3}",
        {"evaluation.kwargs.max_duration": 300, "evaluation.kwargs.max_levels": 3},
        {},
    ),
    (
        "dataset: {max_prompts: 2, prom_sample_similar: false, prompt_inject_noise_p: 0.5, prompt_duration: 3.0}",
        {
            "dataset.prompt_max_samples": 2,
            "dataset.prompt_similar_p": 0.0,
            "dataset.prompt_inject_noise": True,
            "dataset.prompt_duration_range": [3.0, 3.0],
        },
        {"renamed": ["dataset.max_prompts -> dataset.prompt_max_samples"], "translated": ["a switch here"]},
    ),
    (
        "dataset: {max_prompts: 2, prompt_max_samples: 1}",
        {"dataset.prompt_max_samples": 1},
        {"dropped": ["dataset.max_prompts: dataset.prompt_max_samples, which is given, too"]},
    ),
    ("dataset: {sample_order: shuffle}", {"dataset.sample_order": "interleaved"}, {"translated": ["every other name"]}),
    ("dataset: {cache: true, hdf5_flag: a, phones_range: [4, 256]}", {}, {"dropped": ["cache", "hdf5_flag", "phones"]}),
    ("dataset: {training: [a/*, b/c], speaker_languages: {ja: [a]}}", {"dataset.training": ["a/*", "b/c"]}, {}),
    (
        "dataset: {speaker_name_getter: 'lambda p: p.parts[-2]'}",
        {"dataset.speaker_name_getter": "{-2}", "dataset.speaker_group_getter": "{-3}"},
        {"translated": ["nothing is evaluated"]},
    ),
    (
        "dataset: {speaker_name_getter: 'lambda p: exit(7)'}",
        {"dataset.speaker_name_getter": "{-3}/{-2}"},
        {"unplaced": ["dataset.speaker_name_getter", "it is not run", "allowed: p.parts[-N]"]},
    ),
    ("dataset: {wrokers: 3}", {}, {"unplaced": ["dataset.wrokers=3: no such setting (nearest: dataset.workers)"]}),
    (
        "models: [{experimental: {dropuot: {a: 1}}}]",
        {},
        {"unplaced": ["models[0].experimental.dropuot", "model.dropout"]},
    ),
    ("loras: [{rnk: 3}]", {}, {"unplaced": ["loras[0].rnk=3", "rank"]}),
    ("dataset: {workers: many}", {"dataset.workers": 2}, {"unplaced": ["dataset.workers='many'", "a whole number"]}),
    ("dataset: {workers: -1}", {}, {"unplaced": ["dataset.workers=-1 is out of range, allowed: at least 0"]}),
    ("dataset: 5", {}, {"unplaced": ["dataset=5", "a group of settings"]}),
    ("models: full", {}, {"unplaced": ["models='full'", "a mapping"]}),
    ("dataset: {speaker_languages: {no: [a]}}", {}, {"unplaced": ["put it in quotes"]}),
    ("weights_name: ${oc.env:HOME}", {"weights_name": "fp32"}, {"unplaced": ["weights_name", "${...}"]}),
    ("models: [{size: gigantic}]", {"model.size": "full"}, {"unplaced": ["models[0].size", "allowed: tiny, quarter"]}),
    (
        "trainer: {weight_dtype: float16, amp: false}",
        {"trainer.weight_dtype": "float32"},
        {"unplaced": ["trainer.weight_dtype", "gradients underflow"]},
    ),
    ("trainer: {amp: true}", {"trainer.weight_dtype": "float16", "trainer.amp": True}, {}),
    ("inference: {weight_dtype: float32}", {"inference.amp": False}, {"kept": ["inference.amp"]}),
    ("dataset: {tasks_list: [tts, stt]}", {"model.tasks": 9}, {"kept": ["model.tasks takes our default"]}),
    (
        "models: [{experimental: {rvq_levels_p: {a: 1}}}]",
        {"model.experimental.rvq_levels_p": "auto"},
        {"unplaced": ["rvq"]},
    ),
    ("optimizations: {compile: inductor}", {"optimizations.compile": "inductor"}, {}),
    ("dataset:\ntrainer:\n", {}, {}),
]


def held(config: Config, name: str) -> Any:
    """The value of a dotted name, an Enum by its name."""
    value: Any = config
    for key in name.split("."):
        value = value[key] if isinstance(value, dict) else getattr(value, key)
    return getattr(value, "name", value)


@pytest.mark.parametrize(("old", "new", "said"), MEANINGS, ids=[old for old, _, _ in MEANINGS])
def test_an_old_fragment_becomes_this_and_is_told_so(old: str, new: dict[str, Any], said: dict[str, list[str]]) -> None:
    done = migrate(yaml.safe_load(old), Path())
    assert {name: held(done.config, name) for name in new} == new
    for title, words in said.items():
        told = "\n".join(getattr(done.report, title))
        assert [word for word in words if word not in told] == [], done.report
    if "unplaced" not in said:
        assert done.report.unplaced == []


def test_what_a_file_leaves_out_is_what_the_reference_took_unless_that_is_said() -> None:
    done = migrate({}, Path())
    kept = "\n".join(done.report.kept)
    for name, deviation in DEVIATIONS.items():
        place = place_of(tuple(name.split(".")))
        if place is None or place.is_section or place.is_mapping or f"{name}=" in kept or f"{name} takes" in kept:
            continue
        if name not in TRANSLATED and name != "hyperparameters.optimizer":
            assert held(done.config, name) == deviation.reference, name
    assert done.config.hyperparameters.warmup_steps == 0 and done.config.model.dropout == 0.1
    assert done.config.dataset.source is None
    assert done.report.unplaced == []


def test_files_are_found_from_the_folder_of_the_yaml_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for name in ("tokenizer.json", "w.sft", "data/ds_config.json"):
        (tmp_path / name).touch()
    done = migrate({"models": [{"path": "w.sft"}], "trainer": {"deepspeed": {"config": {"a": 1}}}}, tmp_path)
    assert done.config.dataset.hdf5_name == f"{tmp_path}/data.h5"
    assert (done.config.tokenizer_path, done.config.weights) == (f"{tmp_path}/tokenizer.json", f"{tmp_path}/w.sft")
    assert done.config.trainer.deepspeed.config_path == f"{tmp_path}/data/ds_config.json"
    assert done.config.trainer.deepspeed.config == {}
    assert any("trainer.deepspeed.config: " in line and "was used in its place" in line for line in done.report.dropped)


def test_without_a_json_file_the_settings_of_deepspeed_stay() -> None:
    done = migrate({"trainer": {"deepspeed": {"config": {"a": {"b": 1}}}}}, Path())
    assert done.config.trainer.deepspeed.config == {"a": {"b": 1}}


TEACHING = {f"hyperparameters.teacher_{name}" for name in ("alpha", "temperature", "loss_fn")}


def composed(text: str, folder: Path) -> Config:
    """The preset `text` as a run would get it from `folder`."""
    (folder / "experiment").mkdir(exist_ok=True)
    (folder / "experiment" / "old.yaml").write_text(text, encoding="utf-8")
    return seal(compose_config("train", [f"hydra.searchpath=[file://{folder}]", "experiment=old"]), Config)


def test_a_complete_file_passes_whole_and_its_preset_says_the_same(tmp_path: Path) -> None:
    old = read_old(COMPLETE)
    done = migrate(old, COMPLETE.parent)
    assert done.report.unplaced == [] and done.report.unavailable == []
    config = composed(preset(done, COMPLETE), tmp_path)
    assert config == done.config
    assert config.model.loss_factors == {"text": 0.2, "resp": 0.9}
    idle = {line.partition(":")[0] for line in done.report.dropped if "it qualifies" in line}
    switched_off = {"dataset.resps_append_p", "hyperparameters.autotune_params.start_profile_step"} | TEACHING
    assert idle <= {*switched_off, *(f"optimizations.{name}" for name in old["optimizations"])}
    for section in ("hyperparameters", "trainer", "inference", "optimizations"):
        for name, value in old[section].items():
            if f"{section}.{name}" not in {*DROPPED, *idle} and not isinstance(value, dict):
                assert str(held(config, f"{section}.{name}")).lower() in (str(value).lower(), f"{value}.0"), name


def test_a_model_like_one_of_ours_builds_on_its_fragment(tmp_path: Path) -> None:
    done = migrate({"models": [{"loss_factors": {"text": 0.1, "prom": 0.5, "resp": 1.0}}]}, Path())
    text = preset(done, Path("old.yaml"))
    assert "override /model: ar+nar-llama-8" in text
    assert composed(text, tmp_path) == done.config
    assert not done.config.model.experimental.split_classifiers


def test_a_preset_that_needs_what_is_missing_says_so() -> None:
    assert "Needs " in preset(migrate({"optimizations": {"tensorrt": True}}, Path()), Path("old.yaml"))
    assert "Needs " not in preset(migrate({}, Path()), Path("old.yaml"))


@pytest.mark.parametrize(
    ("file", "name"),
    [("config.yaml", "config"), ("my run, 2.yml", "my-run-2"), ("日本.yaml", "imported"), ("v1.5.yaml", "v1.5")],
)
def test_the_preset_has_a_name_that_can_be_typed(file: str, name: str) -> None:
    assert preset_name(Path(file)) == name


@pytest.mark.parametrize("name", sorted({*MOVED, *DROPPED}))
def test_an_old_name_moves_or_is_dropped_with_a_reason(name: str) -> None:
    keys = tuple(name.split("."))
    found = list(walk(Old(nested({keys: 1}), Path())))
    said = [outcome for item, outcome in found if item.name == name]
    assert len(said) == 1
    match said[0]:
        case Dropped(reason):
            assert reason
        case Placed(place):
            assert place != keys and place_of(place) is not None
        case other:
            pytest.fail(str(other))


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=6), st.sampled_from(["${x}", "???", "naive"])
)
KEYS = st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.none())
ANYTHING = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)
NAMES = st.sampled_from(sorted({*setting_names(Config), *MOVED, *DROPPED, "models", "loras"}))


def nested_safely(values: dict[str, Any]) -> dict[Any, Any]:
    """A tree with values at dotted names; a value in the way of another gives way."""
    tree: dict[Any, Any] = {}
    for name in sorted(values, key=len):
        *above, last = name.split(".")
        node = tree
        for key in above:
            node[key] = node[key] if isinstance(node.get(key), dict) else {}
            node = node[key]
        node[last] = values[name]
    return tree


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(known=st.dictionaries(NAMES, ANYTHING, max_size=8), foreign=st.dictionaries(KEYS, ANYTHING, max_size=3))
def test_no_content_is_an_error_and_the_result_always_runs(known: dict[str, Any], foreign: dict[Any, Any]) -> None:
    tree = foreign | nested_safely(known)
    done = migrate(tree, Path())
    assert list(problems(done.config)) == []
    assert yaml.safe_load(preset(done, Path("old.yaml")))["hydra"] == {"run": {"dir": "runs/old"}}
