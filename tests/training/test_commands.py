"""Commands typed while a run goes on, and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest

from vall_e.training.command import Command
from vall_e.training.commands import Commands

Type = Callable[[str], None]


@pytest.fixture
def keyboard() -> Iterator[tuple[Commands, Type]]:
    """Commands that read a pipe, and a function that writes to it."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as stream, Commands(stream) as commands:
        yield commands, lambda text: (os.write(writer, text.encode()), None)[1]
    os.close(writer)


Keyboard = tuple[Commands, Type]


def test_commands_come_in_the_order_typed(keyboard: Keyboard) -> None:
    commands, type_ = keyboard
    type_("save\n  lr 1e-4 \n\neval\nexport\nquit\n")
    names = [Command("save"), Command("lr", 1e-4), Command("eval"), Command("export"), Command("quit")]
    assert commands.poll(3) == names
    assert commands.poll(4) == []


def test_nothing_typed_is_not_waited_for(keyboard: Keyboard) -> None:
    assert keyboard[0].poll(1) == []


def test_half_a_line_waits_for_the_rest(keyboard: Keyboard) -> None:
    commands, type_ = keyboard
    type_("sa")
    assert commands.poll(1) == []
    type_("ve\nqu")
    assert commands.poll(2) == [Command("save")]


def test_a_command_can_be_left_for_a_later_step(keyboard: Keyboard) -> None:
    commands, type_ = keyboard
    type_("eval@5\nlr 0.5@7\n")
    assert [commands.poll(step) for step in (3, 4)] == [[], []]
    assert commands.poll(5) == [Command("eval")]
    assert commands.poll(9) == [Command("lr", 0.5)]


def test_a_step_that_is_done_cannot_be_scheduled(keyboard: Keyboard, caplog: pytest.LogCaptureFixture) -> None:
    commands, type_ = keyboard
    type_("save@5\n")
    assert commands.poll(5) == [] and commands.poll(6) == []
    assert "save@5 is not scheduled: step 5 is done already" in caplog.text


def test_scheduled_commands_are_shown_and_cleared(keyboard: Keyboard, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    commands, type_ = keyboard
    type_("save@9\neval@5\nevent show\nevent clear\nevent\n")
    assert commands.poll(1) == []
    assert "Scheduled: eval@5, save@9" in caplog.text
    assert caplog.messages[-1] == "Scheduled: nothing"
    assert commands.poll(20) == []


def test_clearing_keeps_what_was_asked_for_now(keyboard: Keyboard) -> None:
    commands, type_ = keyboard
    type_("save\nevent clear\n")
    assert commands.poll(1) == [Command("save")]


def test_some_commands_can_be_asked_for_alone(keyboard: Keyboard) -> None:
    commands, type_ = keyboard
    type_("save\neval\nlr 0.5\n")
    os.kill(os.getpid(), signal.SIGTERM)
    assert commands.poll(0, only=("eval", "eval_quit")) == [Command("eval")]
    assert commands.poll(1) == [Command("save"), Command("lr", 0.5), Command("quit")]


def test_the_remaining_time_can_be_asked_for(keyboard: Keyboard) -> None:
    commands, type_ = keyboard
    type_("time\ntime to 500\n")
    assert commands.poll(1) == [Command("time"), Command("time", 500)]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("svae", "nearest: save"),
        ("lr", "lr X"),
        ("lr -1", "a number above 0"),
        ("lr nan", "a number above 0"),
        ("lr fast", "a number above 0"),
        ("save now", "no command"),
        ("time to tea", "'tea' is no whole number"),
        ("save@", "names no step"),
        ("@5", "no command"),
        ("event@5", "no command"),
        ("event show all", "no command"),
        ("save@²", "names no step"),
        ("\x00\xff", "no command"),
    ],
)
def test_what_is_no_command_is_told_and_ignored(
    keyboard: Keyboard, caplog: pytest.LogCaptureFixture, line: str, told: str
) -> None:
    commands, type_ = keyboard
    type_(f"{line}\nsave\n")
    assert commands.poll(1) == [Command("save")]
    assert told in caplog.text


def test_the_end_of_the_input_is_no_command() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"save\nquit")
    os.close(writer)
    with os.fdopen(reader) as stream, Commands(stream) as commands:
        assert commands.poll(1) == [Command("save"), Command("quit")]
        assert commands.poll(2) == []


def test_files_and_what_has_no_descriptor_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("quit\n")
    with (tmp_path / "script").open() as file, Path(os.devnull).open() as null:
        for stream in (file, null, StringIO("quit\n")):
            with Commands(stream) as commands:
                assert commands.poll(1) == []
    with Commands(file) as commands:  # closed by now
        assert commands.poll(1) == []


@pytest.mark.parametrize(
    ("number", "meaning"),
    [(signal.SIGTERM, "quit"), (signal.SIGINT, "quit"), (signal.SIGUSR1, "save"), (signal.SIGUSR2, "eval")],
)
def test_a_signal_means_a_command(keyboard: Keyboard, number: int, meaning: str) -> None:
    commands, type_ = keyboard
    type_("export\n")
    os.kill(os.getpid(), number)
    assert commands.poll(1) == [Command("export"), Command(meaning)]
    assert commands.poll(2) == []


def test_different_signals_are_all_heeded(keyboard: Keyboard) -> None:
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR1):
        os.kill(os.getpid(), number)
    assert keyboard[0].poll(1) == [Command("save"), Command("quit")]


def test_lines_added_to_a_file_are_commands(tmp_path: Path) -> None:
    path = tmp_path / "commands"
    path.write_text("quit\n")  # of before
    with Commands(StringIO(), path) as commands:
        assert commands.poll(1) == []
        with path.open("a") as file:
            file.write("save\nlr 0.5@4\nev")
        assert commands.poll(2) == [Command("save")]
        with path.open("a") as file:
            file.write("al\n")
        assert commands.poll(3) == [Command("eval")]
        path.write_text("time\n")
        assert commands.poll(4) == [Command("lr", 0.5), Command("time")]
        path.unlink()
        assert commands.poll(5) == []


def test_a_second_interrupt_ends_at_once(keyboard: Keyboard) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_handlers_return_at_the_end() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with Commands(StringIO()):
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.fixture
def launcher() -> Iterator[list[int]]:
    """A launcher that goes on when it is to end and that waits for its own signal; what it heard."""
    heard: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGUSR2)
    before = [signal.signal(number, lambda number, _: heard.append(number)) for number in numbers]
    yield heard
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def test_the_signal_of_a_launcher_means_quit_and_is_handed_on(launcher: list[int]) -> None:
    with Commands(StringIO()) as commands:
        os.kill(os.getpid(), signal.SIGUSR2)
        assert commands.poll(1) == [Command("quit")]
    assert launcher == []
    commands.signals.hand_on()
    assert launcher == [signal.SIGUSR2]


def test_a_job_that_outlives_sigterm_is_saved_by_it(launcher: list[int]) -> None:
    with Commands(StringIO()) as commands:
        os.kill(os.getpid(), signal.SIGTERM)
        assert commands.poll(1) == [Command("save")]
    commands.signals.hand_on()
    assert launcher == []


def test_an_ignored_signal_stays_ignored() -> None:
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    try:
        with Commands(StringIO()) as commands:
            os.kill(os.getpid(), signal.SIGUSR1)
            assert commands.poll(1) == []
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_outside_the_main_thread_signals_keep_their_meaning() -> None:
    before, during = signal.getsignal(signal.SIGTERM), []

    def look() -> None:
        with Commands(StringIO()) as commands:
            during.append((signal.getsignal(signal.SIGTERM), commands.poll(1)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert during == [(before, [])]


LOOP = """
import logging, time
from vall_e.training.commands import Commands
logging.basicConfig()
with Commands() as commands:
    print("ready", flush=True)
    for step in range(1, 100_000):
        time.sleep(0.01)
        for command in commands.poll(step):
            print(command, flush=True)
            if command.name == "quit":
                raise SystemExit(0)
"""


def test_a_terminal_is_read_while_a_run_goes_on() -> None:
    import pty

    own, theirs = pty.openpty()
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = subprocess.Popen(
        [sys.executable, "-c", LOOP],
        stdin=theirs,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
        preexec_fn=lambda: take_terminal(theirs),
    )
    os.close(theirs)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    os.write(own, b"lr 0.25\nquit\n")
    assert run.communicate(timeout=300)[0] == "lr 0.25\nquit\n"
    assert run.returncode == 0
    os.close(own)


def take_terminal(descriptor: int) -> None:
    """What a shell does for a command in the foreground."""
    import fcntl
    import termios

    os.setsid()
    fcntl.ioctl(descriptor, termios.TIOCSCTTY, 0)


def test_without_stdin_a_run_goes_on_until_it_is_told_by_a_signal() -> None:
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, LOOP]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)
    assert run.stdout is not None
    assert run.stdout.readline() == "ready\n"
    run.terminate()
    assert run.communicate(timeout=300)[0] == "quit\n"
    assert run.returncode == 0
