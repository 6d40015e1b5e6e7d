"""Audio files in and out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from threading import Lock

import numpy as np
import numpy.typing as npt
import soundfile

from vall_e.atomic import replacing
from vall_e.errors import AudioError

from .cut_short import missing_bytes
from .gathering import Block, Gathering
from .media import is_media, media_blocks

Wave = npt.NDArray[np.float32]
Span = tuple[float, float]
"""Seconds from the beginning of a recording: from, to."""

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
MOST_CHANNELS = 8
LONGEST_SECONDS = 12 * 3600.0
BLOCK = 2**18
"""Frames that are read at once."""

_media_lock = Lock()


def read_audio(
    source: Path | BytesIO, sample_rate: int, *, span: Span | None = None, longest: float = LONGEST_SECONDS
) -> Wave:
    """Any file libsndfile reads, as mono float32 [N] at `sample_rate`; loudness is kept, channels are averaged.

    Other formats are read through PyAV (extra `media`). Of a `span` in seconds only that is read. AudioError for what
    is no audio, has rates or channels that no speech has, or lasts more than `longest` seconds.
    """
    gathering = Gathering(sample_rate)
    try:
        for block in audio_blocks(source, span=span, longest=longest):
            gathering.add(block)
        return gathering.finish()
    except MemoryError as error:
        raise AudioError(f"{_name(source)}: is too long for the memory there is") from error


def audio_seconds(source: Path | BytesIO) -> float:
    """How long a recording lasts by its header; AudioError as `read_audio`."""
    _check_there(source)
    name = _name(source)
    if isinstance(source, Path) and is_media(source):
        return sum(len(block.samples) / block.rate for block in _media_blocks(source, LONGEST_SECONDS))
    try:
        info = soundfile.info(source)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        raise AudioError(f"{name}: not a readable audio file ({error})") from error
    _check(name, info.frames, info.samplerate, info.channels, LONGEST_SECONDS)
    return float(info.frames / info.samplerate)


def audio_blocks(
    source: Path | BytesIO, *, span: Span | None = None, longest: float = LONGEST_SECONDS
) -> Iterator[Block]:
    """What `read_audio` makes a wave of, as it is read."""
    _check_there(source)
    name = _name(source)
    if not (isinstance(source, Path) and is_media(source)):
        yield from _file_blocks(source, name, span, longest)
    elif span is None:
        yield from _media_blocks(source, longest)
    else:
        yield _media_span(source, span, longest)


def _name(source: Path | BytesIO) -> str:
    return "embedded audio" if isinstance(source, BytesIO) else str(source)


def _media_blocks(path: Path, longest: float) -> Iterator[Block]:
    frames = rate = channels = 0
    for block in media_blocks(path):
        frames, rate, channels = frames + len(block.samples), block.rate, block.samples.shape[1]
        _check(str(path), frames, rate, channels, longest)
        yield block
    if not frames:
        raise AudioError(f"{path}: holds no audio")


def _media_span(path: Path, span: Span, longest: float) -> Block:
    """The span of a file that cannot be entered midway; it is kept, as the next span is likely to lie in it, too."""
    with _media_lock:
        wave, rate = _whole_media(path, path.stat().st_mtime_ns)
    part = wave[_frame(span[0], rate) : _frame(span[1], rate)]
    _check(str(path), len(part), rate, 1, longest)
    return Block(part[:, None], rate, len(part))


@lru_cache(maxsize=1)
def _whole_media(path: Path, _changed: int) -> tuple[Wave, int]:
    """Mono at the rate that the file has."""
    rate, parts = 0, []
    for block in _media_blocks(path, LONGEST_SECONDS):
        rate = block.rate
        parts.append(block.samples.mean(axis=1))
    return np.concatenate(parts), rate


def _file_blocks(source: Path | BytesIO, name: str, span: Span | None, longest: float) -> Iterator[Block]:
    """The header is judged before anything of the size it claims is reserved."""
    try:
        if isinstance(source, Path) and (missing := missing_bytes(source)):
            raise AudioError(f"{name}: is cut short, {missing} bytes are missing")
        with soundfile.SoundFile(source) as file:
            rate = int(file.samplerate)
            first, last = (0, file.frames) if span is None else (_frame(span[0], rate), _frame(span[1], rate))
            wanted = min(last, file.frames) - first
            _check(name, wanted, rate, file.channels, longest)
            file.seek(min(first, file.frames))
            read = 0
            while read < wanted and len(samples := _samples(file, min(BLOCK, wanted - read))):
                read += len(samples)
                yield Block(samples, rate, wanted)
            if read < wanted and file.format == "FLAC":  # others do not know their length for sure
                raise AudioError(f"{name}: is cut short, {wanted - read} of {wanted} samples are missing")
            _check(name, read, rate, file.channels, longest)
    except (soundfile.SoundFileError, OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{name}: not a readable audio file ({error})") from error


def _samples(file: soundfile.SoundFile, frames: int) -> npt.NDArray[np.float32]:
    found: npt.NDArray[np.float32] = file.read(frames, dtype="float32", always_2d=True)
    return found


def _check_there(source: Path | BytesIO) -> None:
    if isinstance(source, Path) and not source.is_file():
        raise AudioError(f"{source}: {'is a folder' if source.is_dir() else 'no such audio file'}")


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
