"""Looking at a dataset, as a user does it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import forked
from tests.small_run import environment
from vall_e.config.dataset import TASKS, DatasetConfig
from vall_e.config.hyperparameters import HyperparametersConfig
from vall_e.config.schema import Config
from vall_e.data.__main__ import with_paths
from vall_e.data.looking.look import look
from vall_e.data.looking.totals import count_totals
from vall_e.data.store.store import Store

from .sounds import OPEN_CODEC, write_sounds
from .tones import WriteStore, utterance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("looking")
    write_sounds(folder / "sounds.h5", OPEN_CODEC())
    return folder


def app(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return forked.run(["-m", "vall_e.data", *arguments], folder, environment())


def test_a_dataset_is_seen_and_heard(folder: Path):
    settings = ("hydra.run.dir=seen", "dataset.noise=[noise/*]", "hyperparameters.batch_size=1")
    done = app(folder, "sounds.h5", *settings)
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert re.search(r"training: 12 utterances, .* min, 3 speakers", told)
    assert "validation: 3 utterances" in told and "noise: 2 utterances" in told
    page = (folder / "seen/index.html").read_text(encoding="utf-8")
    for link in re.findall(r'src="([^"]+)"', page):
        if link.endswith(".wav"):
            wave, rate = soundfile.read(folder / "seen" / link)
            assert rate == 24_000 and np.abs(wave).max() > 0.02, link
        else:
            assert (folder / "seen" / link).read_bytes().startswith(b"\x89PNG")
    assert all(f'id="{task}"' in page for task in TASKS)
    heard = {task: len(list((folder / "seen" / task).glob("*.response.wav"))) for task in TASKS}
    assert set(heard.values()) == {1}
    assert not list((folder / "seen/stt").glob("*.prompt.wav"))


def test_tasks_that_the_dataset_lacks_something_for_are_named(folder: Path):
    dataset = DatasetConfig(hdf5_name=str(folder / "sounds.h5"), training=["kokoro/af_bella"], noise=["nothing"])
    look(Config(dataset=dataset, hyperparameters=HyperparametersConfig(batch_size=2)), OPEN_CODEC(), folder / "less")
    page = (folder / "less/index.html").read_text(encoding="utf-8")
    assert "tse needs a second speaker" in page
    assert page.count("matches no speaker") == 3
    assert (folder / "less/cse/1.response.wav").is_file() and not (folder / "less/ns").exists()


def test_a_missing_dataset_is_told_with_status_2(folder: Path):
    done = app(folder, "nothing.h5")
    assert done.returncode == 2
    assert "dataset.hdf5_name=nothing.h5 is not a file" in done.stderr


def test_paths_stand_for_the_setting(tmp_path: Path):
    store = tmp_path / "it's"
    store.touch()
    assert with_paths(["seed=1", "a.h5"]) == ["seed=1", "dataset.hdf5_name='a.h5'"]
    assert with_paths(["a.h5", "seed=1", "--cfg", "job"]) == ["dataset.hdf5_name='a.h5'", "seed=1", "--cfg", "job"]
    assert with_paths(["a.h5", "b.hdf5"]) == ["dataset.hdf5_name='a.h5','b.hdf5'", "--multirun"]
    assert with_paths([str(store)]) == [f"dataset.hdf5_name='{tmp_path}/it\\'s'"]
    assert with_paths(["--cfg", "job", "dataset.hdf5_name=a.h5"]) == ["--cfg", "job", "dataset.hdf5_name=a.h5"]


def test_totals_are_those_of_the_store(write_store: WriteStore):
    path = write_store(
        *(utterance(i, 50 * (i + 1), f"g/{'ab'[i % 2]}") for i in range(4)),
        utterance(9, 100, "noise/x", "noise", language="de"),
    )
    totals = count_totals(Store(path))
    assert totals.per_speaker() == [("g/b", 6 / 60), ("g/a", 4 / 60), ("noise/x", 2 / 60)]
    assert [(name, seconds.sum(), speakers) for name, seconds, speakers in totals.of_split()] == [
        ("training", 10, 2),
        ("noise", 2, 1),
    ]
    assert totals.rows()[-1] == ("languages", "en-us 4, de 1")
