"""Settings of the training data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .setting import setting


class SampleOrder(Enum):
    """How utterances follow each other within an epoch."""

    random = "random"
    duration = "duration"
    interleaved = "interleaved"


TASKS = ("tts",)


@dataclass(kw_only=True)
class DatasetConfig:
    """Which speech is trained on, and how samples and prompts are drawn from it."""

    source: str | None = setting(None, "Folder with meta.jsonl and audio that `vall_e.prepare` reads.")
    hdf5_name: str = setting("data/data.h5", "The prepared dataset, an HDF5 file; relative to the working folder.")
    training: list[str] = setting(["*"], "Speakers of the training split, as patterns over group/speaker.")
    validation: list[str] = setting(["*"], "Speakers of the validation split, as patterns over group/speaker.")
    workers: int = setting(2, "Processes that load samples; 0 loads in the training process.", at_least=0, at_most=256)
    min_utterances: int = setting(2, "Speakers with fewer training utterances are left out.", at_least=1)
    max_utterances: int = setting(0, "Keep only the first N utterances of a speaker; 0 keeps all.", at_least=0)
    duration_range: list[float] = setting(
        [1.0, 12.0], "Seconds an utterance may last to be trained on, inclusive.", at_least=0
    )
    sample_order: SampleOrder = setting(SampleOrder.interleaved, "random, by duration, or speakers in rotation.")
    sample_shuffle: bool = setting(True, "Draw a new order every epoch; batches keep utterances of like length.")
    sample_max_duration_batch: float = setting(
        0.0, "Seconds of target speech in a batch; 0 counts samples only.", at_least=0
    )
    prompt_duration_range: list[float] = setting(
        [3.0, 6.0], "Seconds of a prompt, drawn uniformly; an upper end of 0 means none.", at_least=0
    )
    prompt_max_samples: int = setting(3, "Utterances joined into one prompt at most.", at_least=1)
    tasks_list: list[str] = setting(["tts"], "Tasks drawn uniformly; repeat one to weight it.", allowed=TASKS)

    def problems(self) -> Iterator[str]:
        """Relations between settings that do not hold."""
        for name in ("duration_range", "prompt_duration_range"):
            bounds = getattr(self, name)
            if len(bounds) != 2 or (bounds[0] > bounds[1] and bounds[1] > 0):
                yield f"{name}={bounds} must be two numbers, the lower first"
        if not self.tasks_list:
            yield f"tasks_list=[] names no task, allowed: {', '.join(TASKS)}"
