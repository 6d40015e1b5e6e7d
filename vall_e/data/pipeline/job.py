"""The steps before joining, for the recordings of one job."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field

from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.corpus_entries import ManifestEntry
from vall_e.data.store.store_writer import StoreWriter

from .contents import Contents
from .encoding import encode_pieces
from .features import FeatureStep
from .fingerprint import fingerprints
from .finished import FinishedWork
from .journal import key_of
from .models import Models
from .phonemes import Phonemisation
from .piece import Dropped, Piece
from .progress import progress
from .segment import Segmentation
from .transcribe import Transcription
from .workshop import Workshop

log = logging.getLogger(__name__)

Marked = tuple[Piece, int]
"""A piece and its fingerprint."""


@dataclass
class Outcome:
    """What became of recordings: pieces that are encoded, those that are dropped, and how many nobody has done yet."""

    kept: list[Marked] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    missing: int = 0


class Job:
    """A context in which steps are run and their results looked up."""

    def __init__(
        self,
        cfg: PreparationConfig,
        models: Models,
        workshop: Workshop,
        part_size: int,
    ) -> None:
        self.cfg, self.models, self.codec, self.workshop = cfg, models, models.codec, workshop
        self.finished = FinishedWork(workshop.store, workshop.folder / "parts", workshop.writer)
        self.contents = Contents(workshop.journal("content"), cfg.workers)
        self.transcription = Transcription(cfg, workshop.journal("transcribe"), models.transcriber, self.contents)
        self.segmentation = Segmentation(cfg, workshop.journal("segment"), self.transcription, self.contents)
        self.phonemisation = Phonemisation(workshop.journal("phonemise"))
        self.failures = workshop.journal("encode")
        self.features = FeatureStep(cfg, models, workshop.folder / "features", workshop.writer, part_size)
        self._steps = (self.contents, self.transcription, self.segmentation, self.phonemisation)
        self.encoded = 0
        self._part_size = part_size

    def run(self, entries: Sequence[ManifestEntry]) -> None:
        """All steps but the last, each for everything that is not done."""
        self.contents.run(entries)
        self.transcription.run(entries)
        self.segmentation.run(entries)
        pieces = [piece for entry in entries for piece in self.pieces(entry)]
        left = self.left(pieces)
        self.phonemisation.run([piece for piece, _ in left])
        self._encode(left, len(pieces))
        self.features.run([mark for _, mark in self.outcome(entries).kept], self.finished)

    def pieces(self, entry: ManifestEntry) -> list[Piece]:
        """The pieces of a recording, none if it has none or they are not known yet."""
        found = self.segmentation.pieces(entry)
        return found if isinstance(found, list) else []

    def reload(self) -> None:
        """Take in what other jobs have finished."""
        self.finished.reload()
        self.features.parts.reload()

    def outcome(self, entries: Sequence[ManifestEntry]) -> Outcome:
        """What became of recordings, in order."""
        result = Outcome()
        for entry in entries:
            found = self.segmentation.pieces(entry)
            if isinstance(found, list):
                self._judge(found, result)
            elif found is None:
                result.missing += 1
            else:
                result.dropped.append(found)
        return result

    @property
    def how(self) -> list[object]:
        """The settings that a dataset depends on."""
        cfg = self.cfg
        steps: list[object] = [cfg.transcribe, cfg.transcribe_all, cfg.slice_over, cfg.trim_silence, cfg.silence_db]
        steps += [cfg.duration_range, cfg.similar_top_k, cfg.similar_by, cfg.speaker_encoder]
        return [*steps, asdict(self.codec.identity)]

    def plan(self, entries: Sequence[ManifestEntry]) -> int:
        """A number of recordings that are to give the same; those of several shares are added up, modulo 2**64."""
        said = ([e.order, e.id, self.contents.of(e.audio), e.text, e.language, e.split, e.phonemes] for e in entries)
        return sum(int(key_of(one)[:16], 16) for one in said) % 2**64

    def __enter__(self) -> Job:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.finished.close()
        for step in self._steps:
            step.journal.close()
        self.failures.close()

    def left(self, pieces: Sequence[Piece]) -> list[Marked]:
        """Pieces that are neither encoded nor found unusable by this run; failures of earlier ones are tried again."""
        marked = zip(pieces, fingerprints(pieces, self.codec.identity, self.contents), strict=True)
        unfinished = [(piece, mark) for piece, mark in marked if mark not in self.finished]
        return [(piece, mark) for piece, mark in unfinished if not self.failures.is_new(f"{mark}")]

    def _judge(self, pieces: Sequence[Piece], result: Outcome) -> None:
        for piece, mark in zip(pieces, fingerprints(pieces, self.codec.identity, self.contents), strict=True):
            phonemes = None if mark in self.finished else self.phonemisation.phonemes(piece)
            if mark in self.finished and (reason := self._out_of_range(piece, mark)):
                result.dropped.append(Dropped(piece.id, reason))
            elif mark in self.finished:
                result.kept.append((piece, mark))
            elif isinstance(phonemes, Dropped):
                result.dropped.append(phonemes)
            elif f"{mark}" in self.failures:
                result.dropped.append(Dropped(piece.id, self.failures[f"{mark}"]["dropped"]))
            else:
                result.missing += 1

    def _out_of_range(self, piece: Piece, mark: int) -> str | None:
        """Why a finished piece is left out: `duration_range` may be narrower than when it was encoded."""
        frames, rate = self.finished.frames(mark), self.codec.identity.frame_rate
        shortest, longest = self.cfg.duration_range
        # Codes may last a frame longer or shorter than the sound that they were made of.
        if shortest * rate - 1 <= frames <= longest * rate + 1:
            return None
        return f"{piece.audio.name}: lasts {frames / rate:.2f} s, allowed: {shortest:g} to {longest:g} s"

    def _encode(self, left: Sequence[Marked], total: int) -> None:
        """Encode what can be, a part at a time."""
        found = ((piece, mark, self.phonemisation.phonemes(piece)) for piece, mark in left)
        spoken = [(piece, mark, phonemes) for piece, mark, phonemes in found if isinstance(phonemes, str)]
        bar = progress("Encoding", range(len(spoken)), len(spoken), total)
        for start in range(0, len(spoken), self._part_size):
            self._encode_part(spoken[start : start + self._part_size], bar)
        next(bar, None)
        self.failures.close()

    def _encode_part(self, spoken: Sequence[tuple[Piece, int, str]], bar: Iterator[int]) -> None:
        part = self.finished.next_part()
        failed: list[tuple[int, Dropped]] = []
        pieces = [(piece, phonemes) for piece, _, phonemes in spoken]
        with StoreWriter(part, self.codec.identity) as writer:
            made = encode_pieces(pieces, self.models.encoder, self.cfg.duration_range, self.cfg.workers)
            for utterance, (_, mark, _) in zip(made, spoken, strict=True):
                next(bar, None)
                if isinstance(utterance, Dropped):
                    failed.append((mark, utterance))
                else:
                    writer.append(utterance, mark)
        for mark, dropped in failed:
            self.failures.add(f"{mark}", {"dropped": dropped.reason})
        self.encoded += len(spoken) - len(failed)
        self.finished.add_part(part)
