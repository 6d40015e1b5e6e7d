"""espeak-ng through phonemizer: which library is used, and one backend a voice for the life of the process."""

from __future__ import annotations

import ctypes.util
import logging
import os
from functools import cache
from typing import Any

from vall_e.errors import MissingExtra, TextError

PURPOSE = "turning text into phonemes"


@cache
def backend(voice: str) -> Any:
    """phonemizer's EspeakBackend for espeak's `voice`; punctuation in a text is left to espeak, which drops it.

    Not safe in several threads at once: espeak keeps global state.
    """
    wrapper = _wrapper()
    try:
        from phonemizer.backend import EspeakBackend

        # No mark is punctuation to phonemizer: it would cut numbers at their points.
        return EspeakBackend(voice, punctuation_marks="\0", with_stress=True, logger=_silent_log())
    except RuntimeError as error:
        raise TextError(f"espeak-ng ({wrapper.library()}) cannot speak {voice!r}: {error}") from error


@cache
def _wrapper() -> Any:
    """phonemizer's EspeakWrapper, set to the system's espeak-ng if there is one, else to the one of a wheel."""
    try:
        from phonemizer.backend.espeak.wrapper import EspeakWrapper
    except ImportError as error:
        raise MissingExtra("phonemizer", "espeak", PURPOSE) from error
    if "PHONEMIZER_ESPEAK_LIBRARY" in os.environ or ctypes.util.find_library("espeak-ng"):
        return EspeakWrapper
    try:
        import espeakng_loader
    except ImportError as error:
        raise MissingExtra("espeakng-loader", "espeak", PURPOSE) from error
    EspeakWrapper.set_library(espeakng_loader.get_library_path())
    EspeakWrapper.set_data_path(espeakng_loader.get_data_path())
    return EspeakWrapper


def _silent_log() -> logging.Logger:
    """A log for phonemizer's warnings of word counts and language switches, which do not concern our use."""
    log = logging.getLogger("vall_e.text.phonemizer")
    log.setLevel(logging.CRITICAL)
    return log
