"""Evaluation of a weights file on a dataset."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path

from vall_e.audio import open_codec
from vall_e.audio.codec import CodecIdentity
from vall_e.config.hub import weights_path
from vall_e.config.schema import Config
from vall_e.data.dataset import SpeechDataset
from vall_e.data.sample import Sample
from vall_e.data.sampling.cursor import SampleCursor
from vall_e.data.store.store import Store
from vall_e.decoding.transcribe import check_hears
from vall_e.device import choose_device
from vall_e.errors import ConfigError, DataError
from vall_e.models.lora.loading import attach_trained
from vall_e.models.weights.weights_file import LoadedWeights, load_weights

from .evaluator import Evaluator

log = logging.getLogger(__name__)

SPLITS = {"subtrain": "training", "val": "validation"}


def evaluate(cfg: Config, folder: Path) -> float:
    """Evaluate `cfg.weights` on both splits of `cfg.dataset` into `folder`; returns the mean mel-STFT of `val`.

    Model, tokenizer and codec are those of the weights file; DataError if the dataset's codes are of another codec.
    `evaluation.size` samples a split; a smaller split is begun again with other prompts.
    """
    if cfg.weights is None:
        raise ConfigError(
            "weights= is not set: name the weights file to evaluate, "
            "for example runs/demo/ckpt/ar+nar-tiny-llama-8/fp32.safetensors"
        )
    if not cfg.evaluation.size:
        raise ConfigError("evaluation.size=0 leaves nothing to evaluate, allowed here: at least 1")
    weights = load_weights(weights_path(cfg.weights), choose_device(cfg.device))
    tokenizer = weights.tokenizer if "stt" in cfg.dataset.tasks else None
    if tokenizer is not None:
        check_hears(weights.model)
    codec = open_codec(cfg.audio_backend, cfg.codec, cfg.device)
    check_codecs(cfg, weights.codec, codec.identity)
    attach_trained(weights.model, cfg.loras, weights.tokenizer, weights.codec)
    passes = {name: _samples(cfg, weights, split) for name, split in SPLITS.items()}
    evaluator = Evaluator(codec, cfg.evaluation, cfg.seed, tokenizer=tokenizer)
    result = evaluator.evaluate(weights.model, passes, folder, weights.step)
    log.info("%s", result.summary())
    log.info("To listen: %s", result.page)
    return result.metrics["val.mel_stft"]


def check_codecs(cfg: Config, learnt: CodecIdentity, opened: CodecIdentity) -> None:
    """The codec the weights learnt is the one in use and the one of the dataset, by name and by its weights."""
    with Store(Path(cfg.dataset.hdf5_name)) as store:
        prepared = store.info.codec
    if not learnt.agrees(opened):
        raise ConfigError(
            f"weights={cfg.weights} speaks codes of the codec {_called(learnt)}, but audio_backend={cfg.audio_backend} "
            f"is {_called(opened)}: set audio_backend={learnt.name}, and codec.path to its weights"
        )
    if not learnt.agrees(prepared):
        raise DataError(
            f"dataset.hdf5_name={cfg.dataset.hdf5_name} holds codes of the codec {_called(prepared)}, but "
            f"weights={cfg.weights} speaks those of {_called(learnt)}: prepare the dataset with that codec"
        )


def _called(codec: CodecIdentity) -> str:
    return f"{codec.name} ({codec.digest})"


def _samples(cfg: Config, weights: LoadedWeights, split: str) -> list[Sample]:
    store, rate = Path(cfg.dataset.hdf5_name), weights.codec.frame_rate
    dataset = SpeechDataset(
        store,
        replace(cfg.dataset, tasks_list=["tts"]),
        weights.tokenizer,
        split,
        rate,
        cfg.seed,
        tolerant=cfg.silent_errors,
        open_codec=partial(open_codec, cfg.audio_backend, cfg.codec, cfg.dataset.reencode_device),
    )
    return SampleCursor(dataset, cfg.seed).take(cfg.evaluation.size)
