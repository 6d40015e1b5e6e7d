"""`python -m vall_e.config [COMMAND]`: look at settings and at runs, write the documentation of settings."""

from __future__ import annotations

import argparse
import json
import sys
from argparse import ArgumentParser
from pathlib import Path

from vall_e.launch import end_with_reader, launch

from .deepspeed_dict import composed_deepspeed_dict
from .documentation.json_schema import write_schemas
from .documentation.settings_page import write_page
from .documentation.show import overview, shown_names
from .records.run_diff import run_diff


def parser() -> ArgumentParser:
    """The commands and their arguments; `run` of what it parses does the work and returns the exit status."""
    whole = ArgumentParser(prog="python -m vall_e.config", description="Look at settings and at runs.")
    whole.set_defaults(run=lambda given: print(overview()))
    commands = whole.add_subparsers(metavar="COMMAND")
    for add in (add_show, add_deepspeed, add_diff, add_docs, add_schema):
        add(commands)
    return whole


def add_show(commands: argparse._SubParsersAction[ArgumentParser]) -> None:
    """`show NAME ...`."""
    show = commands.add_parser("show", help="explain groups, sections and settings")
    show.add_argument("names", metavar="NAME", nargs="+", help="for example model, trainer.deepspeed or trainer.amp")
    show.set_defaults(run=lambda given: print(shown_names(given.names)))


def add_docs(commands: argparse._SubParsersAction[ArgumentParser]) -> None:
    """`docs [--check] [OUT]`."""
    docs = commands.add_parser("docs", help="write the reference of all settings, as Markdown")
    docs.add_argument("--check", action="store_true", help="write nothing; exit status 1 if the file is stale")
    docs.add_argument("out", metavar="OUT", nargs="?", type=Path, default="docs/config.md", help="%(default)s")
    docs.set_defaults(run=lambda given: write_page(given.out, check=given.check))


def add_schema(commands: argparse._SubParsersAction[ArgumentParser]) -> None:
    """`schema [OUT]`."""
    schema = commands.add_parser("schema", help="write JSON Schemas, with which editors complete and check YAML")
    schema.add_argument("out", metavar="OUT", nargs="?", type=Path, default="schemas", help="folder; %(default)s")
    schema.set_defaults(run=lambda given: write_schemas(given.out))


def add_deepspeed(commands: argparse._SubParsersAction[ArgumentParser]) -> None:
    """`deepspeed [OVERRIDE ...]`."""
    about = "Print what DeepSpeed would be given, as JSON; WORLD_SIZE in the environment is the number of ranks."
    deepspeed = commands.add_parser("deepspeed", help="print what DeepSpeed would be given", description=about)
    deepspeed.add_argument("overrides", metavar="OVERRIDE", nargs="*", default=["trainer=deepspeed"])
    deepspeed.set_defaults(run=lambda given: print(json.dumps(composed_deepspeed_dict(given.overrides), indent=2)))


def add_diff(commands: argparse._SubParsersAction[ArgumentParser]) -> None:
    """`diff RUN_A RUN_B`."""
    about = "Show how two runs differ: settings and their origins, packages, code. Exit status 1 if they do."
    diff = commands.add_parser("diff", help="how two runs differ", description=about)
    diff.add_argument("one", metavar="RUN_A", type=Path, help="folder of a run, for example runs/demo")
    diff.add_argument("other", metavar="RUN_B", type=Path, help="folder of another")
    diff.set_defaults(run=lambda given: run_diff(given.one, given.other))


def run() -> None:
    """Parse the command line and leave with the status of the command."""
    end_with_reader()
    given = parser().parse_args()
    sys.exit(given.run(given))


def main() -> None:
    """Entry point."""
    launch(run)


if __name__ == "__main__":
    main()
