"""Step 1: transcripts for recordings that have none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vall_e.audio.read import Wave
from vall_e.audio.stretches import read_stretches
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.audio_source import CodesSource
from vall_e.data.recipes.corpus_entries import ManifestEntry
from vall_e.errors import AudioError

from .contents import Contents
from .journal import Journal, key_of
from .progress import progress
from .read_ahead import read_ahead
from .unread import is_open, unread
from .whisper import SAMPLE_RATE, Transcriber

STRETCH_SECONDS, CUT_WITHIN_SECONDS = 900.0, 60.0
"""Longer recordings are transcribed in stretches of at most that, which end at the quietest moment of the last minute:
Whisper holds several times its recording in memory."""


class Begun:
    """The stretches of a recording, float32 [N], of which the first is read; `nbytes` are the bytes of that."""

    def __init__(self, waves: Iterator[Wave]) -> None:
        self._first, self._rest = [next(waves)], waves
        self.nbytes = self._first[0].nbytes

    def __iter__(self) -> Iterator[Wave]:
        while self._first:
            yield self._first.pop()
        yield from self._rest


class Transcription:
    """Which recordings are transcribed; a journal keeps `{language, seconds, segments}` or `{dropped}`."""

    def __init__(
        self, cfg: PreparationConfig, journal: Journal, transcriber: Transcriber | None, contents: Contents
    ) -> None:
        self._cfg, self.journal, self._transcriber, self._contents = cfg, journal, transcriber, contents

    def wanted(self, entry: ManifestEntry) -> bool:
        """Whether a recording is to be transcribed."""
        if self._transcriber is None or entry.split == "noise" or isinstance(entry.audio, CodesSource):
            return False
        return entry.text is None or self._cfg.transcribe_all

    def key(self, entry: ManifestEntry) -> str:
        """Equal keys need one transcription."""
        name = self._transcriber.name if self._transcriber else None
        return key_of("transcribe", entry.id, self._contents.of(entry.audio), name, entry.language)

    def pending(self, entries: Sequence[ManifestEntry]) -> list[ManifestEntry]:
        """Recordings that are to be transcribed yet."""
        return [entry for entry in entries if self.wanted(entry) and is_open(self.journal, self.key(entry))]

    def run(self, entries: Sequence[ManifestEntry]) -> None:
        """Transcribe what is not transcribed yet."""
        pending = self.pending(entries)
        found = read_ahead(pending, self._read, self._cfg.workers)
        for entry, begun in progress("Transcribing", found, len(pending), len(entries)):
            self.journal.add(self.key(entry), self._heard(entry, begun))
        self.journal.close()

    def _read(self, entry: ManifestEntry) -> Begun | AudioError:
        assert not isinstance(entry.audio, CodesSource)
        try:
            return Begun(read_stretches(entry.audio.open(), SAMPLE_RATE, STRETCH_SECONDS, CUT_WITHIN_SECONDS))
        except AudioError as error:
            return error

    def _heard(self, entry: ManifestEntry, begun: Begun | AudioError) -> dict[str, Any]:
        if isinstance(begun, AudioError):
            return unread(begun)
        try:
            language, samples, segments = self._segments(entry, begun)
        except AudioError as error:
            return unread(error)
        if not segments:
            return {"dropped": "no speech was recognised in it"}
        return {"language": language, "seconds": samples / SAMPLE_RATE, "segments": segments}

    def _segments(self, entry: ManifestEntry, waves: Iterable[Wave]) -> tuple[str, int, list[list[Any]]]:
        """The language, the number of samples and what is said when. A language that is not told is heard once."""
        assert self._transcriber is not None
        language, samples, segments = "", 0, list[list[Any]]()
        for wave in waves:
            found = self._transcriber.transcribe(wave, entry.language or language or None)
            before, samples = samples / SAMPLE_RATE, samples + len(wave)
            for start, end, text in found.segments:
                language = language or found.language
                segments.append([round(before + start, 3), round(min(before + end, samples / SAMPLE_RATE), 3), text])
        return language, samples, segments
