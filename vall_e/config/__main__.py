"""`python -m vall_e.config COMMAND`: look at settings and at runs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path

from vall_e.launch import launch

from .run_diff import run_diff


def parser() -> ArgumentParser:
    """The commands and their arguments; `run` of what it parses does the work and returns the exit status."""
    commands = ArgumentParser(prog="python -m vall_e.config", description="Look at settings and at runs.")
    command = commands.add_subparsers(required=True, metavar="COMMAND")
    diff = command.add_parser(
        "diff",
        help="how two runs differ",
        description="Show how two runs differ: settings and their origins, packages, code. Exit status 1 if they do.",
    )
    diff.add_argument("one", metavar="RUN_A", type=Path, help="folder of a run, for example runs/demo")
    diff.add_argument("other", metavar="RUN_B", type=Path, help="folder of another")
    diff.set_defaults(run=lambda given: run_diff(given.one, given.other))
    return commands


def run() -> None:
    """Parse the command line and leave with the status of the command."""
    given = parser().parse_args()
    sys.exit(given.run(given))


def main() -> None:
    """Entry point."""
    launch(run)


if __name__ == "__main__":
    main()
