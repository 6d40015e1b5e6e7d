"""The dictionary that DeepSpeed is given, key by key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vall_e.config.composing import compose_config
from vall_e.config.deepspeed_dict import composed_deepspeed_dict, deepspeed_dict
from vall_e.config.schema import Config
from vall_e.config.seal import seal
from vall_e.errors import ConfigError

REFERENCE = (
    "trainer=deepspeed",
    "trainer.weight_dtype=float16",
    "trainer.amp=true",
    "hyperparameters=prodigy",
    "hyperparameters.batch_size=16",
    "hyperparameters.gradient_accumulation_steps=4",
    "hyperparameters.gradient_clipping=1.0",
    "hyperparameters.torch_optimizer=true",
    "hyperparameters.torch_scheduler=true",
    "+hyperparameters.autotune_params.start_profile_step=1",
    "trainer.deepspeed.inferencing=true",
)
"""What the reference configuration says about the optimisation."""


def generated(*overrides: str, world_size: int = 1) -> dict[str, Any]:
    overrides = ("trainer=deepspeed", *overrides)
    return deepspeed_dict(seal(compose_config("train", overrides), Config, may_lack_components=True), world_size)


def test_the_reference_configuration_gives_the_reference_dictionary() -> None:
    assert composed_deepspeed_dict(REFERENCE) == {
        "train_micro_batch_size_per_gpu": 16,
        "gradient_accumulation_steps": 4,
        "gradient_clipping": 1.0,
        "fp16": {
            "enabled": True,
            "auto_cast": True,
            "loss_scale_window": 100,
            "min_loss_scale": 8192.0,
            "loss_scale": 0.0,
        },
        "bf16": {"enabled": False},
        "amp": {"enabled": False},
        "comms_logger": {"enabled": False},
    }


def test_bfloat16_needs_no_loss_scale() -> None:
    made = generated("trainer.weight_dtype=bfloat16", "trainer.deepspeed.loss_scale_window=7")
    assert made["bf16"] == {"enabled": True}
    assert (made["fp16"]["enabled"], made["fp16"]["loss_scale"], made["fp16"]["loss_scale_window"]) == (False, 1.0, 7)


def test_deepspeeds_optimizer_gets_the_learning_rate_as_a_number() -> None:
    made = generated("hyperparameters.optimizer=lamb", "+hyperparameters.optimizer_params.eps=1e-7")
    assert made["optimizer"] == {"type": "lamb", "params": {"lr": 3.25e-4, "eps": 1e-7}}


def test_deepspeeds_scheduler_gets_the_steps_of_the_run() -> None:
    made = generated("hyperparameters.scheduler=WarmupDecayLR", "trainer.iterations=900")
    steps = {"warmup_num_steps": 100, "total_num_steps": 900}
    assert made["scheduler"] == {"type": "WarmupDecayLR", "params": steps}
    made = generated("hyperparameters.scheduler=WarmupDecayLR", "+hyperparameters.scheduler_params.total_num_steps=5")
    assert made["scheduler"]["params"] == {"warmup_num_steps": 100, "total_num_steps": 5}


def test_without_a_scheduler_deepspeed_is_given_none() -> None:
    assert "scheduler" not in generated()


def test_what_is_zero_or_off_is_left_out() -> None:
    made = generated("hyperparameters.gradient_clipping=0")
    assert not {"gradient_clipping", "autotuning", "compression_training", "zero_optimization"} & set(made)


def test_apex_takes_the_place_of_mixed_precision_but_not_with_float16() -> None:
    assert generated("trainer.deepspeed.amp=true", "trainer.amp=true")["amp"] == {"enabled": True}
    assert generated("trainer.deepspeed.amp=true", "trainer.weight_dtype=float16")["amp"] == {"enabled": False}


@pytest.mark.parametrize("level", [1, 2, 3])
def test_zero_shards_over_all_ranks(level: int) -> None:
    made = generated(f"trainer.deepspeed.zero_optimization_level={level}", world_size=4)
    assert made["zero_optimization"] == {
        "stage": level,
        "contiguous_gradients": True,
        "overlap_comm": True,
        "reduce_scatter": True,
        "reduce_bucket_size": 5e8,
        "allgather_bucket_size": 5e8,
        "sub_group_size": 5e8,
        "round_robin_gradients": True,
        "offload_optimizer": {"device": "cpu", "pin_memory": True},
        "offload_param": {"device": "cpu", "pin_memory": True},
        "zero_quantized_weights": False,
        "zero_quantized_gradients": False,
        "zero_hpz_partition_size": 4,
    }


def test_compression_quantises_weights_activations_and_what_zero_sends() -> None:
    made = generated("trainer=deepspeed-compression", "trainer.deepspeed.zero_optimization_level=3")
    shared = {
        "enabled": True,
        "quantizer_kernel": True,
        "schedule_offset": 0,
        "quantize_groups": 64,
        "quantize_verbose": True,
        "quantization_type": "symmetric",
        "rounding": "nearest",
        "quantize_weight_in_forward": True,
        "fp16_mixed_quantize": {"enabled": False, "quantize_change_ratio": 1},
    }
    weights = {"start_bits": 8, "target_bits": 8, "quantization_period": 0}
    modules = ["self_attn", "mlp"]
    assert made["compression_training"] == {
        "weight_quantization": {
            "shared_parameters": shared,
            "different_groups": {"wq1": {"params": weights, "modules": modules}},
        },
        "activation_quantization": {
            "shared_parameters": shared,
            "different_groups": {"aq1": {"params": {"bits": 8}, "modules": modules}},
        },
    }
    zero = made["zero_optimization"]
    assert zero["zero_quantized_weights"] is True and zero["zero_quantized_gradients"] is True


def test_compression_follows_its_bits_and_the_precision() -> None:
    made = generated(
        "trainer=deepspeed-compression", "trainer.deepspeed.compression_bits=4", "trainer.weight_dtype=float16"
    )["compression_training"]
    weights, activations = made["weight_quantization"], made["activation_quantization"]
    assert weights["different_groups"]["wq1"]["params"]["target_bits"] == 4
    assert activations["different_groups"]["aq1"]["params"] == {"bits": 4}
    assert weights["shared_parameters"]["quantize_weight_in_forward"] is False


def test_autotuning_gets_its_arguments_and_folders() -> None:
    made = generated(
        "hyperparameters.autotune=true",
        "+hyperparameters.autotune_params.start_profile_step=1",
        "+hyperparameters.autotune_params.exps_dir=elsewhere",
    )
    assert made["autotuning"] == {
        "results_dir": "autotune/results",
        "exps_dir": "elsewhere",
        "start_profile_step": 1,
        "enabled": True,
    }


def test_a_json_file_beats_what_is_generated_and_settings_beat_the_file(tmp_path: Path) -> None:
    file = tmp_path / "ds.json"
    laid_over = {"gradient_clipping": 2, "fp16": {"enabled": False}, "comms_logger": {}, "wall_clock_breakdown": True}
    file.write_text(json.dumps(laid_over))
    made = generated(
        f"trainer.deepspeed.config_path={file}",
        "+trainer.deepspeed.config.gradient_clipping=3",
        "+trainer.deepspeed.config.bf16={immediate_grad_update:true}",
    )
    assert made["fp16"] == {"enabled": False} and made["comms_logger"] == {}, "whole keys, not their insides"
    assert made["gradient_clipping"] == 3 and made["wall_clock_breakdown"] is True
    assert made["bf16"] == {"immediate_grad_update": True}


@pytest.mark.parametrize(
    ("content", "words"),
    [("{", "is not JSON: "), ("[]", "holds no JSON object"), (b"\xff", "is not JSON: "), (None, "cannot be read: ")],
)
def test_a_wrong_json_file_is_refused_in_one_sentence(content: str | bytes | None, words: str, tmp_path: Path) -> None:
    file = tmp_path / "ds.json"
    if content is not None:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(ConfigError) as caught:
        generated(f"trainer.deepspeed.config_path={file}")
    assert f"trainer.deepspeed.config_path={file} {words}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_mistakes_are_still_refused() -> None:
    with pytest.raises(ConfigError, match=r"model\.dropout=2"):
        composed_deepspeed_dict(["trainer=deepspeed", "model.dropout=2"])
    with pytest.raises(ConfigError, match=r"trainer\.backend=local uses no DeepSpeed: add trainer=deepspeed"):
        composed_deepspeed_dict(["trainer=local"])
