"""Audio that libsndfile cannot read - MP4, AAC, WebM, WMA, G.722 - through PyAV, which brings FFmpeg's libraries."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vall_e.errors import AudioError, MissingExtra

from .gathering import Block

FORMATS = {".m4a": "mp4", ".mp4": "mp4", ".aac": "aac", ".webm": "webm", ".wma": "asf", ".g722": "g722"}
MEDIA_SUFFIXES = frozenset(FORMATS)


def is_media(path: Path) -> bool:
    """Whether a file is named as one of those formats."""
    return path.suffix.lower() in MEDIA_SUFFIXES


def media_blocks(path: Path) -> Iterator[Block]:
    """The recording as samples in -1..1, a block for each packet or so.

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
            yield from _decoded(container, stream)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, AudioError):
            raise
        raise AudioError(f"{path}: not a readable audio file ({error})") from error


def _decoded(container: object, stream: object) -> Iterator[Block]:
    import av

    rate = int(stream.rate)  # type: ignore[attr-defined]
    resampler = av.AudioResampler(format="fltp", layout=stream.layout, rate=rate)  # type: ignore[attr-defined]
    for frame in container.decode(stream):  # type: ignore[attr-defined]
        for plain in resampler.resample(frame):
            samples = plain.to_ndarray().T.astype(np.float32, copy=False)
            yield Block(samples, rate, 0)
