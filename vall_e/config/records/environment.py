"""What a launch runs on: time, command, Python, packages, commit."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from ..conf_dir import conf_dir
from ..dotted import flat

PACKAGE = Path(__file__).resolve().parents[2]


def launch(app: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The record of the launch of `app` that is under way, as JSON takes it; `seeds` are those of its settings."""
    return {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "app": app,
        "argv": sys.argv,
        "seeds": {key: value for key, value in flat(settings).items() if key.rpartition(".")[2] == "seed"},
        **environment(),
    }


def environment() -> dict[str, Any]:
    """`python`, `platform`, `packages` and `git` of this process."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages(),
        "git": git_state(),
    }


def packages() -> dict[str, str]:
    """Version by name of vall_e and of what it requires, as far as it is installed; tools of development left out."""
    try:
        required = requires("vall_e") or []
    except PackageNotFoundError:  # a checkout that was not installed
        return {}
    wanted = [line for line in required if not re.search(r"extra == ['\"]dev['\"]", line)]
    names = ["vall_e", *sorted({match[0] for line in wanted if (match := re.match(r"[\w.-]+", line))})]
    return {name: found for name in names if (found := _version(name))}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def git_state() -> dict[str, Any]:
    """`commit`, and `changed`: whether code or settings differ from it. Empty where this is no checkout."""
    if _git("ls-files", "--error-unmatch", __file__) is None:  # site-packages may lie within a checkout of something
        return {}
    commit, status = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--", str(PACKAGE), conf_dir())
    return {} if commit is None or status is None else {"commit": commit, "changed": bool(status)}


def _git(*arguments: str) -> str | None:
    """What git says about the folder of this package; None if it is not there or refuses."""
    git = shutil.which("git")
    if git is None:
        return None
    command = [git, "--no-optional-locks", "-C", str(PACKAGE), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
