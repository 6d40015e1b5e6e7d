"""Layouts of corpora: each recipe turns the files of one into rows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from vall_e.errors import DataError

from . import artifacts, common_voice, emilia, folder, huggingface, libri, ljspeech, manifest, reference_hdf5, table
from .corpus import Corpus
from .row import Recipe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OpenedRecipe:
    """A recipe and its name. `codec` is that of the codes it brings, None if it brings sound.

    `by_stem` if speakers stand in files of the recordings, which a job reads of its own share alone: whether ids clash
    can be told if all that are called alike are in one share.
    """

    name: str
    rows: Recipe
    codec: str | None = None
    by_stem: bool = False


# The most telling first: the first that fits is taken.
RECIPES: dict[str, tuple[Callable[[Corpus], bool], Recipe]] = {
    "manifest": (manifest.fits, manifest.rows),
    "common_voice": (common_voice.fits, common_voice.rows),
    "ljspeech": (ljspeech.fits, ljspeech.rows),
    "libri": (libri.fits, libri.rows),
    "emilia": (emilia.fits, emilia.rows),
    "huggingface": (huggingface.fits, huggingface.rows),
    "artifacts": (artifacts.fits, artifacts.rows),
    "reference_hdf5": (reference_hdf5.fits, reference_hdf5.rows),
    "table": (table.fits, table.rows),
    "folder": (folder.fits, folder.rows),
}


def open_recipe(name: str, corpus: Corpus, setting: str | None = None) -> OpenedRecipe:
    """The recipe of that name, or with `auto` the first that fits; DataError if none does.

    `setting` is what the user is told to choose one by.
    """
    if name == "auto":
        name = _detected(corpus, f"; {setting}=NAME chooses " if setting else "")
    codec = artifacts.codec(corpus) if name == "artifacts" else "encodec" if name == "reference_hdf5" else None
    return OpenedRecipe(name, RECIPES[name][1], codec, by_stem=name == "emilia")


def _detected(corpus: Corpus, advice: str) -> str:
    name = next((name for name, (fits, _) in RECIPES.items() if fits(corpus)), None)
    if name is None:
        raise DataError(
            f"{corpus.root}: no recipe fits its {len(corpus.files)} files, allowed: meta.jsonl, a table, audio files, "
            f"or a corpus that one of these knows: {', '.join(RECIPES)}{advice and f'{advice}one'}"
        )
    log.info("%s is read by the recipe %s%s", corpus.root, name, advice and f"{advice}another")
    return name
