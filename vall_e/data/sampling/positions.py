"""How long the sequences of samples may become, known before they are drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig

from .batches import Numbers

MARKS = 10
"""Begin and end of the text, level, language, tone, task, and separators between segments."""
HEARD_TOO = frozenset({"ns", "sr", "tse"})
"""Tasks whose prompt is as long as the target, and is extended and padded with it."""
UNEXTENDED = frozenset({"cse", "nse"})
"""Tasks whose target is of several utterances anyway, and is not extended."""
FURTHER = {"tts-c": 1, "ns": 1, "sr": 1, "tse": 1, "cse": 5, "nse": 5}
"""Utterances that a task's sequence holds at most besides the own one and a prompt."""


def longest_positions(
    frames: npt.NDArray[np.int64], phoneme_bytes: npt.NDArray[np.int32], cfg: DatasetConfig, frame_rate: float
) -> Numbers:
    """Positions of the longest sample that each utterance may become: int64 [n].

    Text counts a position a byte of its phonemes, [n], prompts are as long as `cfg` allows, and whatever else a task
    joins to the utterance is as long as the longest utterance.
    """
    own = frames + phoneme_bytes
    times = {task: 0 if task in UNEXTENDED else 2 if task in HEARD_TOO else 1 for task in cfg.tasks}
    further = max(FURTHER.get(task, 0) + count * (cfg.resps_max_samples - 1) for task, count in times.items())
    silence = max(times.values()) * int(np.ceil(frame_rate)) if cfg.resps_pad_silence_p else 0
    prompt = int(max(cfg.prompt_duration_range[1], 0) * frame_rate)
    return np.asarray(own + further * int(own.max(initial=0)) + prompt + silence + MARKS, np.int64)
