"""Preparation: manifest and audio in, a store out. It can be killed at any point and started again."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from vall_e.audio.codec import Codec, CodecIdentity
from vall_e.config.schema import Config
from vall_e.errors import DataError

from .encoding import Dropped, encode_entries
from .fingerprint import fingerprints
from .finished import FinishedWork
from .manifest import ManifestEntry, read_manifest
from .store import Store
from .store_writer import StoreWriter

log = logging.getLogger(__name__)

# An interruption costs at most this many utterances.
PART_SIZE = 128

Pending = tuple[ManifestEntry, int]


@dataclass(frozen=True, kw_only=True)
class PrepareReport:
    """What a store holds after preparation. `encoded` counts the utterances this run had to make, `dropped` lists
    those that could not be used as (id, reason)."""

    path: Path
    utterances: int
    hours: float
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    encoded: int
    dropped: list[tuple[str, str]]

    def summary(self) -> str:
        """One line for the log."""
        size = f"{self.utterances} utterances, {self.hours:.2f} h, {len(self.speakers)} speakers"
        return f"{self.path}: {size}, {', '.join(self.languages)}; {len(self.dropped)} left out"


def prepare(cfg: Config, codec: Codec, *, part_size: int = PART_SIZE) -> PrepareReport:
    """Make the store `cfg.dataset.hdf5_name` of the manifest in `cfg.dataset.source`.

    Finished utterances are kept in parts of `part_size` beside the store until all are done, and utterances of an
    existing store are taken over, so only new or changed lines of a manifest cost time. A text or an audio file that
    cannot be used is left out and reported; DataError if none can be used.
    """
    if cfg.dataset.source is None:
        raise DataError("dataset.source is not set: name a folder with meta.jsonl and its audio")
    path = Path(cfg.dataset.hdf5_name)
    entries = read_manifest(Path(cfg.dataset.source), cfg.dataset)
    prints = fingerprints(entries, codec.identity)
    with FinishedWork(path) as finished:
        pending = [(entry, print_) for entry, print_ in zip(entries, prints, strict=True) if print_ not in finished]
        dropped = _encode_pending(pending, codec, finished, part_size, len(entries))
        kept = [print_ for print_ in prints if print_ in finished]
        if not kept:
            first = dropped[0]
            raise DataError(f"none of {len(entries)} utterances can be used; the first, {first.id}: {first.reason}")
        if finished.store_holds(kept):
            log.info("%s already holds all %d utterances: nothing to do", path, len(kept))
        else:
            _merge(path, kept, finished, codec.identity)
        finished.remove_parts()
    report = _report(path, len(pending) - len(dropped), dropped)
    log.info("%s", report.summary())
    return report


def _encode_pending(
    pending: Sequence[Pending], codec: Codec, finished: FinishedWork, part_size: int, total: int
) -> list[Dropped]:
    """Encode what is not finished, a part at a time, and return what had to be dropped."""
    dropped: list[Dropped] = []
    with tqdm(total=total, initial=total - len(pending), desc="Encoding", unit="utt", disable=None) as progress:
        for start in range(0, len(pending), part_size):
            part = finished.next_part()
            dropped += _encode_part(part, pending[start : start + part_size], codec, progress)
            finished.add_part(part)
    return dropped


def _encode_part(part: Path, pending: Sequence[Pending], codec: Codec, progress: tqdm) -> list[Dropped]:
    dropped: list[Dropped] = []
    with StoreWriter(part, codec.identity) as writer:
        made = encode_entries([entry for entry, _ in pending], codec)
        for utterance, (_, fingerprint) in zip(made, pending, strict=True):
            progress.update()
            if isinstance(utterance, Dropped):
                log.warning("%s is left out: %s", utterance.id, utterance.reason)
                dropped.append(utterance)
            else:
                writer.append(utterance, fingerprint)
    return dropped


def _merge(path: Path, kept: Sequence[int], finished: FinishedWork, codec: CodecIdentity) -> None:
    with StoreWriter(path, codec) as writer:
        for fingerprint in tqdm(kept, desc="Joining", unit="utt", disable=None):
            writer.append(finished.utterance(fingerprint), fingerprint)


def _report(path: Path, encoded: int, dropped: Sequence[Dropped]) -> PrepareReport:
    with Store(path) as store:
        info = store.info
    return PrepareReport(
        path=path,
        utterances=info.utterances,
        hours=info.hours,
        speakers=info.speakers,
        languages=info.languages,
        encoded=encoded,
        dropped=[(one.id, one.reason) for one in dropped],
    )
