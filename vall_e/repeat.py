"""`python -m vall_e.repeat RUN [OUT] [key=value ...]`: run again what ran in a folder, with the settings it had."""

from __future__ import annotations

import os
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from vall_e.config.records.environment import environment
from vall_e.config.records.run_diff import differing
from vall_e.config.records.run_preset import NAME, additions, check_preset, quoted, write_preset
from vall_e.config.records.run_record import LAUNCHES, RunRecord, read_job, read_record
from vall_e.errors import ConfigError
from vall_e.launch import launch

APPS = ("train", "evaluate", "prepare")
FOLDER = "hydra.run.dir"


@dataclass(frozen=True)
class Arguments:
    """What stands on the command line."""

    run: Path
    out: Path
    overrides: list[str]


def parse(arguments: list[str]) -> Arguments:
    """RUN, a new folder OUT beside it if none is given, and overrides; ConfigError for an OUT that is in use."""
    parser = ArgumentParser(
        prog="python -m vall_e.repeat",
        usage="python -m vall_e.repeat RUN [OUT] [key=value ...]",
        description="Run again what ran in the folder RUN, with the same settings, in the new folder OUT.",
    )
    parser.add_argument("run", metavar="RUN", type=Path, help="folder of a run of train, evaluate or prepare")
    parser.add_argument(
        "rest", metavar="OUT, key=value", nargs="*", default=[], help="OUT, by default RUN-repeat; changed settings"
    )
    given = parser.parse_args(arguments)
    overrides = [part for part in given.rest if "=" in part or part.startswith("~")]
    outs = [part for part in given.rest if part not in overrides]
    if len(outs) > 1:
        raise ConfigError(f"too many folders ({', '.join(outs)}), allowed: one, OUT; settings are given as key=value")
    if stray := next((part for part in overrides if part.lstrip("+~").startswith(FOLDER)), None):
        raise ConfigError(f"{stray} cannot be set: the folder of the new run is OUT")
    run = given.run.absolute()
    return Arguments(given.run, Path(outs[0]).absolute() if outs else run.with_name(f"{run.name}-repeat"), overrides)


def check_out(out: Path) -> None:
    """ConfigError if the new run's folder is in use."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        advice = "an interrupted run goes on with the command that was printed when it began"
        raise ConfigError(f"OUT={out} is not empty, allowed: a new folder; {advice}")


def doubts(record: RunRecord) -> Iterator[str]:
    """Why the new run may not give what the old one gave, a sentence each."""
    if not record.launches:
        yield f"{record.folder} holds no {LAUNCHES}: whether packages and code are the same is not known"
        return
    then, now = record.environment, environment()
    packages_then, packages_now = ({"python": of.get("python"), **of.get("packages", {})} for of in (then, now))
    for old, new in ((packages_then, packages_now), (then.get("git", {}), now["git"])):
        if changes := ", ".join(f"{key} {was} -> {has}" for key, was, has in differing(old, new)):
            yield f"not what {record.folder} ran on: {changes}"
    if then.get("git", {}).get("changed"):
        yield f"the code of {record.folder} had changes that its commit does not hold"
    if len({tuple(launched["argv"]) for launched in record.launches}) > 1:
        yield f"{record.folder} was launched with more than one command: the settings of the last are repeated"


def run() -> None:
    """Write the settings to OUT and become the app that ran."""
    given = parse(sys.argv[1:])
    record = read_record(given.run)
    app, working_folder = read_job(given.run)
    if app not in APPS:
        raise ConfigError(f"{given.run} is a run of {app}, allowed: a run of {', '.join(APPS)}")
    check_out(given.out)
    unknown_then, entries = additions(record.settings)
    overrides = [*(f"~{entry}" for entry in entries), *given.overrides]
    check_preset(record.settings, overrides)
    for doubt in doubts(record):
        print(f"warning: {doubt}", file=sys.stderr)
    if unknown_then:
        print(f"warning: settings that are new since take their defaults: {', '.join(unknown_then)}", file=sys.stderr)
    folder = given.out / ".repeat"
    write_preset(folder, record.settings, app)
    here = f"{FOLDER}={quoted(str(given.out))}"
    become(app, working_folder, ["--config-dir", str(folder), "--config-name", NAME, here, *overrides])


def become(app: str, working_folder: Path, arguments: list[str]) -> None:
    """Go on as `python -m vall_e.APP ARGUMENTS`, where paths mean what they meant to the run that is repeated."""
    if working_folder.is_dir():
        os.chdir(working_folder)
    else:
        print(f"warning: {working_folder}, where it ran, is gone: paths are taken from {Path.cwd()}", file=sys.stderr)
    print(f"In {Path.cwd()}: {shlex.join(['python', '-m', f'vall_e.{app}', *arguments])}", file=sys.stderr)
    module = import_module(f"vall_e.{app}")
    sys.argv = [str(module.__file__), *arguments]
    module.main()


def main() -> None:
    """Entry point."""
    launch(run)


if __name__ == "__main__":
    main()
