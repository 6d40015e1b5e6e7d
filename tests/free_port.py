"""A port at which processes of a test can meet."""

from __future__ import annotations

import socket
from contextlib import suppress
from random import SystemRandom

from vall_e.config.rank import PORTS


def free_port() -> str:
    """One that nobody listens at, and that no connection is given before it is used; drawn anew in each process."""
    while True:
        port = SystemRandom().choice(PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return str(port)
