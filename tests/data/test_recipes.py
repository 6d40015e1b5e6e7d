"""Layouts of corpora: each is recognised, and read to the last file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.data.recipes.audio_source import AudioFile
from vall_e.data.recipes.corpus_entries import Manifest, read_corpus
from vall_e.errors import AudioError, DataError

RATE = 8_000


def sound(folder: Path, *paths: str) -> None:
    """Half a second of a tone in each file."""
    wave = np.sin(np.arange(RATE // 2) / 5).astype(np.float32)
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / path, wave, RATE)


def text(folder: Path, path: str, content: str | bytes) -> None:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)


def read(folder: Path, **settings: object) -> Manifest:
    return read_corpus(folder, DatasetConfig(), PreparationConfig(**settings))


def found(manifest: Manifest) -> list[tuple[str, str | None, str | None, str]]:
    return [(e.id, e.text, e.language, e.split) for e in manifest.entries]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    return tmp_path / "corpus"


def test_a_folder_with_a_transcript_beside_each_file(corpus: Path):
    sound(corpus, "anna/1.wav", "anna/2.flac", "de/bert/1.ogg", "anna/3.wav")
    text(corpus, "anna/1.txt", "\ufeffOne.\n")
    text(corpus, "anna/2.lab", "Two.")
    text(corpus, "de/bert/1.txt", "Eins.")
    text(corpus, "anna/3.txt", b"\xff\xfe\x00")
    manifest = read(corpus)
    assert manifest.recipe == "folder"
    assert found(manifest) == [
        ("corpus/anna/1", "One.", "en", "training"),
        ("corpus/anna/2", "Two.", "en", "training"),
        ("de/bert/1", "Eins.", "de", "training"),
    ]
    assert [one.id for one in manifest.rejected] == ["anna/3.wav"]
    assert "3.txt" in manifest.rejected[0].reason and "UTF-8" in manifest.rejected[0].reason


def test_audio_without_transcripts_is_read_without_text_and_language(corpus: Path):
    sound(corpus, "anna/1.wav", "fr/1.wav")
    assert found(read(corpus)) == [
        ("corpus/anna/1", None, None, "training"),
        ("corpus/fr/1", None, "fr", "training"),
    ]


def test_a_folder_of_noise(corpus: Path):
    sound(corpus, "street/1.wav")
    assert found(read(corpus, split="noise")) == [("corpus/street/1", "", "en", "noise")]


def test_a_csv_with_names_of_its_own_for_the_columns(corpus: Path):
    sound(corpus, "a.wav", "sub/b.wav")
    text(
        corpus,
        "data.csv",
        "file_name,Speaker_ID,transcription,locale,split\n"
        'a.wav,7,"Said, and ""done"".",de,train\n'
        'sub/b.wav,7,"Two\nlines.",en,dev\n',
    )
    manifest = read(corpus)
    assert manifest.recipe == "table"
    assert found(manifest) == [
        ("corpus/7/a", 'Said, and "done".', "de", "training"),
        ("corpus/7/b", "Two\nlines.", "en", "validation"),
    ]


def test_a_quote_that_is_never_closed_costs_its_own_line_alone(corpus: Path):
    sound(corpus, *(f"{n}.wav" for n in range(6)))
    lines = ["path,text", "0.wav,zero", '1.wav,"one', "2.wav,two", '3.wav,"three"', '4.wav,fo"ur', "5.wav,five,6,7"]
    text(corpus, "data.csv", "\n".join(lines))
    manifest = read(corpus)
    assert [(e.text, e.where) for e in manifest.entries] == [
        ("zero", "data.csv, line 2"),
        ("two", "data.csv, line 4"),
        ("three", "data.csv, line 5"),
    ]
    assert [one.id for one in manifest.rejected] == [f"data.csv, line {n}" for n in (3, 6, 7)]


def test_a_tsv_in_which_quotes_mean_nothing(corpus: Path):
    sound(corpus, "a.wav", "b.wav")
    text(corpus, "data.tsv", 'path\tsentence\na.wav\t"Open\nb.wav\tcl"osed\n')
    assert [e.text for e in read(corpus).entries] == ['"Open', 'cl"osed']


def test_lines_of_json_under_any_name(corpus: Path):
    sound(corpus, "a.wav")
    text(corpus, "train.jsonl", json.dumps({"audio_filepath": "a.wav", "text": "A.", "speaker": 12, "duration": 0.5}))
    assert found(read(corpus)) == [("corpus/12/a", "A.", "en", "training")]


def test_ljspeech(corpus: Path):
    sound(corpus, "wavs/LJ001-0001.wav", "wavs/LJ001-0002.wav")
    text(
        corpus,
        "metadata.csv",
        'LJ001-0001|No. 5 "x|Number five "x\nLJ001-0002|Two.|\nLJ001-0003|Gone.|Gone.\nnonsense\n',
    )
    sound(corpus, "wavs/extra.wav")
    manifest = read(corpus)
    assert manifest.recipe == "ljspeech"
    assert manifest.unlisted == ["wavs/extra.wav"]
    assert [(e.id, e.text) for e in manifest.entries] == [
        ("corpus/corpus/LJ001-0001", 'Number five "x'),
        ("corpus/corpus/LJ001-0002", "Two."),
        ("corpus/corpus/LJ001-0003", "Gone."),
    ]
    assert [(one.id, one.reason) for one in manifest.rejected] == [("metadata.csv, line 4", "a line id|text is wanted")]


def test_several_voices_of_the_ljspeech_kind_each_in_a_folder_named_by_its_language(corpus: Path):
    sound(corpus, "es_MX_f_Ana/digits/1.ogg", "es_MX_f_Ana/si.ogg", "ru_RU_f_Ida/1.ogg")
    text(corpus, "es_MX_f_Ana/metadata.csv", "digits/1|uno\nsi|sí\n")
    text(corpus, "ru_RU_f_Ida/metadata.csv", "1|один\n")
    assert found(read(corpus)) == [
        ("corpus/es_MX_f_Ana/1", "uno", "es", "training"),
        ("corpus/es_MX_f_Ana/si", "sí", "es", "training"),
        ("corpus/ru_RU_f_Ida/1", "один", "ru", "training"),
    ]


def test_librispeech(corpus: Path):
    sound(corpus, "train-clean/19/198/19-198-0000.flac", "dev-clean/84/12/84-12-0001.flac")
    text(corpus, "train-clean/19/198/19-198.trans.txt", "19-198-0000 NORTHANGER ABBEY\n19-198-0001 GONE\n")
    text(corpus, "dev-clean/84/12/84-12.trans.txt", "84-12-0001 WELL\n")
    manifest = read(corpus)
    assert manifest.recipe == "libri"
    assert found(manifest) == [
        ("corpus/84/84-12-0001", "WELL", "en", "validation"),
        ("corpus/19/19-198-0000", "NORTHANGER ABBEY", "en", "training"),
    ]
    assert [one.id for one in manifest.rejected] == ["train-clean/19/198/19-198.trans.txt, line 2"]


def test_libritts(corpus: Path):
    sound(corpus, "train-clean/19/198/a.wav", "train-clean/19/198/b.wav")
    text(corpus, "train-clean/19/198/a.normalized.txt", "Mister Smith.")
    text(corpus, "train-clean/19/198/a.original.txt", "Mr. Smith.")
    text(corpus, "train-clean/19/198/b.original.txt", "Dr. Who?")
    manifest = read(corpus)
    assert manifest.recipe == "libri"
    assert [(e.speaker, e.text) for e in manifest.entries] == [
        ("corpus/19", "Mister Smith."),
        ("corpus/19", "Dr. Who?"),
    ]


def test_common_voice(corpus: Path):
    sound(corpus, *(f"de/clips/common_voice_de_{n}.wav" for n in range(3)))
    header = "client_id\tpath\tsentence\tup_votes\tage\tlocale\n"
    rows = [f'{"ab" * 64}\tcommon_voice_de_{n}.wav\tSatz {n} "x\t2\t\tde\n' for n in range(3)]
    text(corpus, "de/validated.tsv", header + "".join(rows))
    text(corpus, "de/test.tsv", header + rows[2])
    manifest = read(corpus)
    assert manifest.recipe == "common_voice"
    assert found(manifest) == [
        (f"common_voice/{'ab' * 8}/common_voice_de_{n}", f'Satz {n} "x', "de", "validation" if n == 2 else "training")
        for n in range(3)
    ]


def test_emilia(corpus: Path):
    stem = "EN/EN_B00000/EN_B00000_S00000/mp3/EN_B00000_S00000_W000000"
    sound(corpus, f"{stem}.mp3")
    told = {
        "id": "x",
        "wav": "x",
        "text": " Hi there.",
        "duration": 0.5,
        "speaker": "EN_B00000_S00000",
        "language": "en",
    }
    text(corpus, f"{stem}.json", json.dumps(told))
    manifest = read(corpus)
    assert manifest.recipe == "emilia"
    assert found(manifest) == [("Emilia/EN_B00000_S00000/EN_B00000_S00000_W000000", "Hi there.", "en", "training")]


def test_parquet_of_the_hugging_face_hub(corpus: Path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra huggingface is not installed")
    import pyarrow.parquet as parquet

    sound(corpus, "a.wav", "b.wav")
    audio = [{"bytes": (corpus / name).read_bytes(), "path": name} for name in ("a.wav", "b.wav")]
    columns = {
        "audio": [*audio, {"bytes": None, "path": "c.wav"}, audio[1]],
        "text": ["A.", "B.", "C.", "D."],
        "speaker_id": [3, 4, 4, 4],
    }
    (corpus / "data").mkdir()
    parquet.write_table(pyarrow.table(columns), corpus / "data/test-00000-of-00001.parquet", row_group_size=2)
    manifest = read(corpus)
    assert manifest.recipe == "huggingface"
    assert [(e.id, e.text, e.split) for e in manifest.entries] == [
        ("corpus/3/a", "A.", "validation"),
        ("corpus/4/b", "B.", "validation"),
        ("corpus/4/c", "C.", "validation"),
        ("corpus/4/test-00000-of-00001-001-00001", "D.", "validation"),
    ]
    wave, rate = soundfile.read(manifest.entries[1].audio.open())
    assert (len(wave), rate) == (RATE // 2, RATE)
    with pytest.raises(AudioError, match="batch 1, row 0: holds no audio"):
        manifest.entries[2].audio.open()


def test_parquet_that_names_files(corpus: Path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra huggingface is not installed")
    import pyarrow.parquet as parquet

    sound(corpus, "wavs/a.wav")
    parquet.write_table(pyarrow.table({"file": ["wavs/a.wav"], "sentence": ["A."]}), corpus / "train.parquet")
    text(corpus, "broken.parquet", b"PAR1" + bytes(100) + b"PAR1")
    parquet.write_table(pyarrow.table({"x": [1]}), corpus / "foreign.parquet")
    manifest = read(corpus)
    assert found(manifest) == [("corpus/corpus/a", "A.", "en", "training")]
    assert manifest.entries[0].audio == AudioFile(corpus / "wavs/a.wav")
    assert [one.id for one in manifest.rejected] == ["broken.parquet", "foreign.parquet"]


def test_arrow_files_of_save_to_disk(corpus: Path):
    pyarrow = pytest.importorskip("pyarrow", reason="the extra huggingface is not installed")

    sound(corpus, "a.wav")
    table = pyarrow.table({"audio": [{"bytes": (corpus / "a.wav").read_bytes(), "path": None}], "text": ["A."]})
    (corpus / "a.wav").unlink()
    file = pyarrow.OSFile(str(corpus / "data-00000-of-00001.arrow"), "wb")
    with file, pyarrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    text(corpus, "broken.arrow", b"ARROW1 or not")
    manifest = read(corpus)
    assert [e.text for e in manifest.entries] == ["A."]
    assert [one.id for one in manifest.rejected] == ["broken.arrow"]
    assert len(soundfile.read(manifest.entries[0].audio.open())[0]) == RATE // 2


def test_a_recipe_can_be_forced(corpus: Path):
    sound(corpus, "a.wav")
    text(corpus, "a.txt", "From beside.")
    text(corpus, "data.csv", "path,text\na.wav,From the table.\n")
    assert read(corpus).entries[0].text == "From the table."
    assert read(corpus, recipe="folder").entries[0].text == "From beside."


def test_what_no_recipe_fits_is_named(corpus: Path):
    text(corpus, "thesis.pdf", "x")
    with pytest.raises(DataError, match=r"corpus: no recipe fits its 1 files.*ljspeech.*, folder$"):
        read(corpus)
    with pytest.raises(DataError, match="no such folder"):
        read(corpus / "elsewhere")


def test_links_in_a_circle_end(corpus: Path):
    sound(corpus, "a/1.wav")
    (corpus / "a/again").symlink_to(corpus)
    assert [e.id for e in read(corpus).entries] == ["corpus/a/1"]


def test_pipes_and_links_to_nowhere_hold_nothing_up(corpus: Path):
    sound(corpus, "a/1.wav")
    (corpus / "a/2.wav").symlink_to("nowhere.wav")
    for name in ("a/1.txt", "a/3.wav", "data.csv", "x.h5", "x.enc", "meta.jsonl"):
        os.mkfifo(corpus / name)
    assert found(read(corpus)) == [("corpus/a/1", None, None, "training"), ("corpus/a/2", None, None, "training")]
