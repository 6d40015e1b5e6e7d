"""`python -m vall_e.migrate OLD.yaml [OUT]`: import a configuration of the reference system as a preset."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from vall_e.atomic import replace_text
from vall_e.config.conf_dir import conf_dir
from vall_e.config.migration.migration import migrate
from vall_e.config.migration.old_file import read_old
from vall_e.config.migration.preset import preset, preset_name
from vall_e.config.nearest import options
from vall_e.errors import ConfigError
from vall_e.launch import launch


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m vall_e.migrate",
        description="Import a YAML configuration of the reference system: write OUT/experiment/NAME.yaml, a preset "
        "with the same meaning, and say what was renamed, translated, dropped and could not be placed.",
    )
    made.add_argument("old", metavar="OLD.yaml", type=Path, help="the configuration to import; it is not changed")
    made.add_argument("out", metavar="OUT", type=Path, nargs="?", default=Path("conf"), help="a folder (conf)")
    made.add_argument("--force", action="store_true", help="replace a preset that is there already")
    made.add_argument("--strict", action="store_true", help="write nothing if a setting could not be placed")
    return made


def run() -> None:
    """Read, migrate, write, report."""
    given = parser().parse_args()
    target = check_target(given.old, given.out, given.force)
    done = migrate(read_old(given.old), given.old.parent)
    if given.strict and done.report.unplaced:
        raise ConfigError("\n".join([f"{given.old} could not be imported whole:", *done.report.unplaced]))
    write(target, preset(done, given.old))
    print(f"{given.old} -> {target}\n\n{done.report}\nTo use it:\n  {command(given.out, target.stem)}")


def check_target(old: Path, out: Path, force: bool) -> Path:
    """Where the preset goes; ConfigError if that would replace a file, or be hidden by a preset of vall_e."""
    name = preset_name(old)
    target = out / "experiment" / f"{name}.yaml"
    if target.exists() and old.exists() and target.samefile(old):
        raise ConfigError(f"{old} would be replaced by its import: give another OUT")
    if target.exists() and not force:
        raise ConfigError(f"{target} is there already: take it away, or replace it with --force")
    if not is_own(out) and name in options("experiment"):
        raise ConfigError(f"experiment={name} is a preset of vall_e: give {old} another name")
    return target


def write(target: Path, text: str) -> None:
    """Make the preset; ConfigError if its folder cannot be made or written to."""
    try:
        replace_text(target, text)
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror}") from error


def is_own(out: Path) -> bool:
    """Whether `out` is the folder of fragments that this installation reads anyway."""
    return out.resolve() == Path(conf_dir()).resolve()


def command(out: Path, name: str) -> str:
    """How a run with the preset is started."""
    where = [] if is_own(out) else ["--config-dir", str(out)]
    return shlex.join(["python", "-m", "vall_e.train", *where, f"experiment={name}"])


def main() -> None:
    """Entry point of `vall-e-migrate`."""
    launch(run)


if __name__ == "__main__":
    main()
