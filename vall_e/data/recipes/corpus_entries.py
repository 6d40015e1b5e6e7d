"""The recordings of a corpus, with speaker, language and split of each settled."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath

from vall_e.config.dataset import DatasetConfig
from vall_e.config.path_name import path_name
from vall_e.config.preparation import PreparationConfig
from vall_e.data.utterance import SPLITS
from vall_e.errors import DataError
from vall_e.text.languages import VOICES

from . import open_recipe
from .audio_source import AudioFile, AudioSource, CodesSource
from .corpus import Corpus, refusal
from .recording_ids import RecordingIds
from .row import Elsewhere, Rejected, Row
from .share import EVERYTHING, Share

DEFAULT_LANGUAGE = "en"
LANGUAGE_FOLDER = re.compile(r"([a-z]{2})(?:[-_][a-z]{2}(?:[-_].*)?)?", re.IGNORECASE)
OTHER_SPLITS = {"train": "training", "dev": "validation", "valid": "validation", "val": "validation"}
UNWRITTEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
"""Control characters but the tabulator and line ends, and surrogates, which have no encoding."""

LONGEST_TEXT = 5_000
LONGEST_NAME = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class ManifestEntry:
    """One recording. `id` is the speaker and the file's stem, `where` the line that names it, `order` its place among
    the rows of the corpus. `text` is None if nobody
    wrote it down, `language` if that is to be heard, `phonemes` if they are to be found."""

    id: str
    audio: AudioSource | CodesSource
    speaker: str
    text: str | None
    language: str | None
    split: str
    where: str = ""
    phonemes: str | None = None
    order: int = field(default=0, compare=False)


@dataclass
class Manifest:
    """What a corpus, or a share of it, holds: recordings, or codes of `codec` in their place, rows that cannot be used,
    and audio files that no row names. `rows` counts those of the whole corpus, `files` tells its files from others."""

    recipe: str
    codec: str | None = None
    rows: int = 0
    files: str = ""
    entries: list[ManifestEntry] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)


def read_corpus(
    source: Path,
    cfg: DatasetConfig,
    preparation: PreparationConfig,
    share: Share = EVERYTHING,
    setting: str | None = None,
) -> Manifest:
    """What of `share` is in `source`, a folder or file, by the recipe that is set or fits; DataError if none does.

    A recording without a speaker, a speaker without a group, and a recording without language or split get theirs as
    the settings say. Rows that cannot be used, and those whose id is taken, are rejected with the reason. `setting` is
    what the user is told to choose the recipe by, None where nobody can.
    """
    corpus = Corpus(source)
    recipe = open_recipe(preparation.recipe, corpus, setting)
    corpus.share = share = replace(share, by_stem=recipe.by_stem)
    manifest = Manifest(recipe.name, recipe.codec, files=corpus.digest())
    settling = _Settling(source, corpus.root, cfg, preparation)
    listed: set[str] = set()
    for order, row in enumerate(recipe.rows(corpus)):
        manifest.rows = order + 1
        if not isinstance(row, Rejected):
            listed.add(os.path.normpath(row.path))
        if not share.takes(row.id if isinstance(row, Rejected) else os.path.normpath(row.path)):
            settling.pass_by(row)
            continue
        settled = settling.settled(row)
        if isinstance(settled, ManifestEntry):
            manifest.entries.append(replace(settled, order=order))
        elif isinstance(settled, Rejected):
            manifest.rejected.append(Rejected(writable(settled.id), writable(settled.reason), order))
    rejected = {one.id for one in manifest.rejected}
    unlisted = [writable(name) for name in map(str, corpus.audio) if name not in listed]
    manifest.unlisted = [name for name in unlisted if name not in rejected]
    return manifest


def writable(text: str) -> str:
    """A text in which bytes that are no UTF-8, as a file's name may hold, are shown as their numbers."""
    return text.encode("utf-8", "backslashreplace").decode()


class _Settling:
    """Settles what rows leave open, by the settings and by what came before; DataError for what cannot be used."""

    def __init__(self, source: Path, root: Path, cfg: DatasetConfig, preparation: PreparationConfig) -> None:
        self._source, self._root, self._cfg, self._preparation = source.absolute().name, root, cfg, preparation
        for name in (preparation.language, *cfg.speaker_languages):
            if name is not None:
                _known_language(name)
        self._ids = RecordingIds()
        self._taken: dict[str, str] = {}

    def settled(self, row: Row | Rejected | Elsewhere) -> ManifestEntry | Rejected | None:
        """The recording of a row, or why it cannot be used."""
        if not isinstance(row, Row):
            self.pass_by(row)
            return row if isinstance(row, Rejected) else None
        try:
            return self.entry(row)
        except DataError as error:
            return Rejected(row.where, str(error))

    def pass_by(self, row: Row | Rejected | Elsewhere) -> None:
        """Let a recording have its id that another job prepares, or that cannot be used."""
        if row.path is None or refusal(row.path):
            return
        path, speaker = os.path.normpath(row.path), None if isinstance(row, Rejected) else row.speaker
        with suppress(DataError):
            self._ids.of(path, self._speaker(path, speaker))

    def entry(self, row: Row) -> ManifestEntry:
        """The recording of a row."""
        if problem := refusal(row.path):
            raise DataError(problem)
        row = replace(row, path=os.path.normpath(row.path))
        speaker = self._speaker(row.path, row.speaker)
        name = self._ids.of(row.path, speaker)
        split, text, language = self._split(row), _text("text", row.text), self._language(row, speaker)
        entry = ManifestEntry(
            id=name,
            audio=row.sound or AudioFile(self._root / row.path),
            speaker=speaker,
            text="" if split == "noise" else text,
            # What is heard may tell its language, if nothing else did.
            language=language if language or not (text or split == "noise") else DEFAULT_LANGUAGE,
            split=split,
            where=row.where,
            phonemes=_text("phonemes", row.phonemes),
        )
        if name in self._taken:
            raise DataError(f"utterance {name!r} already stands in {self._taken[name].rpartition(', ')[2]}")
        self._taken[name] = row.where
        return entry

    def _speaker(self, path: str, said: str | None) -> str:
        place = PurePath(self._source) / path
        speaker = (said or "").strip() or path_name(self._cfg.speaker_name_getter, place)
        if "/" not in speaker:
            speaker = f"{path_name(self._cfg.speaker_group_getter, place)}/{speaker}"
        parts = speaker.split("/")
        if len(parts) != 2 or not all(part.strip() for part in parts) or {".", ".."} & set(parts):
            raise DataError(f"speaker={speaker[:80]!r} must be group/speaker or a name without a slash")
        if len(speaker) > LONGEST_NAME or not speaker.isprintable():
            raise DataError(f"speaker={speaker[:80]!r} must be a printable name of at most {LONGEST_NAME} characters")
        return speaker

    def _split(self, row: Row) -> str:
        split = (row.split or "").strip().lower() or self._preparation.split
        split = OTHER_SPLITS.get(split, split)
        if split not in SPLITS:
            raise DataError(f"split={split[:40]!r} is not allowed, allowed: {', '.join(SPLITS)}")
        return split

    def _language(self, row: Row, speaker: str) -> str | None:
        """The language of the row, of its group, or of a folder named `de` or `es_MX`; None if nothing tells."""
        if row.language is not None and row.language.strip():
            return _known_language(row.language.strip())
        group = speaker.partition("/")[0]
        told = next((lang for lang, groups in self._cfg.speaker_languages.items() if group in groups), None)
        if told or self._preparation.language:
            return told or self._preparation.language
        folders = [LANGUAGE_FOLDER.fullmatch(part) for part in PurePath(row.path).parts[:-1]]
        return next((part[1].lower() for part in folders if part and part[1].lower() in VOICES), None)


def _text(name: str, said: str | None) -> str | None:
    """A text or phonemes, None if a row has none."""
    if said is None or not said.strip():
        return None
    if len(said) > LONGEST_TEXT:
        raise DataError(f"{name} of {len(said)} characters is too long, allowed: {LONGEST_TEXT}")
    if unwritten := UNWRITTEN.search(said):
        raise DataError(f"{name}={said[:40]!r} holds the control character {unwritten[0]!r}")
    return said.strip()


def _known_language(language: str) -> str:
    """A language as espeak knows it; a region that it has no voice for, as in `de-AT`, is left out."""
    for known in (language, language[:2] if language[2:3] in ("-", "_") else language):
        if known.lower().replace("_", "-") in VOICES:
            return known
    raise DataError(f"language {language[:40]!r} is not known, allowed: {', '.join(VOICES)}")
