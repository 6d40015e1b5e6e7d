"""What tests of runs share."""

from __future__ import annotations

import pytest

from vall_e.training import loop


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run draws its curves at the end, which takes longer than all steps of a small one."""
    monkeypatch.setattr(loop, "plot_curves", lambda metrics, out: None)
