"""Steps 5 and 6, when the steps before are done with everything: the dataset and its report."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from vall_e.data.recipes.corpus_entries import Manifest
from vall_e.data.store.similar import write_similar
from vall_e.data.store.similar_file import similar_path
from vall_e.data.store.store import Store
from vall_e.text import Tokenizer

from .job import Job
from .journal import key_of
from .judgement import Judgement, Kept, judge, judged
from .pack import pack
from .phonemes import UnknownSymbols
from .report import PrepareReport, earlier_report, nothing_left
from .shard_files import pack_files, remove_outdated
from .similarity import similar_utterances

log = logging.getLogger(__name__)


def join(job: Job, manifest: Manifest, tokenizer: Tokenizer | None) -> PrepareReport:
    """Make the dataset if no job has anything left to do, and tell what it holds; else say what is missing."""
    judge(job, manifest)
    with job.workshop.joining():
        job.reload()
        found = judged(job, manifest)
        report = _report(job, manifest, found)
        if report.missing:
            log.info("%s: %d recordings are left to other jobs; the last joins them", report.path, report.missing)
            return report
        if not found.kept:
            raise nothing_left(report, manifest.rows)
        _pack(job, found.kept, report, tokenizer)
        remove_outdated(report.path)
        _compare(job, found.kept, report)
        _count(found.kept, report, job.codec.identity.frame_rate)
        report.write()
        job.workshop.clear()
    log.info("%s", "\n".join(report.lines()))
    return report


def _report(job: Job, manifest: Manifest, found: Judgement) -> PrepareReport:
    report = PrepareReport(path=job.workshop.store, recipe=manifest.recipe, encoded=job.encoded)
    report.missing = manifest.rows - found.rows + sum(one.mark not in job.finished for one in found.kept)
    rejected = {one.id for one in found.rejected}
    report.leave_out(found.rejected, found.dropped, [name for name in manifest.unlisted if name not in rejected])
    report.plan = key_of(found.plan, job.how)
    return report


def _pack(job: Job, kept: Sequence[Kept], report: PrepareReport, tokenizer: Tokenizer | None) -> None:
    marks, before = [one.mark for one in kept], earlier_report(report.path)
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


def _compare(job: Job, kept: Sequence[Kept], report: PrepareReport) -> None:
    """Keep similar utterances, unless those of this very dataset are kept already: its report tells."""
    is_kept = similar_path(report.path).is_file() and earlier_report(report.path).get("plan") == report.plan
    if is_kept or not job.cfg.similar_top_k:
        return
    marks, scratch = [one.mark for one in kept], job.workshop.folder / "pack"
    job.features.run(marks, job.finished)  # those that jobs with other settings have left
    names = {name: number for number, name in enumerate(dict.fromkeys(one.speaker for one in kept))}
    speakers = np.array([names[one.speaker] for one in kept])
    training = np.array([one.split == "training" for one in kept])
    with job.features.parts.gathered(marks, scratch) as vectors:
        write_similar(report.path, *similar_utterances(vectors, speakers, training, job.cfg.similar_top_k))
        if job.workshop.alone():
            job.features.parts.join(marks, vectors)


def _count(kept: Sequence[Kept], report: PrepareReport, frame_rate: float) -> None:
    with Store(report.path) as store:
        for one, frames in zip(kept, store.frames.tolist(), strict=True):
            report.take(one.speaker, one.language, one.split, frames / frame_rate)
