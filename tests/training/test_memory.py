"""A step that does not fit into memory is made in pieces; one that never fits is told of and leaves a checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from tests.small_run import batches, checkpoints, engine, small
from vall_e.engines.checkpoint import load_states
from vall_e.engines.local import LocalEngine
from vall_e.engines.micro_batch import MicroBatch
from vall_e.errors import VallEError
from vall_e.training.loop import train


@pytest.fixture(params=["device", "machine"])
def full_at_step_3(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The backward pass of the third step asks for more memory than there is."""
    within = LocalEngine._backward

    def beyond(self: LocalEngine, *arguments: object) -> object:
        if self.global_step == 2 and request.param == "device":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        if self.global_step == 2:
            torch.empty(1 << 60, dtype=torch.uint8)
        return within(self, *arguments)

    monkeypatch.setattr(LocalEngine, "_backward", beyond)


@pytest.mark.usefixtures("full_at_step_3")
def test_the_run_is_saved_and_told_what_to_lower(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(VallEError, match=r"memory ran out on cpu at step 3, .* 2 samples with \d+ frames.*_size=2"):
        train(small(speech, iterations=4), tmp_path)
    assert load_states(checkpoints(tmp_path) / "2")[1]["step"] == 2


@pytest.mark.usefixtures("full_at_step_3")
def test_nothing_is_saved_or_explained_if_that_is_not_wanted(speech: Path, tmp_path: Path) -> None:
    with pytest.raises(VallEError):
        train(small(speech, iterations=4, save_on_oom=False), tmp_path / "unsaved")
    assert not (checkpoints(tmp_path / "unsaved") / "2").exists()
    with pytest.raises(RuntimeError, match="memory"):
        train(small(speech, iterations=4, check_for_oom=False), tmp_path / "raw")


def test_other_errors_are_not_taken_for_it(speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: LocalEngine, *arguments: object) -> object:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(LocalEngine, "_backward", broken)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(small(speech, iterations=2), tmp_path)


def test_a_batch_that_does_not_fit_is_made_in_pieces_and_the_step_is_the_same(
    speech: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cfg = small(speech, batch_size=5, dropout=0.0, gradient_accumulation_steps=2)
    whole, pieces = engine(cfg), engine(cfg)
    pairs = [batches(cfg, 2)] * 3
    expected = [whole.step(pair) for pair in pairs]
    within = LocalEngine._backward

    def tight(self: LocalEngine, batch: MicroBatch, *rest: frozenset[int]) -> object:
        if len(batch.inputs) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return within(self, batch, *rest)

    monkeypatch.setattr(LocalEngine, "_backward", tight)
    with caplog.at_level(logging.WARNING):
        found = [pieces.step(pair) for pair in pairs]
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours["loss"], ours["grad_norm"]) == pytest.approx((theirs["loss"], theirs["grad_norm"]), rel=1e-4)
    assert pieces.samples == whole.samples and pieces.tokens == whole.tokens
    assert "in a micro-batch of 5 samples with" in caplog.text and "made again in 4 pieces" in caplog.text
