"""Curves are drawn as a user does it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from . import forked
from .small_run import environment


def app(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return forked.run(["-m", "vall_e.plot", *arguments], folder, environment())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with the runs `runs/a` and `runs/b`."""
    for name in ("a", "b"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        lines = [json.dumps({"step": step, "time": step, "loss": 1 / step}) for step in range(1, 9)]
        (tmp_path / "runs" / name / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_two_runs_become_a_picture_and_a_page_beside_their_settings(folder: Path) -> None:
    done = app("runs=[runs/a,runs/b]", "hydra.run.dir=out", folder=folder)
    assert done.returncode == 0, done.stderr
    assert (folder / "out/curves.png").read_bytes().startswith(b"\x89PNG")
    assert "<title>a, b</title>" in (folder / "out/curves.html").read_text()
    assert "runs/b" in (folder / "out/config.resolved.yaml").read_text()
    assert "out/curves.html" in done.stdout + done.stderr


def test_another_folder_name_and_format(folder: Path) -> None:
    done = app("runs=[runs/a]", "folder=docs", "name=demo", "formats=[PNG]", "smoothing=0", folder=folder)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (folder / "docs").iterdir()] == ["demo.png"]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("runs=[runs/c]", "runs: runs/c is no folder of a training run"),
        ("smoothing=1", "smoothing=1.0 is out of range, allowed: at least 0, below 1"),
        ("formats=[svg]", "formats='svg' is not allowed, allowed: png, html"),
        ("formats=[]", "formats=[] leaves nothing to draw"),
        ("runs=[runs/a,runs/a]", "names runs/a twice"),
        ("x_axis=epoch", "x_axis=epoch is not allowed, allowed: step, time, tokens"),
        ("name=a/b", "name='a/b' is no name of a file: give the folder as folder=PATH"),
        ("smothing=0", "nearest: smoothing"),
    ],
)
def test_a_wrong_setting_ends_with_status_2_and_a_sentence(folder: Path, setting: str, told: str) -> None:
    done = app(setting, folder=folder)
    assert done.returncode == 2
    assert told in done.stderr and "Traceback" not in done.stderr
