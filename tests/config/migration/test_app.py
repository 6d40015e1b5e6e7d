"""`python -m vall_e.migrate` as a user starts it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import forked
from vall_e.config.conf_dir import conf_dir
from vall_e.config.migration.old_file import read_old
from vall_e.errors import ConfigError
from vall_e.migrate import check_target, command

REPOSITORY = Path(__file__).parents[3]


def app(name: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "HYDRA_FULL_ERROR"} | {"PYTHONPATH": str(REPOSITORY)}
    return forked.run(["-m", f"vall_e.{name}", *arguments], folder, environment)


def test_an_import_prints_the_command_that_uses_it_and_the_command_works(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("trainer: {iterations: 77}\ndataset: {wrokers: 2}\n")
    done = app("migrate", "mine.yaml", "presets", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "dataset.wrokers=2: no such setting (nearest: dataset.workers)" in done.stdout
    assert done.stdout.endswith("python -m vall_e.train --config-dir presets experiment=mine\n")
    shown = app("train", "--config-dir", "presets", "experiment=mine", "--cfg", "job", "-p", "trainer", folder=tmp_path)
    assert "iterations: 77" in shown.stdout, shown.stderr
    assert [f.name for f in (tmp_path / "presets").rglob("*") if f.is_file()] == ["mine.yaml"]


def test_strict_writes_nothing_if_a_setting_could_not_be_placed(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("dataset: {wrokers: 2}\n")
    done = app("migrate", "mine.yaml", "presets", "--strict", folder=tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "dataset.wrokers=2: no such setting" in done.stderr
    assert not (tmp_path / "presets").exists()


def test_a_second_import_needs_force_and_gives_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("trainer: {iterations: 77}\n")
    assert app("migrate", "mine.yaml", "presets", folder=tmp_path).returncode == 0
    preset = tmp_path / "presets/experiment/mine.yaml"
    first = preset.read_text()
    preset.write_text("edited")
    refused = app("migrate", "mine.yaml", "presets", folder=tmp_path)
    assert refused.returncode == 2 and "--force" in refused.stderr and preset.read_text() == "edited"
    assert app("migrate", "mine.yaml", "presets", "--force", folder=tmp_path).returncode == 0
    assert preset.read_text() == first


def test_a_preset_never_hides_behind_one_of_ours_nor_replaces_the_old_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="experiment=demo is a preset of vall_e"):
        check_target(Path("demo.yaml"), tmp_path, force=True)
    old = tmp_path / "experiment" / "old.yaml"
    old.parent.mkdir()
    old.touch()
    with pytest.raises(ConfigError, match="would be replaced by its import"):
        check_target(old, tmp_path, force=True)


def test_the_command_names_no_folder_if_the_preset_lies_among_ours() -> None:
    assert command(Path(conf_dir()), "mine") == "python -m vall_e.train experiment=mine"
    assert command(Path("my presets"), "mine") == "python -m vall_e.train --config-dir 'my presets' experiment=mine"


UNREADABLE = {
    "a: [1\nb: 2": "is not valid YAML: expected ',' or ']', but got ':' in line 2, column 2",
    "a: 1\na: 2": "is not valid YAML: found duplicate key a in line 2",
    "a: &x [*x]": "is not valid YAML",
    "a: !!python/object/apply:os.getcwd []": "is not valid YAML: could not determine a constructor",
    "5": "holds a scalar, expected a mapping",
    "hello": "holds a scalar, expected a mapping",
    "- a": "holds a sequence, expected a mapping",
    "a: \0": "is not valid YAML",
    "? [1]\n: 2": "is not valid YAML",
}


@pytest.mark.parametrize("content", UNREADABLE)
def test_a_file_that_is_no_configuration_is_refused_in_one_sentence(content: str, tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as caught:
        read_old(file)
    assert str(caught.value).startswith(f"{file} {UNREADABLE[content]}") and "\n" not in str(caught.value)


def test_a_missing_file_a_folder_and_foreign_bytes_are_refused(tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.yaml"
    foreign.write_bytes(b"\xff\xfe")
    for path, words in ((tmp_path / "none.yaml", "No such file"), (tmp_path, "directory"), (foreign, "not valid YAML")):
        with pytest.raises(ConfigError, match=words):
            read_old(path)


def test_an_empty_file_holds_no_settings_and_numbers_are_read_as_numbers(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    file.write_text("")
    assert read_old(file) == {}
    file.write_text("a: 1e-4\nb: 24_000\n")
    assert read_old(file) == {"a": 1e-4, "b": 24000}
