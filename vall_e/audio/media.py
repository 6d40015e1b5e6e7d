"""Audio that libsndfile cannot read - MP4, AAC, WebM, WMA, G.722 - through PyAV, which brings FFmpeg's libraries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from vall_e.errors import AudioError, MissingExtra

FORMATS = {".m4a": "mp4", ".mp4": "mp4", ".aac": "aac", ".webm": "webm", ".wma": "asf", ".g722": "g722"}
MEDIA_SUFFIXES = frozenset(FORMATS)


def is_media(path: Path) -> bool:
    """Whether a file is named as one of those formats."""
    return path.suffix.lower() in MEDIA_SUFFIXES


def decode_media(path: Path, longest: float) -> tuple[npt.NDArray[np.float32], int]:
    """float32 [N, channels] in -1..1 and the rate; reading ends soon after `longest` seconds.

    AudioError if there is nothing to decode; MissingExtra without PyAV.
    """
    try:
        import av
    except ImportError as error:
        raise MissingExtra("av", "media", f"reading {path.suffix} files") from error
    # The name decides: left to guess, FFmpeg takes a text of addresses for a playlist and fetches what it names.
    form = FORMATS[path.suffix.lower()]
    try:
        with path.open("rb") as file, av.open(file, format=form) as container:
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                raise AudioError(f"{path}: holds no audio")
            return _decoded(container, stream, longest)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{path}: not a readable audio file ({error})") from error


def _decoded(container: object, stream: object, limit: float) -> tuple[npt.NDArray[np.float32], int]:
    import av

    rate, channels = int(stream.rate), int(stream.channels)  # type: ignore[attr-defined]
    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)  # type: ignore[attr-defined]
    found, samples = [], 0
    for frame in container.decode(stream):  # type: ignore[attr-defined]
        for plain in resampler.resample(frame):
            found.append(plain.to_ndarray())
            samples += found[-1].shape[1]
        if samples > (limit + 1) * rate:
            break
    if not found:
        return np.zeros((0, channels), np.float32), rate
    return np.concatenate(found, axis=1).T.astype(np.float32, copy=False), rate
