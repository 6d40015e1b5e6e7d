"""Settings of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .path_name import path_name_problem
from .setting import setting


class SampleType(Enum):
    """What an epoch goes through."""

    path = "path"
    speaker = "speaker"
    group = "group"


class SampleOrder(Enum):
    """How utterances follow each other within an epoch."""

    random = "random"
    duration = "duration"
    interleaved = "interleaved"


TASKS = ("tts", "tts-c", "stt", "len", "ns", "sr", "tse", "cse", "nse")
NOISY_TASKS = frozenset({"ns", "sr", "nse"})
TASK_ROWS = {"tts": 1, "tts-c": 2, "stt": 9, "len": 1, "ns": 3, "sr": 4, "tse": 5, "cse": 8, "nse": 8}
"""Rows of the task embedding that a task needs at least."""


@dataclass(kw_only=True)
class DatasetConfig:
    """Which speech is trained on, and how samples and prompts are drawn from it."""

    source: str | None = setting(None, "Folder of recordings that `vall_e.prepare` reads by `preparation.recipe`.")
    hdf5_name: str = setting("data.h5", "The prepared dataset, an HDF5 file; relative to the working folder.")
    use_hdf5: bool = setting(
        True,
        "Read samples from the HDF5 file.",
        needs="reading of single code files by training; python -m vall_e.prepare makes one file of them",
    )
    training: list[str] = setting([], "Speakers to train on, as patterns over group/speaker; [] takes all.")
    validation: list[str] = setting([], "Speakers to evaluate on, as patterns over group/speaker; [] takes all.")
    noise: list[str] = setting([], "Noise clips, as patterns over group/name.")
    speaker_name_getter: str = setting(
        "{-3}/{-2}", "Speaker of a manifest line that names none: {-2} is the folder of the audio, {-3} the one above."
    )
    speaker_group_getter: str = setting(
        "{-3}", "Group of a speaker's name without one: {-3} is the folder above that of the audio."
    )
    speaker_languages: dict[str, list[str]] = setting(
        {}, "Language of a manifest line that names none: {language: [group, ...]}; others are English."
    )
    validate: bool = setting(True, "Leave out training utterances outside duration_range.")
    workers: int = setting(2, "Processes that load samples; 0 loads in the training process.", at_least=0, at_most=256)
    min_utterances: int = setting(2, "Speakers with fewer training utterances are left out.", at_least=1)
    max_utterances: int = setting(0, "Keep only the first N utterances of a speaker; 0 keeps all.", at_least=0)
    duration_range: list[float] = setting(
        [1.0, 12.0], "Seconds an utterance may last to be trained on, inclusive.", at_least=0
    )
    sample_type: SampleType = setting(
        SampleType.path,
        "An epoch goes through all utterances (path), or draws one of each speaker or group, equally.",
    )
    sample_order: SampleOrder = setting(SampleOrder.interleaved, "random, by duration, or speakers in rotation.")
    sample_shuffle: bool = setting(True, "Draw a new order every epoch; batches keep utterances of like length.")
    sample_max_duration_batch: float = setting(
        0.0, "Seconds of target speech in a batch, joined utterances not counted; 0 counts samples only.", at_least=0
    )
    sample_max_positions_batch: int = setting(
        0, "Positions of a batch at most, each sample taken for as long as it may become; 0 counts none.", at_least=0
    )
    prompt_duration_range: list[float] = setting(
        [3.0, 6.0], "Seconds of a prompt, drawn uniformly; an upper end of 0 means none.", at_least=0
    )
    prompt_max_samples: int = setting(3, "Utterances joined into one prompt at most.", at_least=1)
    prompt_continuous_utterance_p: float = setting(
        0.0,
        "Chance that a target of tts or tts-c is prompted by its own beginning, and begins after that.",
        at_least=0,
        at_most=1,
    )
    prompt_similar_p: float = setting(
        0.0, "Chance to prompt with a similar utterance, which the dataset must know.", at_least=0, at_most=1
    )
    prompt_similar_top_k: int = setting(1, "Nearest utterances it is drawn from.", at_least=1)
    prompt_similar_top_k_offset: int = setting(0, "Nearest utterances that are skipped.", at_least=0)
    prompt_inject_noise: bool = setting(False, "Mix noise into prompts.")
    resps_max_samples: int = setting(1, "Utterances of a speaker joined into one target at most.", at_least=1)
    resps_append_p: float = setting(1.0, "Chance of such joining.", at_least=0, at_most=1)
    resps_pad_silence_p: float = setting(
        0.0, "Chance to pad a target with silence to whole seconds.", at_least=0, at_most=1
    )
    tasks_list: list[str] = setting(["tts"], "Tasks drawn uniformly; repeat one to weight it.", allowed=TASKS)
    reencode_on_concat: bool = setting(False, "Join utterances as waveforms and encode them anew.")
    reencode_device: str = setting(
        "cpu", "Where samples are mixed, joined and encoded anew; a GPU goes with workers=0 alone."
    )
    noise_scale: float = setting(0.25, "Gain of noise that is mixed in.", at_least=0, at_most=10)

    @property
    def tasks(self) -> list[str]:
        """`tasks_list` as the tasks are spelt."""
        return [task.lower() for task in self.tasks_list]

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        for name in ("duration_range", "prompt_duration_range"):
            bounds = getattr(self, name)
            if len(bounds) != 2 or (bounds[0] > bounds[1] and bounds[1] > 0):
                yield f"{name}={bounds} must be two numbers, the lower first"
        for name in ("speaker_name_getter", "speaker_group_getter"):
            if problem := path_name_problem(getattr(self, name)):
                yield f"{name}={getattr(self, name)!r} {problem}"
        if not self.tasks_list:
            yield f"tasks_list=[] names no task, allowed: {', '.join(TASKS)}"
        if self.reencode_device != "cpu" and self.workers:
            yield f"reencode_device={self.reencode_device} goes with workers=0 alone, allowed with workers: cpu"
        if self.sample_order is SampleOrder.duration and self.sample_type is not SampleType.path:
            yield "sample_order=duration needs sample_type=path"
        if self.sample_max_duration_batch and self.sample_max_duration_batch < self.duration_range[-1]:
            yield (
                f"sample_max_duration_batch={self.sample_max_duration_batch:g} does not hold one utterance of "
                f"duration_range={self.duration_range}"
            )
