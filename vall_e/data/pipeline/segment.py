"""Step 2: recordings are cut into the pieces that become utterances, and silence is cut off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from vall_e.audio.read import Span, read_audio
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.audio_source import CodesSource
from vall_e.data.recipes.corpus_entries import DEFAULT_LANGUAGE, ManifestEntry
from vall_e.errors import AudioError

from .contents import Contents
from .journal import Journal, key_of
from .piece import Dropped, Piece
from .progress import progress
from .read_ahead import read_ahead
from .silence import speech_span
from .transcribe import Transcription
from .unread import is_open, unread
from .whisper import SAMPLE_RATE

BEFORE_SECONDS, AFTER_SECONDS = 0.05, 0.5
"""What is taken around a segment of a transcript, as its times are early rather than late."""


class Segmentation:
    """The pieces of each recording. A journal keeps spans of speech, `[[from, to] or null, ...]`, or `{dropped}`."""

    def __init__(
        self, cfg: PreparationConfig, journal: Journal, transcription: Transcription, contents: Contents
    ) -> None:
        self._cfg, self.journal, self._transcription, self._contents = cfg, journal, transcription, contents

    def pieces(self, entry: ManifestEntry) -> list[Piece] | Dropped | None:
        """The pieces of a recording, why it has none, or None if steps before are not done with it."""
        cut = self._cut(entry)
        if not isinstance(cut, list) or not self._trims(entry):
            return cut
        key = self._key(entry, cut)
        if key not in self.journal:
            return None
        found = self.journal[key]
        if isinstance(found, dict):
            return Dropped(entry.id, found["dropped"], "segment")
        return [replace(piece, span=tuple(span)) for piece, span in zip(cut, found, strict=True) if span]

    def pending(self, entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
        """Recordings whose silence is to be found yet."""
        return [e for e in entries if self._trims(e) and isinstance(cut := self._cut(e), list) and self._left(e, cut)]

    def run(self, entries: Sequence[ManifestEntry]) -> None:
        """Find the silence of what is not done yet."""
        pending = self.pending(entries)
        found = read_ahead(pending, self._spans, self._cfg.workers)
        for entry, spans in progress("Segmenting", found, len(pending), len(entries)):
            cut = self._cut(entry)
            assert isinstance(cut, list)
            self.journal.add(self._key(entry, cut), spans)
        self.journal.close()

    def _left(self, entry: ManifestEntry, cut: list[Piece]) -> bool:
        return is_open(self.journal, self._key(entry, cut))

    def _trims(self, entry: ManifestEntry) -> bool:
        return self._cfg.trim_silence and entry.split != "noise" and not isinstance(entry.audio, CodesSource)

    def _key(self, entry: ManifestEntry, cut: list[Piece]) -> str:
        spans = [piece.span for piece in cut]
        return key_of("segment", entry.id, self._contents.of(entry.audio), spans, self._cfg.silence_db)

    def _cut(self, entry: ManifestEntry) -> list[Piece] | Dropped | None:
        """Pieces as the transcript says, with the silence that they have."""
        if self._transcription.wanted(entry):
            key = self._transcription.key(entry)
            if key not in self._transcription.journal:
                return None
            heard = self._transcription.journal[key]
            if "dropped" in heard:
                return Dropped(entry.id, heard["dropped"], "transcribe")
            return list(_heard_pieces(entry, heard, self._cfg.slice_over))
        if entry.text is None:
            how = "preparation.transcribe=MODEL would write one"
            return Dropped(entry.id, f"it has no transcript; {how}", "transcribe")
        return [_whole(entry, entry.text, entry.language or DEFAULT_LANGUAGE)]

    def _spans(self, entry: ManifestEntry) -> Any:
        cut = self._cut(entry)
        assert isinstance(cut, list) and not isinstance(entry.audio, CodesSource)
        try:
            wave = read_audio(entry.audio.open(), SAMPLE_RATE)
        except AudioError as error:
            return unread(error)
        found = []
        for piece in cut:
            start, end = piece.span or (0.0, len(wave) / SAMPLE_RATE)
            part = wave[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
            inside = speech_span(part, SAMPLE_RATE, self._cfg.silence_db)
            found.append([round(start + inside[0], 4), round(start + inside[1], 4)] if inside else None)
        return found if any(found) else {"dropped": "it is silent, or holds samples that are not finite numbers"}


def _whole(entry: ManifestEntry, text: str, language: str) -> Piece:
    return Piece(
        id=entry.id,
        audio=entry.audio,
        speaker=entry.speaker,
        text=text,
        language=language,
        split=entry.split,
        phonemes=entry.phonemes,
    )


def _heard_pieces(entry: ManifestEntry, heard: dict[str, Any], slice_over: float) -> Iterator[Piece]:
    """The recording as a whole, or if it lasts longer than `slice_over` seconds a piece for each segment, whose id has
    a slash more than that of any recording."""
    segments, language = heard["segments"], entry.language or heard["language"]
    if heard["seconds"] <= slice_over:
        yield replace(_whole(entry, " ".join(text for _, _, text in segments), language), phonemes=None)
        return
    for number, (start, end, text) in enumerate(segments):
        following = segments[number + 1][0] if number + 1 < len(segments) else heard["seconds"]
        span: Span = (max(0.0, start - BEFORE_SECONDS), min(end + AFTER_SECONDS, max(end, following), heard["seconds"]))
        yield replace(_whole(entry, text, language), id=f"{entry.id}/{number:05d}", span=span, phonemes=None)
