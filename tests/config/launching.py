"""Starts an app in this process, as `python -m vall_e.train` does."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig

import vall_e.train

HEADER = "Error executing job with overrides"
"""Hydra's own line before the error of a job."""


@dataclass(frozen=True)
class Launched:
    """How an app ended."""

    status: int | str | None
    out: str
    told: list[str]


def messages(stderr: str) -> list[str]:
    """The lines of standard error, without Hydra's header."""
    return [line for line in stderr.splitlines() if not line.startswith(HEADER)]


def launched(*arguments: str, folder: Path) -> Launched:
    """`vall_e.train` with arguments in a folder; what is no SystemExit would be a traceback, and is raised."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    out, error = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["vall-e-train", *arguments])
        patch.setenv("HYDRA_FULL_ERROR", "")
        try:
            with redirect_stdout(out), redirect_stderr(error), pytest.raises(SystemExit) as ended:
                vall_e.train.main()
        finally:
            GlobalHydra.instance().clear()
            HydraConfig.instance().cfg = None
            root.handlers, root.level = handlers, level
    return Launched(ended.value.code, out.getvalue(), messages(error.getvalue()))
