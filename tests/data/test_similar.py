"""Similar utterances: kept beside the store, read by row, refused beside another store."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from vall_e.data.store.similar import write_similar
from vall_e.data.store.similar_file import SimilarFile, similar_path
from vall_e.data.store.store import Store
from vall_e.errors import DataError

from .tones import WriteStore, open_dataset, utterance

INDICES = np.array([[1, 2], [0, -1], [3, 0], [2, 1]], np.int32)
SCORES = np.array([[0.9, 0.1], [0.5, 0], [1, 0.25], [1, 0.5]], np.float16)


def test_what_is_written_is_read_back_by_row(write_store: WriteStore):
    path = write_store(*(utterance(i, 60) for i in range(4)))
    write_similar(path, INDICES, SCORES)
    store = pickle.loads(pickle.dumps(Store(path)))
    assert [store.similar(row).tolist() for row in range(4)] == INDICES.tolist()
    assert store.similar(0).dtype == np.int32
    assert SimilarFile(path, store.content_crc32).scores(2).tolist() == SCORES[2].tolist()
    write_similar(path, INDICES[:, :1], SCORES[:, :1])
    assert Store(path).similar(2).tolist() == [3]


def test_a_dataset_tells_rows_of_the_store_by_its_own_numbers(write_store: WriteStore):
    splits = ("validation", "training", "training", "training")
    path = write_store(*(utterance(i, 60, split=split) for i, split in enumerate(splits)))
    write_similar(path, INDICES, SCORES)
    assert [open_dataset(path).similar(index).tolist() for index in range(3)] == INDICES[1:].tolist()
    assert open_dataset(path, "validation").similar(0).tolist() == [1, 2]


def test_those_of_another_content_are_refused(write_store: WriteStore):
    path = write_store(*(utterance(i, 60) for i in range(4)))
    with pytest.raises(DataError, match=r"store\.similar\.h5 does not exist"):
        Store(path).similar(0)
    write_similar(path, INDICES, SCORES)
    write_store(*(utterance(i, 60) for i in range(5)))
    with pytest.raises(DataError, match="belongs to another state"):
        Store(path).similar(0)


@pytest.mark.parametrize(
    ("indices", "scores"),
    [(INDICES[:3], SCORES[:3]), (INDICES, SCORES[:, :1]), (INDICES + 1, SCORES), (INDICES - 1, SCORES)],
)
def test_arrays_that_do_not_fit_the_store_are_refused(write_store: WriteStore, indices: np.ndarray, scores: np.ndarray):
    path = write_store(*(utterance(i, 60) for i in range(4)))
    with pytest.raises(ValueError, match="must"):
        write_similar(path, indices, scores)
    assert not similar_path(path).exists()


def test_damage_is_named(write_store: WriteStore):
    path = write_store(*(utterance(i, 60) for i in range(4)))
    write_similar(path, INDICES, SCORES)
    content = bytearray(similar_path(path).read_bytes())
    content[-40] ^= 1
    similar_path(path).write_bytes(content)
    with pytest.raises(DataError, match=r"store\.similar\.h5 is damaged"):
        Store(path).similar(0)
