"""Ports of this machine for servers that start a little later."""

import random
import socket
from pathlib import Path

OUTGOING_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 10_000
_given: set[int] = set()


def free_port() -> int:
    """Return a port that is not in use and that this process did not give before.

    The port lies below the range from which the system gives ports to outgoing connections, because
    such a connection may take a port between this answer and the start of the server. Two processes
    draw at random, so they rarely draw the same port.
    """
    highest = min(_first_outgoing_port(), 49_152)
    while True:
        port = random.randrange(LOWEST_PORT, highest)  # noqa: S311  # no secret
        if port not in _given and _is_free(port):
            _given.add(port)
            return port


def _first_outgoing_port() -> int:
    return int(OUTGOING_RANGE.read_text().split()[0]) if OUTGOING_RANGE.exists() else 32_768


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
