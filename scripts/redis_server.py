"""Run a command with REDIS_URL set to a temporary Redis server on a free port.

`python -m scripts.redis_server command arguments ...`
"""

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

from scripts.ports import free_port

START_SECONDS = 20


def start(folder: Path, *, port: int, password: str) -> "subprocess.Popen[bytes]":
    """Start a Redis that stores nothing on disk; wait until it answers. The caller must kill it."""
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("redis-server is missing (Debian: apt-get install redis-server).")
    options = (
        f"port {port}\nbind 127.0.0.1\nrequirepass {password}\nsave ''\n"
        f"dir {folder}\nlogfile {folder}/log\n"
    )
    # The password is in a file because other users could read it on the command line.
    file = folder / "redis.conf"
    file.touch(mode=0o600)
    file.write_text(options)
    process = subprocess.Popen([program, str(file)])
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return process
        time.sleep(0.02)
    process.kill()
    sys.exit(f"Redis did not start: {(folder / 'log').read_text()[-500:]}")


@contextmanager
def server() -> Iterator[str]:
    """Start a server and yield its URL; stop it afterwards."""
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
    """Run the given command; return the exit code of the command."""
    with server() as url:
        return subprocess.call(sys.argv[1:], env=os.environ | {"REDIS_URL": url})


if __name__ == "__main__":
    sys.exit(main())
