"""Which recordings are measured."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vall_e.audio.read import write_wav
from vall_e.errors import ConfigError, DataError
from vall_e.evaluation.codec.utterances import draw, find_utterances

from .conftest import SAMPLE, TEXT


@pytest.fixture(scope="module")
def found() -> list:
    return find_utterances(SAMPLE, None)


def test_a_manifest_tells_speaker_text_and_language(found: list) -> None:
    assert len(found) == 102
    one = next(one for one in found if one.text == TEXT)
    assert (one.speaker, one.group, one.language) == ("kokoro/af_bella", "kokoro", "en-us")
    assert one.read(24_000).shape == one.read(48_000)[::2].shape


def test_speakers_are_kept_by_name_or_group() -> None:
    kept = find_utterances(SAMPLE, ["af_nova", "kokoro/bm_daniel"])
    assert {one.speaker for one in kept} == {"kokoro/af_nova", "kokoro/bm_daniel"}
    assert len(find_utterances(SAMPLE, ["kokoro"])) == 102


def test_a_speaker_who_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"speakers=\[af_novva\] is not there, allowed: .*nearest: af_nova"):
        find_utterances(SAMPLE, ["af_novva"])


def test_utterances_are_spread_over_speakers_and_repeatable(found: list) -> None:
    drawn = draw(found, 20, seed=1)
    assert set(Counter(one.speaker for one in drawn).values()) == {2, 3}
    assert drawn == draw(found[::-1], 20, seed=1)
    assert drawn != draw(found, 20, seed=2)
    assert drawn[:12] == draw(found, 12, seed=1)
    assert len(draw(found, None, seed=1)) == len(draw(found, 1000, seed=1)) == 102


def test_texts_may_lie_beside_the_audio(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_wav(tmp_path / "me" / f"{name}.wav", np.zeros(2_400, np.float32), 24_000)
    (tmp_path / "me" / "a.txt").write_text("Said.")
    assert [(one.text, one.speaker.partition("/")[2]) for one in find_utterances(tmp_path, None)] == [
        ("Said.", "me"),
        (None, "me"),
    ]


def test_no_setting_is_named_that_there_is_not(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "thesis.pdf").write_text("x")
    with pytest.raises(DataError, match="no recipe fits") as refused:
        find_utterances(tmp_path, None)
    with caplog.at_level(logging.INFO):
        find_utterances(SAMPLE, None)
    assert "read by the recipe manifest" in caplog.text
    assert "preparation" not in f"{refused.value}{caplog.text}"


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        find_utterances(tmp_path / "none", None)
