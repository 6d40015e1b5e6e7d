"""`python -m vall_e.config`: what a user reads about settings, in a terminal and in docs/config.md."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forked
from vall_e.config.documentation.json_schema import schemas
from vall_e.config.documentation.reference import ALONE, entries, sections
from vall_e.config.documentation.settings_page import page
from vall_e.config.documentation.show import overview, shown_names
from vall_e.config.nearest import groups, options, settings
from vall_e.config.schema import Config
from vall_e.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
DOCUMENT = REPOSITORY / "docs" / "config.md"


def command(*arguments: str, folder: Path = REPOSITORY, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m vall_e.config ARGUMENTS` in `folder`."""
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)} | environment
    return forked.run(["-m", "vall_e.config", *arguments], folder, env)


def test_without_a_command_it_lists_every_group_and_section_with_examples() -> None:
    done = command()
    assert done.returncode == 0 and done.stdout.strip() == overview()
    for name in (*groups(), "config", "model.experimental", "trainer.deepspeed", "evaluation.kwargs", *ALONE):
        assert re.search(rf"^  {re.escape(name)}  +\w", done.stdout, re.MULTILINE), name
    assert "python -m vall_e.config show model" in done.stdout


def test_every_setting_of_a_run_has_an_entry() -> None:
    of_adapters = {key for key in settings(Config) if key.startswith("loras.")}
    told = set(entries()) | set(sections())
    assert set(settings(Config)) - of_adapters <= told
    assert {key.replace("loras.", "loras.NAME.") for key in of_adapters} <= told


@pytest.mark.parametrize("name", [*groups(), *sections()])
def test_a_table_tells_every_setting_and_option_and_is_120_wide(name: str) -> None:
    told = shown_names([name])
    assert max(map(len, told.splitlines())) <= 120
    words = set(told.split())
    assert set(options(name) if name in groups() else []) <= words
    told_sections = [section for at, section in sections().items() if at == name or at.startswith(f"{name}.")]
    names = {e.name for section in told_sections for e in section.entries if not e.is_section}
    assert names <= words


def test_a_table_tells_default_range_names_and_what_is_not_yet_there() -> None:
    told = shown_names(["dataset"])
    assert re.search(r"^  min_utterances +2 +whole number: at least 1 +Speakers with fewer", told, re.MULTILINE)
    assert re.search(r"^  use_hdf5 +true +true or false +Read samples .* Not yet:", told, re.MULTILINE)
    assert "sample (default)" in told
    assert "not yet  false needs reading of single code files" in shown_names(["dataset.use_hdf5"])
    inference = shown_names(["inference"])
    assert re.search(r"^  backend +local +local; not yet: deepspeed +What runs", inference, re.MULTILINE)


def test_a_setting_that_follows_another_says_so() -> None:
    assert "follows codec.levels" in shown_names(["model.resp_levels"])
    assert "follows audio_backend" in shown_names(["codec.frame_rate"])
    assert "follows codec.sample_rate" in shown_names(["sample_rate"])


def test_all_about_one_setting() -> None:
    told = shown_names(["hyperparameters.optimizer"])
    assert "Optimizer, in any case." in told and "adamw, sgd, prodigy" in told
    assert "hyperparameters=prodigy to prodigy" in told
    assert "experiment=demo to 0.002" in shown_names(["hyperparameters.learning_rate"])
    assert "lora=r8 to 8" in shown_names(["loras.NAME.rank"])
    assert "codec=dac to dac" in shown_names(["audio_backend"])


def test_several_names_are_told_in_their_order() -> None:
    told = shown_names(["trainer.amp", "seed"])
    assert told.index("trainer.amp:") < told.index("seed:")


@pytest.mark.parametrize(
    ("name", "meant"),
    {
        "modle": "model",
        "trainer.deepsped": "trainer.deepspeed",
        "model.droput": "model.dropout",
        "droput": "model.dropout",
        "learning_rate": "hyperparameters.learning_rate",
    }.items(),
)
def test_an_unknown_name_is_told_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as caught:
        shown_names(["model", name])
    assert str(caught.value) == f"{name}: no such group, section or setting (nearest: {meant})"


def test_an_unknown_name_ends_with_status_2_and_no_traceback() -> None:
    done = command("show", "model", "modle")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "modle: no such group, section or setting (nearest: model)\n"


def test_docs_config_md_is_fresh() -> None:
    done = command("docs", "--check")
    assert done.returncode == 0, done.stderr


def test_a_stale_document_fails_the_check_with_a_hint_and_stays(tmp_path: Path) -> None:
    stale = DOCUMENT.read_text(encoding="utf-8").replace("Seed of every random draw", "Seed")
    (tmp_path / "config.md").write_text(stale, encoding="utf-8")
    done = command("docs", "--check", "config.md", folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "config.md is stale: write it with `python -m vall_e.config docs config.md`\n"
    assert (tmp_path / "config.md").read_text(encoding="utf-8") == stale
    assert command("docs", "--check", folder=tmp_path).returncode == 1, "a missing file is stale, too"


def test_docs_writes_the_document_to_where_it_is_told(tmp_path: Path) -> None:
    assert command("docs", "new/config.md", folder=tmp_path).returncode == 0
    assert (tmp_path / "new/config.md").read_text(encoding="utf-8") == page()


def test_the_committed_schemas_are_fresh() -> None:
    committed = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (REPOSITORY / "schemas").iterdir()}
    stale = [name for name in committed | schemas() if committed.get(name) != schemas().get(name)]
    assert stale == [], "write them with `python -m vall_e.config schema`"


def test_schema_writes_every_schema_to_where_it_is_told(tmp_path: Path) -> None:
    done = command("schema", "new", folder=tmp_path)
    assert done.returncode == 0
    assert sorted(done.stdout.split()) == sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("new/*"))
    assert (tmp_path / "new/model.schema.json").is_file()


@pytest.mark.parametrize("group", groups())
def test_the_document_has_a_section_for_every_group_with_its_options(group: str) -> None:
    section = page().partition(f"\n## {group}\n")[2].partition("\n## ")[0]
    for option in options(group):
        assert re.search(rf"^\| `{re.escape(option)}`( \(default\))? \| \w", section, re.MULTILINE), option


def test_the_tables_of_the_document_have_as_many_cells_in_every_row_as_in_their_head() -> None:
    for table in re.findall(r"(?:^\|.*\n)+", page(), re.MULTILINE):
        assert len({len(re.split(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1, table


def test_the_document_marks_what_is_not_yet_there() -> None:
    assert "| `experimental` | true or false | `false` |  | Show what is being tried out. **Not yet:** needs" in page()
    assert "**Not yet:** deepspeed needs an injection policy for this backbone" in page()


def test_deepspeed_prints_json_on_as_many_ranks_as_the_launch_has() -> None:
    assert "zero_optimization" not in json.loads(command("deepspeed").stdout)
    done = command("deepspeed", "trainer=deepspeed-zero2", WORLD_SIZE="4")
    assert json.loads(done.stdout)["zero_optimization"]["zero_hpz_partition_size"] == 4


def test_a_reader_that_has_seen_enough_causes_no_traceback() -> None:
    line = f"{sys.executable} -m vall_e.config show model | true"
    done = subprocess.run(["sh", "-c", line], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.stderr == ""
