"""How samples come back from worker processes, and the generator that they are drawn by."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vall_e.data import shelf, workers
from vall_e.data.parcel import pack
from vall_e.data.sample import Sample
from vall_e.data.sampling.generator import generator
from vall_e.data.shelf import Shelf

from .test_dataset import assert_same_sample
from .test_loader import assert_same_batches, loader


@given(st.tuples(st.integers(0, 2**70), st.integers(0, 2**33), st.integers(0, 2**33)))
def test_a_generator_draws_what_numpys_own_draws(key: tuple[int, int, int]):
    ours, theirs = generator(*key), np.random.default_rng(key)
    assert ours.integers(7, size=3).tolist() == theirs.integers(7, size=3).tolist()
    assert ours.random() == theirs.random()


def sample(prompt: object, frames: int) -> Sample:
    codes = np.arange(frames * 4, dtype=np.int16).reshape(frames, 4)
    return Sample(
        task="tts",
        utterance=f"u{frames}",
        speaker="s",
        language="en",
        text="Text.",
        tokens=np.arange(frames % 5 + 2),
        prompt=prompt,
        response=codes,
    )


def test_a_parcel_gives_back_every_kind_of_prompt():
    codes = np.full((3, 4), 7, np.int16)
    prompts = [codes, codes[:0], ("stt",), (codes, "soe", "mask", "eoe", codes + 1), ()]
    samples = [sample(prompt, 5 + place) for place, prompt in enumerate(prompts)]
    parcel, packed = pack(samples)
    assert packed.dtype == np.int16 and parcel.tokens.dtype == np.int64
    for one, other in zip(samples, parcel.unpack(packed), strict=True):
        assert_same_sample(one, other)
        assert type(one.prompt) is type(other.prompt)


def test_a_shelf_has_so_many_places_and_gives_copies():
    places = Shelf(2)
    first, second = places.take(), places.take()
    assert {first, second} == {0, 1} and places.take() is None
    one, other = np.full((3, 4), 1, np.int16), np.full((5, 4), 2, np.int16)
    assert places.put(first, one) and places.put(second, other)
    found = places.fetch(first, one.shape)
    assert places.put(first, other[:3])
    np.testing.assert_array_equal(found, one)
    np.testing.assert_array_equal(places.fetch(second, other.shape), other)
    places.free(first)
    assert places.take() == first


@pytest.mark.parametrize("places", [0, 1])
def test_batches_that_find_no_place_come_all_the_same(tone_store: Path, monkeypatch: pytest.MonkeyPatch, places: int):
    monkeypatch.setattr(workers, "Shelf", lambda _: Shelf(places))
    helped = loader(tone_store, workers=2)
    assert_same_batches(list(islice(helped, 7)), list(islice(loader(tone_store), 7)))
    helped.close()


def test_batches_too_long_for_their_place_come_all_the_same(tone_store: Path, monkeypatch: pytest.MonkeyPatch):
    whole = list(islice(loader(tone_store), 8))
    sizes = [sum(s.response.nbytes + s.heard.nbytes for s in batch) for batch in whole]
    monkeypatch.setattr(shelf, "PLACE_BYTES", sorted(sizes)[3])
    helped = loader(tone_store, workers=1)
    assert_same_batches(list(islice(helped, 8)), whole)
    helped.close()
