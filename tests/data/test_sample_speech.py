"""The speech that ships with the package."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import soundfile

import vall_e
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.corpus_entries import ManifestEntry, read_corpus
from vall_e.data.recipes.manifest import MANIFEST_NAME

SAMPLE = Path(vall_e.__file__).parent / "sample"


def entries() -> list[ManifestEntry]:
    corpus = read_corpus(SAMPLE, DatasetConfig(), PreparationConfig())
    assert not corpus.rejected
    return corpus.entries


def test_it_holds_five_minutes_of_nine_speakers_in_at_most_four_megabytes():
    listed = entries()
    seconds = [soundfile.info(entry.audio.file).duration for entry in listed]
    assert Counter(entry.split for entry in listed) == {"training": 88, "validation": 14}
    assert len({entry.speaker for entry in listed}) == 9
    assert 290 < sum(seconds) < 330
    assert all(1.9 < s < 4.6 for s in seconds)
    assert sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()) < 4e6


def test_validation_has_a_speaker_of_its_own_and_no_sentence_of_training():
    listed = entries()
    training = [entry for entry in listed if entry.split == "training"]
    validation = [entry for entry in listed if entry.split == "validation"]
    assert {e.speaker for e in validation} - {e.speaker for e in training} == {"kokoro/bm_daniel"}
    assert not {e.text for e in training} & {e.text for e in validation}


def test_every_file_is_listed_and_the_data_card_names_its_source():
    listed = {entry.audio.file for entry in entries()}
    assert listed == set(SAMPLE.rglob("*.ogg"))
    assert (SAMPLE / MANIFEST_NAME).is_file()
    card = (SAMPLE / "README.md").read_text(encoding="utf-8")
    for word in ("Kokoro-82M", "Apache", "WordNet 3.0", "Princeton University"):
        assert word in card
