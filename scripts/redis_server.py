"""Runs a command with REDIS_URL pointing at a private Redis (a password, a free port), and removes both afterwards."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

START_SECONDS = 20


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def start(folder: Path, *, port: int, password: str) -> "subprocess.Popen[bytes]":
    """A Redis that keeps nothing on disk and answers now; whoever starts it ends it."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is missing (Debian: apt-get install redis-server).")
    options = f"port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave ''\ndir {folder}\nlogfile {folder}/log\n"
    file = folder / "redis.conf"  # not on the command line, where everybody may read a password
    file.touch(mode=0o600)
    file.write_text(options)
    process = subprocess.Popen([program, str(file)])
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.02)
    process.kill()
    sys.exit(f"Redis did not start: {(folder / 'log').read_text()[-500:]}")


@contextmanager
def server() -> Iterator[str]:
    """A fresh server; gives its URL."""
    password = secrets.token_urlsafe(24)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="audiencesync-redis-") as name:
        process = start(Path(name), port=port, password=password)
        try:
            yield f"redis://:{password}@127.0.0.1:{port}/0"
        finally:
            process.kill()
            process.wait()


def main() -> int:
    """`redis_server.py command arguments ...`; the exit code is the command's."""
    with server() as url:
        return subprocess.call(sys.argv[1:], env=os.environ | {"REDIS_URL": url})


if __name__ == "__main__":
    sys.exit(main())
