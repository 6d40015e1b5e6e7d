"""Code files and HDF5 of the reference system: taken as they are, and never executed."""

from __future__ import annotations

import io
import os
import pickle
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from vall_e.config.codec import AudioBackend
from vall_e.config.dataset import DatasetConfig
from vall_e.config.preparation import PreparationConfig
from vall_e.config.schema import Config
from vall_e.data.pipeline.stored_codes import StoredCodes, stored_codes
from vall_e.data.prepare import prepare
from vall_e.data.recipes.artifact_pickle import load_artifact
from vall_e.data.store.store import Store
from vall_e.data.utterance import Utterance
from vall_e.errors import DataError
from vall_e.text import NaiveTokenizer
from vall_e.training.split import open_split

RNG = np.random.default_rng(0)


def codes(frames: int, levels: int = 8) -> np.ndarray:
    return RNG.integers(0, 1024, (1, levels, frames), np.uint16)


def artifact(frames: int = 30, **metadata: Any) -> dict[str, Any]:
    told = {"original_length": frames * 588, "sample_rate": 44_100, "input_db": np.float32(-13.5), **metadata}
    return {"codes": codes(frames), "metadata": told}


def write(path: Path, content: Any, protocol: int = 3) -> Path:
    """As `numpy.save` writes an object, with the pickle protocol of older Pythons, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    array = np.array(content, dtype=object)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
    pickle.dump(array, file, protocol)
    path.write_bytes(file.getvalue())
    return path


def prepared(source: Path, **settings: Any) -> list[Utterance]:
    path = source.parent / "s.h5"
    cfg = Config(
        audio_backend=AudioBackend.encodec,
        dataset=DatasetConfig(source=str(source), hdf5_name=str(path)),
        preparation=PreparationConfig(**settings),
    )
    prepare(cfg)
    with Store(path) as store:
        return [store.utterance(row) for row in range(len(store))]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_code_file_holds_what_was_saved(tmp_path: Path, protocol: int):
    saved = artifact(text="Hi.", phonemes=["h", "aɪ", "."], language="en", input_db=np.array([-13.5], np.float32))
    loaded = load_artifact(write(tmp_path / "a.enc", saved, protocol))
    np.testing.assert_array_equal(loaded["codes"], saved["codes"])
    assert loaded["codes"].dtype == np.uint16
    assert loaded["metadata"]["phonemes"] == ["h", "aɪ", "."]
    assert loaded["metadata"]["input_db"] == [-13.5]
    np.save(tmp_path / "b.npy", saved, allow_pickle=True)
    np.testing.assert_array_equal(load_artifact(tmp_path / "b.npy")["codes"], saved["codes"])


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def hostile(folder: Path) -> dict[str, Any]:
    trace = folder / "executed"
    return {
        "a shell": Calls(os.system, f"touch {trace}"),
        "a shell within": {"codes": Calls(os.system, f"touch {trace}")},
        "eval": Calls(eval, f"open({str(trace)!r}, 'w')"),
        "a file": Calls(open, str(trace), "w"),
        "an import": Calls(__import__, "antigravity"),
        "numpy's own loader": Calls(np.load, str(trace)),
        "another class": {"codes": Path("x")},
        "arrays of objects": {"codes": np.array([Calls(os.system, f"touch {trace}"), None], object)},
        "no dictionary": [1, 2],
    }


@pytest.mark.parametrize("name", list(hostile(Path())))
def test_a_hostile_code_file_is_refused_and_not_executed(tmp_path: Path, name: str):
    content = hostile(tmp_path)[name]
    path = tmp_path / "evil.enc"
    path.write_bytes(b"")
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": ()})
    path.write_bytes(file.getvalue() + pickle.dumps(content))
    with pytest.raises(DataError, match=r"evil\.enc is no code file that can be read"):
        load_artifact(path)
    assert not (tmp_path / "executed").exists()


HEADER = b"\x93NUMPY\x01\x00v\x00" + b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes of the length 2^63 - 1
        b"\x80\x04cposix\nsystem\n.",
        b"\x80\x04Pid\n.",
        b"\x80\x04\x82\x01.",
        b"(" * 100_000,
        b"",
    ],
)
def test_a_pickle_that_is_built_to_break_its_reader_is_refused(tmp_path: Path, body: bytes):
    (tmp_path / "evil.enc").write_bytes(HEADER + body)
    with pytest.raises(DataError, match=r"evil\.enc"):
        load_artifact(tmp_path / "evil.enc")


def test_a_pickle_does_not_make_its_reader_reserve_memory(tmp_path: Path):
    (tmp_path / "evil.enc").write_bytes(HEADER + b"\x80\x04}r\xff\xff\xff\xff.")  # 32 GB in the reader written in C
    assert load_artifact(tmp_path / "evil.enc") == {}


def test_damaged_code_files_are_refused_or_still_hold_codes(tmp_path: Path):
    whole = write(tmp_path / "a.enc", artifact(text="Hi.")).read_bytes()
    rng = random.Random(0)
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        (tmp_path / "b.enc").write_bytes(damaged[: rng.randrange(len(damaged)) if rng.random() < 0.3 else None])
        try:
            assert isinstance(load_artifact(tmp_path / "b.enc"), dict)
        except DataError as error:
            assert "b.enc" in str(error)


def test_a_folder_of_code_files_becomes_a_dataset(tmp_path: Path):
    source = tmp_path / "data"
    spoken = artifact(30, text="Hi.", phonemes="hˈaɪ.", language="en")
    write(source / "G/anna/1.enc", spoken)
    write(source / "G/anna/2.enc", artifact(20, text="Where is it?", language="en"))
    write(source / "G/street/1.enc", artifact(40))
    write(source / "G/anna/3.enc", {"codes": codes(10, levels=4), "metadata": {"phonemes": "a"}})
    write(source / "G/anna/6.enc", {"codes": codes(10), "metadata": [1]})
    write(source / "G/anna/4.enc", Calls(os.system, f"touch {tmp_path / 'executed'}"))
    (source / "G/anna/5.enc").write_bytes(b"no code file")
    found = prepared(source)
    assert [(u.id, u.split, u.text, len(u.codes)) for u in found] == [
        ("G/anna/1", "training", "Hi.", 30),
        ("G/anna/2", "training", "Where is it?", 20),
        ("G/street/1", "noise", "", 40),
    ]
    assert found[0].phonemes == "hˈaɪ." and found[1].phonemes
    np.testing.assert_array_equal(found[0].codes, spoken["codes"][0].T)
    assert not (tmp_path / "executed").exists()


class Weights(StoredCodes):
    """A codec of the same name and sizes whose weights are known."""

    def __init__(self, **other: Any) -> None:
        super().__init__(replace(stored_codes(AudioBackend.encodec).identity, digest="0123456789abcdef", **other))


def test_imported_codes_can_be_trained_on(tmp_path: Path):
    for number in range(3):
        write(tmp_path / f"data/G/anna/{number}.enc", artifact(100 + number, text="Hi.", phonemes="hˈaɪ."))
    prepared(tmp_path / "data")
    dataset = DatasetConfig(hdf5_name=str(tmp_path / "s.h5"))
    cfg = Config(audio_backend=AudioBackend.encodec, dataset=dataset)
    assert len(open_split(cfg, NaiveTokenizer(), Weights(), "training")) == 3
    with pytest.raises(DataError, match="other weights"):
        open_split(cfg, NaiveTokenizer(), Weights(frame_rate=50.0), "training")


def test_imported_codes_are_known_again_when_the_weights_are(tmp_path: Path):
    write(tmp_path / "data/G/anna/1.enc", artifact(text="Hi."))
    prepared(tmp_path / "data")
    dataset = DatasetConfig(source=str(tmp_path / "data"), hdf5_name=str(tmp_path / "s.h5"))
    assert prepare(Config(audio_backend=AudioBackend.encodec, dataset=dataset), Weights()).encoded == 0


def test_codes_of_another_codec_are_refused(tmp_path: Path):
    write(tmp_path / "data/a.enc", artifact(text="Hi."))
    cfg = Config(dataset=DatasetConfig(source=str(tmp_path / "data"), hdf5_name=str(tmp_path / "s.h5")))
    with pytest.raises(DataError, match="holds codes of encodec, but audio_backend=builtin: set codec=encodec"):
        prepare(cfg)
    write(tmp_path / "data/a.dac", artifact(text="Hi."))
    with pytest.raises(DataError, match="dac and encodec: import one at a time"):
        prepare(cfg)
    (tmp_path / "data/a.enc").unlink()
    with pytest.raises(DataError, match=r"holds codes of dac, a codec that is not here .*: prepare the recordings"):
        prepare(cfg)


def test_the_hdf5_layout_becomes_a_dataset(tmp_path: Path):
    (tmp_path / "data").mkdir()
    first = codes(30)[0].T.astype(np.int16)
    with h5py.File(tmp_path / "data/data.h5", "w") as file:
        for key, text, values in (
            ("/training/G/anna/1", "Hi.", first),
            ("/validation/G/anna/2", "Hello.", first[:20]),
            ("/noise/G/street/1", "", first[:10]),
            ("/training/G/anna/3", "Broken.", first.ravel()),
        ):
            group = file.create_group(key)
            group.create_dataset("audio", data=values, compression="lzf")
            if text:
                group.attrs.update(text=text, phonemes="hˈaɪ", language="en", duration="0.4", similar="[1]")
        (tmp_path / "secret").write_bytes(bytes(1_600))
        group = file.create_group("/training/G/anna/4")
        group.create_dataset("audio", (100, 8), "int16", external=[(str(tmp_path / "secret"), 0, 1_600)])
        group.attrs.update(text="A secret.", language="en")
        file["/training/G/bert"] = h5py.ExternalLink("other.h5", "/")
        file["/training/G/carl"] = h5py.SoftLink("/training/G/anna")
        file.create_dataset("symmap", data="{}")
    found = prepared(tmp_path / "data")
    assert [(u.id, u.split, u.text) for u in found] == [
        ("G/anna/1", "training", "Hi."),
        ("G/anna/2", "validation", "Hello."),
        ("G/street/1", "noise", ""),
    ]
    np.testing.assert_array_equal(found[0].codes, first)
    report = (tmp_path / "s.report.json").read_text()
    assert "/training/G/bert" in report and "/training/G/carl" in report
    assert "its codes lie in another file" in report and "codes of shape [frames, levels] are wanted" in report
