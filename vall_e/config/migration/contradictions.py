"""Takes out settings that do not go with others, as this version refuses to run with them."""

from __future__ import annotations

from collections.abc import Iterable

from vall_e.config.seal import problems

from .composed import composed
from .outcome import Keys, dotted
from .result import Migration


def settle(done: Migration) -> None:
    """Take settings out until none contradicts another; `done.config` is what a run gets then."""
    done.config = composed(done.values)
    while found := list(problems(done.config)):
        blamed = {keys: line for line in found if (keys := _subject(line, done.values))}
        if not blamed:
            done.report.unplaced += found
            return
        for keys, line in blamed.items():
            _take_out(keys, line, done)
        done.config = composed(done.values)


def _take_out(keys: Keys, why: str, done: Migration) -> None:
    del done.values[keys]
    if keys in done.given:
        done.report.unplaced.append(f"{done.given[keys]}: {why}")
    else:
        done.report.kept.append(f"{dotted(keys)} takes our default: {why}")


def _subject(problem: str, settings: Iterable[Keys]) -> Keys | None:
    """The one of `settings` that a sentence on a problem begins with."""
    named = [keys for keys in settings if problem.startswith(tuple(".".join(keys) + end for end in "=:. "))]
    return max(named, key=len, default=None)
