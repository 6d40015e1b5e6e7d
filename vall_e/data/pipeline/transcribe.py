"""Step 1: transcripts for recordings that have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vall_e.audio.read import read_audio
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
        waves = read_ahead(pending, self._read, self._cfg.workers)
        for entry, wave in progress("Transcribing", waves, len(pending), len(entries)):
            self.journal.add(self.key(entry), self._heard(entry, wave))
        self.journal.close()

    def _read(self, entry: ManifestEntry) -> Any:
        assert not isinstance(entry.audio, CodesSource)
        try:
            return read_audio(entry.audio.open(), SAMPLE_RATE)
        except AudioError as error:
            return error

    def _heard(self, entry: ManifestEntry, wave: Any) -> dict[str, Any]:
        assert self._transcriber is not None
        if isinstance(wave, AudioError):
            return unread(wave)
        found = self._transcriber.transcribe(wave, entry.language)
        if not found.segments:
            return {"dropped": "no speech was recognised in it"}
        segments = [[round(start, 3), round(end, 3), text] for start, end, text in found.segments]
        return {"language": found.language, "seconds": len(wave) / SAMPLE_RATE, "segments": segments}
