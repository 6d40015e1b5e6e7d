"""Where settings differ from those of the reference system, and why.

One entry for every field of its configuration whose name, type or default is another here, by its dotted name in our
naming; a field that does not exist here has the name it would have. A field without an entry is the same in both. That
a choice of names is an Enum here, or that a range is checked, is no difference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deviation:
    """One difference."""

    reference: Any
    """The reference's default."""
    reason: str
    """Why it differs here, in one sentence."""
    keep_ours: bool = False
    """Whether an imported configuration that leaves the field out takes our default, as the reference's is unsafe."""


DEVIATIONS: dict[str, Deviation] = {
    "yaml_path": Deviation(None, "Hydra knows which files a run was composed of and keeps them in `.hydra`."),
    "device": Deviation("cuda", "auto takes a GPU where there is one and a CPU elsewhere.", keep_ours=True),
    "mode": Deviation("training", "The app that is started says whether it trains or speaks."),
    "models": Deviation([], "One model is trained in a run, `model`; a teacher is a weights file, `teacher`."),
    "loras": Deviation([], "A mapping by name can be merged and overridden, a list only replaced."),
    "tokenizer_path": Deviation("./tokenizer.json", "A tokenizer ships with vall_e, so that no file is needed."),
    "audio_backend": Deviation("vocos", "A codec ships with vall_e, so that nothing is downloaded."),
    "weights_format": Deviation("sft", "safetensors is the suffix that other tools look for."),
    "supported_weights_formats": Deviation(
        ["sft", "safetensors", "pt", "pth"], "A weights file is named in full, so that no suffix is guessed."
    ),
    "dataset.speaker_name_getter": Deviation(
        "lambda p: f'{p.parts[-3]}_{p.parts[-2]}'",
        "A path template does what the lambda did without evaluating text, and a speaker is named group/speaker.",
    ),
    "dataset.speaker_group_getter": Deviation(
        "lambda p: f'{p.parts[-3]}'", "A path template does what the lambda did without evaluating text."
    ),
    "dataset.use_hdf5": Deviation(False, "`vall_e.prepare` writes one HDF5 file, which loads faster than many files."),
    "dataset.hdf5_flag": Deviation("a", "Each app opens the file as it needs it: training reads, preparing writes."),
    "dataset.use_metadata": Deviation(False, "Paths and durations are in the index of the HDF5 file."),
    "dataset.cache": Deviation(True, "The index of the HDF5 file is read at once, so there is nothing to cache."),
    "dataset.workers": Deviation(8, "Two processes keep up with training; eight exhaust a small machine."),
    "dataset.prompt_similar_p": Deviation(0.75, "It takes an index of similar utterances, which few datasets have."),
    "dataset.retokenize_text": Deviation(False, "Phonemes are tokenised when they are loaded, always."),
    "dataset._frames_per_second": Deviation(0, "The frame rate is a fact of the codec: `codec.frame_rate`."),
    "model.tasks": Deviation(8, "The ninth row is speech-to-text, which the published weights have."),
    "model.training": Deviation(False, "The model of a run is the one in training.", keep_ours=True),
    "model.path": Deviation(None, "The weights a run starts from are named by the root setting `weights`."),
    "model.kwargs": Deviation({}, "It was reserved and never read."),
    "model.experimental.split_classifiers": Deviation(False, "The published weights have a head for every level."),
    "model.experimental.audio_embedding_sums": Deviation(False, "The published weights sum the levels before."),
    "model.experimental.unified_position_ids": Deviation(True, "The published weights restart positions by segment."),
    "model.experimental.noncausal_masks": Deviation(
        False, "NAR levels are predicted at once, so nothing is gained by hiding what follows."
    ),
    "hyperparameters.gradient_accumulation_steps": Deviation(32, "One batch a step shows progress on small data."),
    "hyperparameters.optimizer": Deviation("Adamw", "Names are written in lower case; they are read in any case."),
    "evaluation.batch_size": Deviation(64, "Eight samples fit a small GPU."),
    "evaluation.size": Deviation(64, "Sixteen samples take seconds, not minutes, of a training run."),
    "evaluation.kwargs": Deviation({}, "Every sampling setting is typed, so that a misspelt one is refused."),
    "trainer.export_on_quit": Deviation(False, "Who ends a run wants its weights."),
    "trainer.keep_last_checkpoints": Deviation(0, "Keeping all of them fills the disk."),
    "trainer.strict_loading": Deviation(
        False, "Weights that do not fit would leave layers untrained unnoticed.", keep_ours=True
    ),
    "trainer.resize_modules": Deviation(
        True, "Weights of another size would be cut or extended unnoticed.", keep_ours=True
    ),
    "trainer.weight_dtype": Deviation("float16", "float16 alone underflows, and is slow without a GPU."),
    "optimizations.model_offloading": Deviation(None, "Its settings are typed, so that a misspelt one is refused."),
    "inference.weight_dtype": Deviation("float16", "float32 speaks the same on every device."),
    "inference.amp": Deviation(True, "float32 speaks the same on every device."),
}
