"""Run a command with DATABASE_URL set to a temporary PostgreSQL server on a free port.

`python -m scripts.postgres command arguments ...`
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.ports import free_port

WITHOUT_FSYNC = "-c fsync=off -c full_page_writes=off -c max_connections=200"
"""Commits survive a kill of the server, but not a power cut: they do not wait for the disk."""
WITHOUT_WAITING = f"{WITHOUT_FSYNC} -c synchronous_commit=off"
"""As above, but a kill of the server loses the commits of its last second."""
FOR_TESTS = f"{WITHOUT_WAITING} -c max_parallel_workers_per_gather=0 -c synchronize_seqscans=off"
"""As above, and dead rows of earlier tests change neither query plans nor the order of rows."""


def binary(name: str) -> str:
    """Return the path of a program of Debian's newest PostgreSQL; without one, look in PATH."""
    installed = sorted(  # parts[4] is the version: /usr/lib/postgresql/17/bin/...
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4])
    )
    path = str(installed[-1]) if installed else shutil.which(name)
    if path is None:
        sys.exit(f"PostgreSQL's {name} is missing (Debian: apt-get install postgresql).")
    return path


def as_postgres(*command: str) -> None:
    """Run a command, as user postgres if we are root: PostgreSQL refuses to run as root."""
    switch = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*switch, *command], check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def server(settings: str = WITHOUT_WAITING) -> Iterator[str]:
    """Start a server and yield its URL; stop it and delete its data afterwards."""
    port = free_port()
    folder = Path(tempfile.mkdtemp(prefix="audiencesync-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = str(folder / "data")
    control = [binary("pg_ctl"), "-D", data, "-w", "-l", str(folder / "log")]
    as_postgres(
        binary("initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"
    )
    as_postgres(
        *control, "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 {settings}", "start"
    )
    try:
        yield f"postgres://postgres@127.0.0.1:{port}/postgres"
    finally:
        as_postgres(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


def main() -> int:
    """Run the given command; return the exit code of the command."""
    with server(FOR_TESTS) as url:
        return subprocess.call(sys.argv[1:], env=os.environ | {"DATABASE_URL": url})


if __name__ == "__main__":
    sys.exit(main())
