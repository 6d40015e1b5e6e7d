"""Which rows of a store a split uses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt

from vall_e.config.dataset import DatasetConfig
from vall_e.data.store.store import Store
from vall_e.errors import DataError

from .grouping import group

log = logging.getLogger(__name__)

Rows = npt.NDArray[np.int64]


def select_rows(store: Store, cfg: DatasetConfig, split: str, *, tolerant: bool = False) -> Rows:
    """Rows of `split` whose speakers match its patterns, ascending: int64 [n].

    Training rows must also last as long as `duration_range` says, and belong to a speaker with enough of them. A
    pattern that no speaker matches is a DataError, or a warning if `tolerant`; a selection that leaves nothing is a
    DataError.
    """
    speaker = store.column("speaker")
    of_split = store.column("split") == store.info.splits.index(split)
    patterns: list[str] = getattr(cfg, split)
    wanted = _matching(store, np.flatnonzero(np.bincount(speaker[of_split])).tolist(), patterns, split, tolerant)
    is_wanted = np.zeros(len(store.info.speakers), np.bool_)
    is_wanted[wanted] = True
    rows = np.flatnonzero(of_split & is_wanted[speaker])
    if split == "training":
        if cfg.validate:
            rows = _within(rows, store.frames[rows] / store.info.codec.frame_rate, cfg.duration_range, store)
        rows = _enough(rows, speaker[rows], cfg, store)
    return rows


def _matching(store: Store, speakers: Sequence[int], patterns: Sequence[str], split: str, tolerant: bool) -> list[int]:
    names = {store.info.speakers[number]: number for number in speakers}
    if not names:
        raise DataError(f"{store.path} has no utterance of the {split} split: mark lines of meta.jsonl with it")
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            nearest = get_close_matches(pattern, names, n=1, cutoff=0.0)[0]
            said = f"dataset.{split}: {pattern!r} matches no speaker of {store.path} (nearest: {nearest})"
            if not tolerant:
                raise DataError(said)
            log.warning("%s", said)
    chosen = {name for name in names if not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)}
    if not chosen:
        raise DataError(f"dataset.{split}={list(patterns)} selects no speaker of {store.path}")
    return [number for name, number in names.items() if name in chosen]


def _within(rows: Rows, seconds: npt.NDArray[np.float64], bounds: Sequence[float], store: Store) -> Rows:
    low, high = bounds
    kept = rows[(seconds >= low) & (seconds <= high)]
    if not len(kept):
        raise DataError(
            f"dataset.duration_range=[{low}, {high}] leaves nothing of {store.path}: "
            f"its utterances last {seconds.min():.1f} to {seconds.max():.1f} s"
        )
    return kept


def _enough(rows: Rows, speakers: npt.NDArray[np.int32], cfg: DatasetConfig, store: Store) -> Rows:
    counts = np.bincount(speakers)
    enough = counts[speakers] >= cfg.min_utterances
    if not enough.any():
        raise DataError(
            f"dataset.min_utterances={cfg.min_utterances} leaves nothing of {store.path}: "
            f"no speaker has more than {counts.max()} utterances within dataset.duration_range"
        )
    rows, speakers = rows[enough], speakers[enough]
    return rows[group(speakers).places() < cfg.max_utterances] if cfg.max_utterances else rows
