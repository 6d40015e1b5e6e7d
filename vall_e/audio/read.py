"""Audio files in and out."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from vall_e.atomic import replacing
from vall_e.errors import AudioError

from .cut_short import missing_bytes
from .media import decode_media, is_media

Wave = npt.NDArray[np.float32]
Span = tuple[float, float]
"""Seconds from the beginning of a recording: from, to."""

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
MOST_CHANNELS = 8
LONGEST_SECONDS = 12 * 3600.0
_media_lock = Lock()


def read_audio(
    source: Path | BytesIO, sample_rate: int, *, span: Span | None = None, longest: float = LONGEST_SECONDS
) -> Wave:
    """Any file libsndfile reads, as mono float32 [N] at `sample_rate`; loudness is kept, channels are averaged.

    Other formats are read through PyAV (extra `media`). Of a `span` in seconds only that is read. AudioError for what
    is no audio, has rates or channels that no speech has, or lasts more than `longest` seconds.
    """
    if isinstance(source, Path) and not source.is_file():
        raise AudioError(f"{source}: no such audio file")
    name = "embedded audio" if isinstance(source, BytesIO) else str(source)
    if isinstance(source, Path) and is_media(source):
        wave, rate = decode_media(source, longest) if span is None else _media_span(source, span)
    else:
        wave, rate = _read_frames(source, name, span, longest)
    _check(name, len(wave), rate, wave.shape[1], longest)
    mono: Wave = wave.mean(axis=1)
    if rate != sample_rate:
        mono = soxr.resample(mono, rate, sample_rate)
    return mono


def audio_seconds(source: Path | BytesIO) -> float:
    """How long a recording lasts by its header; AudioError as `read_audio`."""
    if isinstance(source, Path) and not source.is_file():
        raise AudioError(f"{source}: no such audio file")
    name = "embedded audio" if isinstance(source, BytesIO) else str(source)
    if isinstance(source, Path) and is_media(source):
        wave, rate = decode_media(source, LONGEST_SECONDS)
        return len(wave) / rate
    try:
        info = soundfile.info(source)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise AudioError(f"{name}: not a readable audio file ({error})") from error
    _check(name, info.frames, info.samplerate, info.channels, LONGEST_SECONDS)
    return float(info.frames / info.samplerate)


def _media_span(path: Path, span: Span) -> tuple[npt.NDArray[np.float32], int]:
    """The span of a file that cannot be entered midway; it is kept, as the next span is likely to lie in it, too."""
    with _media_lock:
        wave, rate = _whole_media(path, path.stat().st_mtime_ns)
    return wave[_frame(span[0], rate) : _frame(span[1], rate)], rate


@lru_cache(maxsize=1)
def _whole_media(path: Path, _changed: int) -> tuple[npt.NDArray[np.float32], int]:
    return decode_media(path, LONGEST_SECONDS)


def _read_frames(
    source: Path | BytesIO, name: str, span: Span | None, longest: float
) -> tuple[npt.NDArray[np.float32], int]:
    """float32 [N, channels] and the rate; the header is judged before anything of the size it claims is reserved."""
    try:
        if isinstance(source, Path) and (missing := missing_bytes(source)):
            raise AudioError(f"{name}: is cut short, {missing} bytes are missing")
        with soundfile.SoundFile(source) as file:
            rate = int(file.samplerate)
            first, last = (0, file.frames) if span is None else (_frame(span[0], rate), _frame(span[1], rate))
            _check(name, min(last, file.frames) - first, rate, file.channels, longest)
            file.seek(min(first, file.frames))
            wanted = min(last, file.frames) - first
            wave: npt.NDArray[np.float32] = file.read(wanted, dtype="float32", always_2d=True)
            if len(wave) < wanted and file.format == "FLAC":  # others do not know their length for sure
                raise AudioError(f"{name}: is cut short, {wanted - len(wave)} of {wanted} samples are missing")
            return wave, rate
    except (soundfile.SoundFileError, OSError, ValueError, MemoryError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{name}: not a readable audio file ({error})") from error


def _check(name: str, frames: int, rate: int, channels: int, longest: float) -> None:
    if frames <= 0:
        raise AudioError(f"{name}: holds no audio")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(f"{name}: has {rate} samples a second, allowed: {LOWEST_RATE} to {HIGHEST_RATE}")
    if channels > MOST_CHANNELS:
        raise AudioError(f"{name}: has {channels} channels, allowed: 1 to {MOST_CHANNELS}")
    if frames > longest * rate:
        raise AudioError(f"{name}: lasts {frames / rate:.1f} s, allowed: {longest:g} s")


def _frame(seconds: float, rate: int) -> int:
    return round(max(0.0, seconds) * rate)


def write_wav(path: Path, wave: Wave, sample_rate: int) -> None:
    """Write float32 [N] in -1..1 as 16-bit WAV, atomically; folders are made, what exceeds the range is clipped."""
    with replacing(path) as partial:
        soundfile.write(partial, np.clip(wave, -1, 1), sample_rate, format="WAV", subtype="PCM_16")
