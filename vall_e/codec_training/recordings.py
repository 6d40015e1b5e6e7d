"""Which recordings a codec learns from, and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vall_e.config.nearest import hint
from vall_e.data.recipes.corpus import AUDIO_SUFFIXES, Corpus
from vall_e.errors import AudioError, ConfigError


@dataclass(frozen=True)
class Recording:
    """A file below one of the folders: the place of that folder in the list, and whether it is held out."""

    path: Path
    folder: int
    held_out: bool


def find_recordings(folders: Sequence[str], holdout: Sequence[str]) -> list[Recording]:
    """All recordings below the folders; those with a folder called so on their way are held out.

    AudioError for a folder without audio, ConfigError for none at all or a name that no folder has.
    """
    if not folders or not all(folders):
        raise ConfigError("audio= names no folder: give a folder of recordings, or audio=[FOLDER,...]")
    found = [recording for place, name in enumerate(folders) for recording in _below(Path(name), place, set(holdout))]
    if not all(recording.held_out for recording in found):
        _check_names(holdout, folders, found)
        return found
    raise AudioError(f"holdout={list(holdout)} holds out everything below audio={list(folders)}")


def _below(folder: Path, place: int, holdout: set[str]) -> list[Recording]:
    audio = Corpus(folder).audio if folder.is_dir() else []
    if not audio:
        known = ", ".join(sorted(AUDIO_SUFFIXES))
        raise AudioError(f"audio={folder}: no audio file below this folder, allowed: {known}")
    return [Recording(folder / path, place, bool(holdout & set(path.parent.parts))) for path in audio]


def _check_names(holdout: Sequence[str], folders: Sequence[str], found: Sequence[Recording]) -> None:
    names = {part for r in found for part in r.path.relative_to(folders[r.folder]).parent.parts}
    for name in holdout:
        if name not in names:
            raise ConfigError(f"holdout={name} is no folder below audio={list(folders)}{hint(name, names)}")
