"""The words a user may type while a run goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vall_e.config.nearest import hint

PLAIN = ("save", "eval", "export", "quit", "eval_quit")
FORMS = (*PLAIN, "lr X", "time [to N]", "event [show]", "event clear", "COMMAND@N")
WORDS = (*PLAIN, "lr", "time", "event")


@dataclass(frozen=True)
class Command:
    """What a run is told: one of PLAIN, lr (value: the learning rate) or time (value: a step, or None)."""

    name: str
    value: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return self.name
        return f"time to {self.value:.0f}" if self.name == "time" else f"{self.name} {self.value:g}"


@dataclass(frozen=True)
class Scheduled:
    """A command for a later step."""

    step: int
    command: Command

    def __str__(self) -> str:
        return f"{self.command}@{self.step}"


@dataclass(frozen=True)
class Event:
    """What is asked about scheduled commands: show or clear."""

    action: str


Parsed = Command | Scheduled | Event


def parse(line: str) -> Parsed:
    """A line as a command; ValueError with what is allowed, and the nearest to what was typed."""
    text, at, step = line.strip().partition("@")
    words = text.split()
    if at:
        return Scheduled(_step(step, line), _command(words, line))
    if words[:1] == ["event"]:
        return _event(words, line)
    return _command(words, line)


def _command(words: list[str], line: str) -> Command:
    match words:
        case [name] if name in (*PLAIN, "time"):
            return Command(name)
        case ["lr", rate]:
            return Command("lr", _rate(rate, line))
        case ["time", "to", step]:
            return Command("time", _step(step, line))
    raise _refused(line, words[0] if words else "")


def _event(words: list[str], line: str) -> Event:
    match words[1:]:
        case []:
            return Event("show")
        case ["show" | "clear" as action]:
            return Event(action)
    raise _refused(line, "event")


def _step(text: str, line: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError(f"{line.strip()!r} names no step: {text.strip()!r} is no whole number")
    return int(text)


def _rate(text: str, line: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"{line.strip()!r} is not allowed, a learning rate is a number above 0")
    return rate


def _refused(line: str, word: str) -> ValueError:
    near = "" if word in WORDS else hint(word, WORDS)
    return ValueError(f"{line.strip()!r} is no command, allowed: {', '.join(FORMS)}{near}")
