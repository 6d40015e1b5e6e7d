"""Files are named after utterances and codecs."""

from __future__ import annotations

import pytest

from vall_e.evaluation.codec.file_name import file_name_of


@pytest.mark.parametrize("name", ["builtin", "00012", "ann_2.b-c", "é"])
def test_a_name_that_can_be_one_of_a_file_stays(name: str) -> None:
    assert file_name_of(name) == name


def test_others_are_readable_and_not_alike() -> None:
    names = ["a/b_c", "a_b/c", "a b/c", "/a/b/c", "a_b_c"]
    found = [file_name_of(name) for name in names]
    assert len(set(found)) == len(names)
    assert all(name.startswith("a_b_c") for name in found)


@pytest.mark.parametrize("name", ["../../x", "..", ".", "/etc"])
def test_no_name_leads_elsewhere(name: str) -> None:
    assert "/" not in file_name_of(name)
    assert not file_name_of(name).startswith(".")
