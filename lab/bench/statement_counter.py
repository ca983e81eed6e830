"""Run the engine's cluster and count its SQL statements: ``-m lab.bench.statement_counter FILE``.

The count is 8 bytes of FILE, mapped into the memory of all processes that django-q2 forks.
"""

from __future__ import annotations

import mmap
import multiprocessing
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

if __name__ == "__main__":
    django.setup()

from django.core.management import call_command
from django.db import connections
from django.db.backends.signals import connection_created


class Counter:
    """An execute wrapper that counts over processes."""

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self.memory = mmap.mmap(opened.fileno(), 8)
        self.lock = multiprocessing.Lock()  # inherited by every fork

    def __call__(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any
    ) -> Any:
        """Count one statement and run it."""
        with self.lock:
            self.memory[:] = struct.pack("q", struct.unpack("q", self.memory[:])[0] + 1)
        return execute(sql, params, many, context)


def count(file: Path) -> int:
    """Return how many statements were counted so far."""
    return int(struct.unpack("q", file.read_bytes()[:8])[0])


def main() -> None:
    """Install the counter, run the cluster."""
    file = Path(sys.argv[1])
    file.write_bytes(struct.pack("q", 0))
    counter = Counter(file)

    def install(connection: Any, **_: Any) -> None:
        if counter not in connection.execute_wrappers:
            connection.execute_wrappers.append(counter)

    connection_created.connect(install)
    connections.close_all()
    call_command("qcluster")


if __name__ == "__main__":
    main()
