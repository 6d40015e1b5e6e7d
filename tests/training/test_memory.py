"""Running out of memory is told with its sizes and leaves a checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.small_run import checkpoints, small
from vall_e.engines.checkpoint import load_states
from vall_e.engines.local import LocalEngine
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
