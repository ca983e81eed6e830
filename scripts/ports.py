"""Find free ports of this machine for servers that are about to start."""

import random
import socket
from pathlib import Path

OUTGOING_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST_PORT = 10_000
_given: set[int] = set()


def free_port() -> int:
    """Return a port that is not in use and that this process has not returned before.

    The system takes the ports of outgoing connections from a range of its own. The port lies below
    it, so that no connection takes it before the server starts. It is random, so that two processes
    rarely choose the same one.
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
