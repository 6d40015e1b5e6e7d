"""Embeddings, positions and heads give what the reference implementation computed with its own random weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch

from tests.golden.parity_rows import COLUMNS, FOLDER, chosen, names
from vall_e.evaluation.parity.fixture import Array, Fixture, read_fixture
from vall_e.evaluation.parity.forward import reference_packed
from vall_e.evaluation.parity.passes import passes
from vall_e.models.layout import ModelInput
from vall_e.models.vall_e import VallE


@dataclass
class Golden:
    """A model that knows only the rows that are asked of it, all else being NaN, and what it shall give."""

    fixture: Fixture
    model: VallE
    rows: dict[str, Array]


@cache
def golden(letter: str) -> Golden:
    fixture = read_fixture(FOLDER / letter)
    model, rows = VallE(fixture.config).eval(), dict(np.load(FOLDER / letter / "rows.npz"))
    parameters = dict(model.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.fill_(torch.nan)
        model.sep.copy_(torch.from_numpy(rows["sep"]))
        for name in (key.removeprefix("at.") for key in rows if key.startswith("at.")):
            parameters[name][rows[f"at.{name}"]] = torch.from_numpy(rows[f"row.{name}"])
    return Golden(fixture, model, rows)


def shown(letter: str, name: str) -> list[ModelInput]:
    return passes(golden(letter).fixture)[name]


PASSES = [
    (letter, name)
    for letter in "AC"
    for name in passes(read_fixture(FOLDER / letter))
    if not name.startswith("mixed_")  # of which nothing but logits is known
]


@pytest.mark.parametrize(("letter", "name"), PASSES)
@torch.inference_mode()
def test_input_vectors_and_positions(letter: str, name: str) -> None:
    known = golden(letter)
    packed = reference_packed(known.model, shown(letter, name))
    vectors, ids = (torch.split(x, packed.lengths) for x in (packed.embeddings, packed.positions))
    for index, layout in enumerate(packed.layouts):
        place = names(known.fixture, name, index)
        assert ids[index].tolist() == known.rows[f"{place}.position_ids"].tolist()
        np.testing.assert_allclose(vectors[index][chosen(layout)], known.rows[f"{place}.embeds"], atol=1e-5)


@pytest.mark.parametrize(("letter", "name"), PASSES)
@torch.inference_mode()
def test_logits_of_hidden_states(letter: str, name: str) -> None:
    known = golden(letter)
    for index, layout in enumerate(known.model.pack(shown(letter, name)).layouts):
        place = names(known.fixture, name, index)
        hidden = torch.from_numpy(known.rows[f"{place}.hidden"])
        found = known.model.logits(layout.head, hidden[None])[0, COLUMNS]
        np.testing.assert_allclose(found, known.rows[f"{place}.logits"], atol=1e-4)
