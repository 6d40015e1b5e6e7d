"""Steps 5 and 6, when the steps before are done with everything: the dataset and its report."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from vall_e.data.recipes.corpus_entries import Manifest
from vall_e.data.store.similar import write_similar
from vall_e.data.store.similar_file import similar_path
from vall_e.data.store.store import Store
from vall_e.errors import DataError
from vall_e.text import Tokenizer

from .job import Job, Marked, Outcome
from .pack import pack
from .phonemes import UnknownSymbols
from .report import PrepareReport, earlier_report, nothing_left
from .shard_files import pack_files, remove_outdated
from .similarity import similar_utterances

log = logging.getLogger(__name__)


def join(job: Job, manifest: Manifest, tokenizer: Tokenizer | None) -> PrepareReport:
    """Make the dataset if no job has anything left to do, and tell what it holds; else say what is missing."""
    with job.workshop.joining():
        if job.cfg.shards > 1:
            job.reload()
        outcome = job.outcome(manifest.entries)
        report = PrepareReport(path=job.workshop.store, recipe=manifest.recipe, encoded=job.encoded)
        report.leave_out(manifest.rejected, outcome.dropped, manifest.unlisted)
        report.plan = job.plan(manifest.entries)
        if outcome.missing and job.cfg.shards == 1:
            raise DataError(f"{outcome.missing} recordings changed while they were read: run it again")
        if outcome.missing:
            return _unfinished(report, outcome)
        if not outcome.kept:
            raise nothing_left(report, len(manifest.entries) + len(manifest.rejected))
        _pack(job, outcome.kept, report, tokenizer)
        remove_outdated(report.path)
        _compare(job, outcome.kept, report)
        _count(outcome.kept, report, job.codec.identity.frame_rate)
        report.write()
        job.workshop.clear()
    log.info("%s", "\n".join(report.lines()))
    return report


def _unfinished(report: PrepareReport, outcome: Outcome) -> PrepareReport:
    """Other jobs are at work - or one of them has joined all and cleared away what tells so."""
    report.missing = outcome.missing
    if earlier_report(report.path).get("plan") == report.plan and report.path.exists():
        report.missing = 0
        log.info("%s: another job has joined the work of all", report.path)
    else:
        log.info("%s: %d utterances are left to other jobs; the last joins them", report.path, outcome.missing)
    return report


def _pack(job: Job, kept: Sequence[Marked], report: PrepareReport, tokenizer: Tokenizer | None) -> None:
    marks, before = [mark for _, mark in kept], earlier_report(report.path)
    symbols = UnknownSymbols(tokenizer) if tokenizer is not None else None
    report.tokenizer = tokenizer.identity if tokenizer is not None else ""
    if job.finished.store_holds(marks, job.cfg.utterances_per_file):
        log.info("%s already holds all %d utterances: nothing to do", report.path, len(kept))
        if before.get("tokenizer") == report.tokenizer:
            report.unknown_symbols = before.get("unknown_symbols", {})
            return
        if symbols is not None:
            symbols.look_through(report.path)
    else:
        _write(job, marks, symbols)
        job.finished.reload()
    report.unknown_symbols = symbols.found if symbols is not None else {}


def _write(job: Job, marks: Sequence[int], symbols: UnknownSymbols | None) -> None:
    """The dataset, in one file or in several."""
    path, scratch, each = job.workshop.store, job.workshop.folder / "pack", job.cfg.utterances_per_file
    if each:
        pack_files(path, marks, each, job.finished, job.codec.identity, scratch, symbols)
    else:
        pack(path, marks, job.finished, job.codec.identity, scratch, symbols)


def _compare(job: Job, kept: Sequence[Marked], report: PrepareReport) -> None:
    """Keep similar utterances, unless those of this very dataset are kept already: its report tells."""
    is_kept = similar_path(report.path).is_file() and earlier_report(report.path).get("plan") == report.plan
    if is_kept or not job.cfg.similar_top_k:
        return
    marks, scratch = [mark for _, mark in kept], job.workshop.folder / "pack"
    job.features.run(marks, job.finished)  # those that jobs with other settings have left
    names = {name: number for number, name in enumerate(dict.fromkeys(piece.speaker for piece, _ in kept))}
    speakers = np.array([names[piece.speaker] for piece, _ in kept])
    training = np.array([piece.split == "training" for piece, _ in kept])
    with job.features.parts.gathered(marks, scratch) as vectors:
        write_similar(report.path, *similar_utterances(vectors, speakers, training, job.cfg.similar_top_k))
        if job.workshop.alone():
            job.features.parts.join(marks, vectors)


def _count(kept: Sequence[Marked], report: PrepareReport, frame_rate: float) -> None:
    with Store(report.path) as store:
        for (piece, _), frames in zip(kept, store.frames.tolist(), strict=True):
            report.take(piece.speaker, piece.language, piece.split, frames / frame_rate)
