"""What is refused, and the words a user is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hydra.errors import HydraException

from vall_e.config.composing import compose_config
from vall_e.config.explain import explain
from vall_e.config.fault import is_users
from vall_e.config.schema import Config
from vall_e.config.seal import seal

# override(s) -> words that the message must hold: key, value, what is allowed, the nearest name
REFUSED = {
    "model.droput=0.1": ["model.droput=0.1", "no such setting", "allowed: arch_type", "nearest: model.dropout"],
    "+model.droput=0.1": ["model.droput=0.1", "no such setting", "nearest: model.dropout"],
    "+dataset.min_uterances=4": ["dataset.min_uterances=4", "nearest: dataset.min_utterances"],
    "evaluation.kwargs.top_l=3": ["evaluation.kwargs.top_l=3", "nearest: evaluation.kwargs.top_"],
    "modle=x": ["modle=x", "no such setting", "nearest: model"],
    "experimnt=demo": ["experimnt=demo", "nearest: experiment"],
    "learning_rate=1e-3": ["learning_rate=1e-3", "nearest: hyperparameters.learning_rate"],
    "hydra.job.nam=x": ["hydra.job.nam=x", "nearest: hydra.job.name"],
    "model=ar+nar-lama-8": ["model=ar+nar-lama-8", "allowed: ar+nar-8xmixtral-8", "nearest: model=ar+nar-llama-8"],
    "experiment=dem": ["experiment=dem", "nearest: experiment=demo"],
    "experiment=sweep/learning": ["experiment=sweep/learning does", "nearest: experiment=sweep/learning-rate"],
    "experiment=[demo,dem]": ["experiment=dem does not exist", "nearest: experiment=demo"],
    "experiment=null": ["the name of one of its options"],
    "codec=focos": ["codec=focos does not exist", "allowed: builtin, dac, encodec, vocos", "nearest: codec=vocos"],
    "model.dropout=abc": ["model.dropout=abc", "allowed: a number, at least 0, below 1"],
    "model.dropout=[1]": ["model.dropout=[1]", "a number"],
    "model.dropout=1": ["model.dropout=1.0", "out of range", "at least 0, below 1"],
    "model.dropout=nan": ["model.dropout=nan", "finite"],
    "hyperparameters.learning_rate=inf": ["hyperparameters.learning_rate=inf", "finite"],
    "model.dropout=???": ["model.dropout", "no value given"],
    "seed=1.5": ["seed=1.5", "a whole number, at least 0"],
    "seed=null": ["seed=null", "a whole number"],
    "dataset.tasks_list=[tts,nse] model.tasks=7": ["model.tasks=7 has no row for nse", "allowed: 8 and up"],
    "dataset.tasks_list=[tts,stt] +model.loss_factors.resp=1": ["has no text", "+model.loss_factors.text=1"],
    "dataset.tasks_list=[tts,nsr]": ["tasks_list='nsr' is not allowed", "cse, nse"],
    "dataset.reencode_device=cuda": ["reencode_device=cuda goes with workers=0 alone", "allowed with workers: cpu"],
    "trainer.save_tag=latest": ["trainer.save_tag=latest is no name of a checkpoint folder"],
    "trainer.save_tag=.hidden": ["trainer.save_tag=.hidden is no name of a checkpoint folder"],
    "trainer.save_tag=../x": ["trainer.save_tag=../x is no name of a checkpoint folder"],
    "trainer.amp=maybe": ["trainer.amp=maybe", "true or false"],
    "trainer.backend=locl": ["trainer.backend=locl", "allowed: local, deepspeed", "nearest: local"],
    "trainer.backend=deepspeed trainer.ema_decay=0.9": ["trainer.ema_decay does not go with trainer.backend=deepspeed"],
    "hyperparameters.optimizer=lamb": ["hyperparameters.optimizer=lamb is DeepSpeed's", "trainer.backend=deepspeed"],
    "hyperparameters.scheduler=OneCycle": ["hyperparameters.scheduler=OneCycle is DeepSpeed's"],
    "+hyperparameters.autotune_params.fast=false": ["hyperparameters.autotune_params={", "is not available", "sweep"],
    "audio_backend=vocos": ["audio_backend=vocos is not available", "available: builtin, encodec"],
    "model.arch_type=mmfreelm": ["arch_type=mmfreelm is not available", "available: llama, mistral, mixtral, retnet"],
    "model.arch_type=mamba": ["model.experimental.noncausal_masks=true does not go with arch_type=mamba"],
    "model=ar+nar-mamba-8 model.attention=math": ["model.attention=math does not go with arch_type=mamba"],
    "model=ar+nar-mamba-8 optimizations.compile=true": ["compile compiles MLPs, and model.arch_type=mamba has none"],
    "model.arch_type=retnet": ["model.experimental.noncausal_masks=true does not go with arch_type=retnet"],
    "model=ar+nar-mamba2-8 model.attention=math": ["model.attention=math does not go with arch_type=mamba2"],
    "model.attention=xformers": ["attention=xformers is not available", "available: auto", "flex, varlen, flash_att"],
    "model.attention=flash_attn": [
        "flash_attn does not go with trainer.weight_dtype=float32",
        "add trainer.weight_dty",
    ],
    "model.attention=varlen model.dropout=0.1": ["dropout=0.1 does not go with attention=varlen", "flex or flash_attn"],
    "model.attention=varlen device=cpu": ["model.attention=varlen does not go with device=cpu"],
    "model=ar+nar-mamba2-8 optimizations.compile=true": ["compile compiles MLPs, and model.arch_type=mamba2 has none"],
    "model=ar+nar-mamba2-8 model.experts=4": ["experts=4 does not go with arch_type=mamba2", "llama, mixtral"],
    "model.arch_type=transformer model.experimental.kv_heads=1": ["kv_heads=1 does not go with arch_type=transformer"],
    "model.experimental.kv_heads=5": ["kv_heads=5 does not divide the 3 heads"],
    "model.version=1": ["model.version=1 is not available: needs the layout of generation 1"],
    "model=ar+nar-llama-8 model.version=3": ["audio_embedding_sums_mode=legacy does not go with version=3"],
    "model.version=4 model.capabilities=[ar,nar,len]": ["len does not go with version=4, which has no embedding of it"],
    "model.experimental.retnet_layout=old": ["retnet_layout=old does not go with arch_type=llama, allowed: new"],
    "model.experimental.interleave=true": ["interleave=true does not go with capabilities=['ar', 'nar']"],
    "model=ar+nar-len-llama-8 model.experimental.hf=true": ["len does not go with experimental.hf=true"],
    "model.experimental.hf=true dataset.tasks_list=[tts,stt]": [
        "dataset.tasks_list=['tts', 'stt'] does not go with model.experimental.hf=true: it hears all levels at once"
    ],
    "model.experimental.hf=true tokenizer=naive": ["tokenizer=naive does not go with model.experimental.hf=true"],
    "model.experimental.hf=true trainer.resize_modules=true": ["resize_modules=true does not go with model.experiment"],
    "trainer=deepspeed-zero3 model.experimental.tie_classifier_to_embedding=true": ["gathers the weights of each"],
    "preparation.shard=2 preparation.shards=2": ["preparation.shard=2", "allowed with shards=2: 0 to 1"],
    "preparation.recipe=libry": ["preparation.recipe='libry' is not allowed", "nearest: libri"],
    "preparation.transcribe_all=true": ["preparation.transcribe_all=true needs a Whisper model"],
    "preparation.duration_range=[5,1]": ["preparation.duration_range=[5.0, 1.0]", "the lower first"],
    "optimizations.fp8=true": ["optimizations.fp8=true swaps linear layers: add optimizations.replace=true"],
    "optimizations=bitnet optimizations.fp8=true": ["bitnet=true and fp8=true are two kinds of linear layers"],
    "optimizations=bitsandbytes hyperparameters.optimizer=muon": ["optimizations.bitsandbytes=true has no muon"],
    "hyperparameters=muon hyperparameters.scheduler=schedulefree": ["scheduler=schedulefree has no muon"],
    "hyperparameters=schedulefree trainer.ema_decay=0.9": ["schedulefree does not go with trainer.ema_decay=0.9"],
    "hyperparameters=muon trainer=deepspeed-zero2": ["hyperparameters.optimizer=muon does not go with ZeRO"],
    "optimizations.model_offloading={devices:[cpu]}": ["optimizations.model_offloading is null: optimizations=offload"],
    "optimizations.model_offloading.devices=[cpu]": ["optimizations.model_offloading is null: optimizations=offload"],
    "optimizations=offload optimizations.model_offloading.device=cpu": [
        "nearest: optimizations.model_offloading.devic"
    ],
    "optimizations=offload optimizations.model_offloading.devices=[gpu]": ["devices=['gpu']", "cpu, cuda or cuda:N"],
    "optimizations=offload optimizations.model_offloading.limits=[half]": [
        "model_offloading.limits[0]=half",
        "Float",
    ],
    "optimizations=offload optimizations.model_offloading={devices:[cpu],limits:[1,2]}": ["for 2 devices", "are 1"],
    "optimizations=offload optimizations.model_offloading.assign=[layers.0.]": ["assign=[layers.0.]", "is not a"],
    "optimizations=compile trainer.backend=deepspeed trainer.deepspeed.zero_optimization_level=3": [
        "optimizations.compile does not go with trainer.deepspeed.zero_optimization_level=3"
    ],
    "optimizations=offload trainer.ddp=true": ["model_offloading does not go with trainer.ddp=true"],
    "optimizations=unsloth trainer.gradient_checkpointing=false": ["unsloth=true needs trainer.gradient_checkpointing"],
    "trainer.checkpoint_every=2 trainer.gradient_checkpointing=false": [
        "trainer.checkpoint_every=2 needs gradient_checkpointing=true"
    ],
    "+lora@loras.voice=r8 +lora@loras.style=r8": ["loras.style.name=lora makes it lora-r8-a8, as loras.voice is"],
    "audio_backend=encodek": ["audio_backend=encodek", "allowed: builtin, encodec", "nearest: encodec"],
    "dataset.workers=-1": ["dataset.workers=-1", "at least 0, at most 256"],
    "dataset.duration_range=3": ["dataset.duration_range=3", "a list"],
    "dataset.duration_range=[5,1]": ["dataset.duration_range=[5.0, 1.0]", "the lower first"],
    "dataset.tasks_list=[sing]": ["dataset.tasks_list='sing'", "allowed: tts, tts-c"],
    "hyperparameters.optimizer=adan": ["hyperparameters.optimizer='adan'", "allowed: adamw", "nearest: adam"],
    "+model.loss_factors.rep=1": ["model.loss_factors.rep", "allowed: text, prom, resp", "nearest: resp"],
    "+model.loss_factors.resp=x": ["model.loss_factors.resp=x"],
    "model.loss_factors={resp:1}": ["+model.loss_factors.resp="],
    "evaluation.kwargs.beam_width=4 evaluation.kwargs.ras_window=10": ["beam_width=4 does not go with ras_window=10"],
    "evaluation.kwargs.beam_width=4 evaluation.kwargs.chunk_frames=9": ["beam_width=4 needs chunk_frames=0, not 9"],
    "evaluation.kwargs.beam_width=101": ["beam_width=101 is out of range", "at least 0, at most 100"],
    "evaluation.kwargs.ras_window=9 evaluation.kwargs.modality=nar-len": ["ras_window=9 does not go with modality=nar"],
    "evaluation.kwargs.entropix_sampling=true evaluation.kwargs.ar_temperature=0": [
        "entropix_sampling=true needs ar_temperature above 0"
    ],
    "evaluation.kwargs.entropix_sampling=true evaluation.kwargs.min_ar_temperature=0.5": [
        "min_ar_temperature=0.5 does not go with entropix_sampling=true"
    ],
    "evaluation.kwargs.mirostat_tau=3": ["mirostat_tau=3.0 needs mirostat_eta above 0"],
    "model=ar+nar-mamba2-8 evaluation.kwargs.entropix_sampling=true": ["needs attention, model.arch_type=mamba2 has"],
    "evaluation.kwargs.modality=nar-len": ["evaluation.kwargs.modality=nar-len needs len among model.capabilities"],
    "model=nar-len-llama-8 evaluation.kwargs.modality=ar+nar": ["modality=ar+nar needs ar among model.capabilities"],
    "dataset.tasks_list=[tts,len]": ["dataset.tasks_list=['tts', 'len'] needs len among model.capabilities"],
    "model=nar-len-llama-8 dataset.tasks_list=[len] +model.loss_factors.resp=1": ["+model.loss_factors.len=1"],
    "model.size=quater": ["model.size='quater'", "nearest: quarter"],
    "model.size={dim:64}": ["model.size={'dim': 64}", "dim, heads, layers"],
    "model.resp_levels=9": ["model.resp_levels=9", "8 levels", "audio_backend=builtin"],
    "codec.levels=4": ["codec.levels=4", "audio_backend=builtin"],
    "device=gpu": ["device='gpu'", "allowed: auto, cpu, cuda"],
    "tokenizer=naive tokenizer_path=x.json": ["tokenizer=naive", "tokenizer_path"],
    "dataset.source=a!b": ["dataset.source=a!b", "quoted twice"],
    "dataset.hdf5_name=${vall_e.codec:levles,builtin}": ["dataset.hdf5_name", "levles", "nearest: levels"],
}


def complaint(*overrides: str) -> str:
    """What a user is told of overrides that must be refused."""
    try:
        seal(compose_config("train", overrides), Config)
    except Exception as error:
        assert is_users(error), error
        return explain(error)
    pytest.fail(f"{overrides} passed")


@pytest.mark.parametrize("overrides", REFUSED)
def test_a_wrong_override_is_refused_in_these_words(overrides: str) -> None:
    told = complaint(*overrides.split())
    assert [words for words in REFUSED[overrides] if words not in told] == [], told
    assert "object_type" not in told and "To append" not in told


def test_all_problems_are_told_at_once() -> None:
    told = complaint("seed=-1", "model.dropout=2", "+model.droput=3", "dataset.workers=-1", "device=gpu").splitlines()
    assert len(told) == 5


def test_train_codec_has_a_root_of_its_own() -> None:
    with pytest.raises(HydraException) as caught:
        compose_config("train_codec", ["step=3"])
    assert explain(caught.value).endswith("(nearest: steps)")


FRAGMENTS = {
    "dropuot: 0.5": ["In 'model/mine'", "model.dropuot", "nearest: model.dropout"],
    "experimental: {split_clasifiers: true}": [
        "model.experimental.split_clasifiers",
        "nearest: model.experimental.split_",
    ],
    "dropout: high": ["In 'model/mine'", "model.dropout=high", "allowed: a number"],
    "dropout: 7": ["model.dropout=7.0", "at least 0, below 1"],
    "dropout: [": ["mine.yaml", "line"],
}


@pytest.mark.parametrize("content", FRAGMENTS)
def test_a_wrong_fragment_of_a_user_is_refused_in_these_words(content: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text(f"defaults: [/schema/model@_here_, _self_]\n{content}\n")
    told = complaint_of_folder(tmp_path, "model=mine")
    assert [words for words in FRAGMENTS[content] if words not in told] == [], told


def test_a_fragment_without_a_schema_line_is_checked_too(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mine.yaml").write_text("dropuot: 0.5\n")
    assert "nearest: model.dropout" in complaint_of_folder(tmp_path, "model=mine")


def test_a_preset_that_overrides_an_unknown_group_is_told_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "mine.yaml").write_text("# @package _global_\ndefaults: [override /modle: x]\n")
    assert "nearest: model" in complaint_of_folder(tmp_path, "experiment=mine")


def complaint_of_folder(folder: Path, override: str) -> str:
    """What a user is told of a fragment of their own, found with `hydra.searchpath`."""
    return complaint(f"hydra.searchpath=[file://{folder}]", override)
