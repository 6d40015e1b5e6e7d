"""What preparation would do, found out by looking at headers."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from vall_e.audio.read import audio_seconds
from vall_e.data.recipes.audio_source import CodesSource
from vall_e.data.recipes.corpus_entries import Manifest
from vall_e.errors import AudioError

from .job import Job
from .piece import Dropped, Piece
from .report import PrepareReport

log = logging.getLogger(__name__)


def foresee(job: Job, manifest: Manifest) -> PrepareReport:
    """The report of a run, as far as it can be told without doing it: nothing is written. Utterances of recordings that
    are to be transcribed are counted as one each."""
    report = PrepareReport(path=job.workshop.store, recipe=manifest.recipe)
    entries = manifest.entries
    dropped: list[Dropped] = []
    for entry in entries:
        found = job.segmentation.pieces(entry)
        if isinstance(found, Dropped):
            dropped.append(found)
        elif found:
            _foresee(found, job.cfg.duration_range, report, dropped)
    report.leave_out(manifest.rejected, dropped, manifest.unlisted)
    left = job.left([piece for entry in entries for piece in job.pieces(entry)])
    counts = {
        "transcribe": len(job.transcription.pending(entries)),
        "segment": len(job.segmentation.pending(entries)),
        "phonemise": len(job.phonemisation.pending([piece for piece, _ in left])),
        "encode": len(left),
    }
    steps = ", ".join(f"{step} {count}" for step, count in counts.items())
    log.info("Dry run, nothing is written; to do: %s\n%s", steps, "\n".join(report.lines()))
    return report


def _foresee(pieces: list[Piece], allowed: Sequence[float], report: PrepareReport, dropped: list[Dropped]) -> None:
    for piece in pieces:
        try:
            seconds = _seconds(piece)
        except AudioError as error:
            dropped.append(Dropped(piece.id, str(error)))
            continue
        if isinstance(piece.audio, CodesSource) or allowed[0] <= seconds <= allowed[1]:
            report.take(piece.speaker, piece.language, piece.split, seconds)
        else:
            reason = f"{piece.audio.name}: lasts {seconds:.2f} s, allowed: {allowed[0]:g} to {allowed[1]:g} s"
            dropped.append(Dropped(piece.id, reason))


def _seconds(piece: Piece) -> float:
    if piece.span is not None:
        return piece.span[1] - piece.span[0]
    return 0.0 if isinstance(piece.audio, CodesSource) else audio_seconds(piece.audio.open())
