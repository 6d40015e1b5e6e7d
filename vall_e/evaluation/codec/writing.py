"""The files of an evaluation of codecs, and what the terminal shows of them."""

from __future__ import annotations

import logging
from pathlib import Path

from vall_e.atomic import replace_text
from vall_e.audio.read import read_audio

from .result import Result, write_result
from .spectrograms import draw_codec_spectrograms
from .table import tables

log = logging.getLogger(__name__)


def write_all(result: Result, folder: Path, pictures: int) -> None:
    """Write `results.json`, `results.md` and `spectrograms.png` into the folder, and log the tables."""
    write_result(result, folder)
    told = tables(result)
    replace_text(folder / "results.md", "\n\n".join(table.markdown() for table in told) + "\n")
    if pictures:
        _draw(result, folder, min(pictures, len(result.utterances)))
    log.info("%s", "\n\n".join(["Results:", *(table.text() for table in told)]))
    log.info("To listen: %s, to look: %s", folder / "audio", folder)


def _draw(result: Result, folder: Path, count: int) -> None:
    """Of the audio that was written, so that a run that took all scores over draws the same."""
    rate = result.sample_rate
    draw_codec_spectrograms(
        folder / "spectrograms.png",
        [one.id for one in result.utterances[:count]],
        [row.subject.title for row in result.rows],
        [[read_audio(folder / file, rate) for file in row.audio[:count]] for row in result.rows],
        rate,
    )
