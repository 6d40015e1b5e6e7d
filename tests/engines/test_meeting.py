"""Ranks that do not find each other say so instead of waiting for hours."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from vall_e.engines import meeting
from vall_e.engines.ranks import TIMEOUT
from vall_e.errors import RankLostError


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A port at which another program listens and does not answer; two ranks are told to meet there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        found: int = taken.getsockname()[1]
        for name, value in {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(found)}.items():
            monkeypatch.setenv(name, value)
        yield found


def join(rank: int, monkeypatch: pytest.MonkeyPatch, patience: float) -> str:
    """What a rank tells that waits for so many seconds."""
    monkeypatch.setattr(meeting, "PATIENCE", timedelta(seconds=patience))
    monkeypatch.setenv("RANK", str(rank))
    with pytest.raises(RankLostError) as told:  # not `joined_ranks`: other tests may have left a group, which it takes
        meeting.meet(TIMEOUT)
    return str(told.value)


def test_the_first_rank_tells_that_another_program_has_its_port(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told = join(0, monkeypatch, 600)
    assert f"do not meet at 127.0.0.1:{port} (" in told and "address already in use" in told


def test_a_rank_waits_no_longer_for_a_program_that_does_not_answer(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert join(1, monkeypatch, 0.5).endswith("they did not all come within 0.5 s")


def test_a_rank_that_does_not_come_is_not_waited_for_any_longer(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as freed:
        monkeypatch.setenv("MASTER_PORT", str(freed.getsockname()[1]))
    assert "do not meet" in join(0, monkeypatch, 0.5)
