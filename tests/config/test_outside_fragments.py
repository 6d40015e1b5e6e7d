"""Fragments from outside: a user's folder, and an installed package. The example is that of docs/extending.md."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from .test_apps import REPOSITORY, app

DOC = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)```", DOC, re.MULTILINE | re.DOTALL))
COMMANDS = re.findall(r"^python -m vall_e\.train (.*)$", DOC, re.MULTILINE)
THEIR_FILES = re.findall(r"^theirs/(\S+)$", DOC, re.MULTILINE)
FRAGMENT = FILES["mine/model/theirs.yaml"]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """The folder of the example, in a working folder."""
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "theirs.yaml").write_text(FRAGMENT)
    return tmp_path


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages with that of the example, as `pip install` leaves it."""
    site = tmp_path_factory.mktemp("site")
    for name in THEIR_FILES:
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(FRAGMENT if name.endswith(".yaml") else "")
    declared = FILES["theirs/pyproject.toml"].partition('[project.entry-points."vall_e.conf"]\n')[2]
    install(site, declared.replace('"', ""))
    return site


def install(site: Path, entry_points: str) -> None:
    record = site / "theirs-1.0.dist-info"
    record.mkdir(exist_ok=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (record / "entry_points.txt").write_text(f"[vall_e.conf]\n{entry_points}")


def path(site: Path) -> str:
    return f"{site}:{REPOSITORY}"


def test_the_document_holds_the_example() -> None:
    assert len(COMMANDS) == 3 and "pyproject.toml" in THEIR_FILES and len(THEIR_FILES) == 4


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_document_composes_the_fragment(command: str, mine: Path, site: Path) -> None:
    done = app("train", *shlex.split(command), folder=mine, PYTHONPATH=path(site))
    assert (done.returncode, done.stderr) == (0, "")
    model = yaml.safe_load(done.stdout)["model"]
    assert (model["size"]["label"], model["langs"], model["dropout"]) == ("theirs", 2, 0.2)


@pytest.fixture
def everywhere(mine: Path, site: Path) -> list[str]:
    """Flags after which `of_folder`, `of_path` and `theirs` are found, in three places; groups `accents` likewise."""
    for folder, name in ((mine / "mine", "of_folder"), (mine / "other", "of_path"), (site / "theirs/conf", "theirs")):
        for group in ("model", f"accents_{name}"):
            (folder / group).mkdir(parents=True, exist_ok=True)
            (folder / group / f"{name}.yaml").write_text(FRAGMENT)
    return ["--config-dir", "mine", "hydra.searchpath=[file://other]"]


NAMES = ("of_folder", "of_path", "theirs")


def test_help_lists_options_and_groups_from_outside(everywhere: list[str], mine: Path, site: Path) -> None:
    done = app("train", "--help", *everywhere, folder=mine, PYTHONPATH=path(site))
    assert done.returncode == 0
    models = done.stdout.partition("\n  model ")[2].partition("\n  optimizations ")[0].replace(",", "").split()
    assert set(NAMES) <= set(models)
    assert all(f"  accents_{name} " in done.stdout for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_option_from_outside_is_told_the_nearest(
    name: str, everywhere: list[str], mine: Path, site: Path
) -> None:
    done = app("train", *everywhere, f"model={name}x", folder=mine, PYTHONPATH=path(site))
    assert f"(nearest: model={name})" in done.stderr


def test_a_misspelt_group_from_outside_is_told_the_nearest(everywhere: list[str], mine: Path, site: Path) -> None:
    misspelt = [f"+acents_{name}=x" for name in NAMES]
    done = app("train", *everywhere, *misspelt, folder=mine, PYTHONPATH=path(site))
    assert re.findall(r"\(nearest: (\w+)\)", done.stderr) == [f"accents_{name}" for name in NAMES]


def test_completion_offers_options_of_packages(mine: Path, site: Path) -> None:
    line = "vall-e-train model=th"
    typed = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "PYTHONPATH": path(site)}
    assert app("train", "-sc", "query=bash", folder=mine, **typed).stdout.split() == ["model=theirs"]


def test_speaking_knows_options_of_packages(mine: Path, site: Path) -> None:
    shown = app("__main__", "--cfg", "model=theirs", folder=mine, PYTHONPATH=path(site))
    assert "label: theirs" in shown.stdout, shown.stderr


def test_an_option_that_lies_in_two_folders_is_refused(mine: Path) -> None:
    (mine / "mine" / "model" / "theirs.yaml").rename(mine / "mine" / "model" / "ar+nar-llama-8.yaml")
    done = app("train", "--config-dir", "mine", "model=ar+nar-llama-8", folder=mine)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "model=ar+nar-llama-8 lies in" in done.stderr and "another name" in done.stderr


BROKEN = {
    "theirs = nowhere.conf\n": ["theirs = nowhere.conf", "No module named 'nowhere'"],
    "theirs = failing\n": ["theirs = failing", "on purpose"],
    "theirs = theirs.conf.model\n": ["theirs = theirs.conf.model", "__init__.py"],
}


@pytest.mark.parametrize("entry_point", BROKEN)
def test_a_broken_entry_point_is_told_in_one_sentence(entry_point: str, mine: Path, site: Path) -> None:
    install(site, entry_point)
    (site / "failing.py").write_text("raise RuntimeError('on purpose')")
    done = app("train", "--cfg", "job", folder=mine, PYTHONPATH=path(site))
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert [words for words in [*BROKEN[entry_point], "package theirs"] if words not in done.stderr] == [], done.stderr
