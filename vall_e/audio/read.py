"""Audio files in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from vall_e.atomic import replacing
from vall_e.errors import AudioError

Wave = npt.NDArray[np.float32]


def read_audio(path: Path, sample_rate: int) -> Wave:
    """Any file libsndfile reads, as mono float32 [N] at `sample_rate`; loudness is kept, channels are averaged."""
    if not path.is_file():
        raise AudioError(f"{path}: no such audio file")
    try:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{path}: not a readable audio file ({error})") from error
    if not len(wave):
        raise AudioError(f"{path}: holds no audio")
    mono: Wave = wave.mean(axis=1)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    return mono


def write_wav(path: Path, wave: Wave, sample_rate: int) -> None:
    """Write float32 [N] in -1..1 as 16-bit WAV, atomically; folders are made, what exceeds the range is clipped."""
    with replacing(path) as partial:
        soundfile.write(partial, np.clip(wave, -1, 1), sample_rate, format="WAV", subtype="PCM_16")
