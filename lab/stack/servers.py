"""Start private database and cache servers."""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from scripts import postgres as postgres_script
from scripts import redis_server

# As durable as in production; only the usual settings for speed are raised.
POSTGRES_SETTINGS = "-c shared_buffers=1GB -c max_wal_size=4GB -c max_connections=100"


def has_postgres() -> bool:
    """Return whether PostgreSQL is installed."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return any(debian) or shutil.which("initdb") is not None


def postgres() -> AbstractContextManager[str]:
    """Run a private PostgreSQL; the context manager gives its URL."""
    return postgres_script.server(POSTGRES_SETTINGS)


def redis() -> AbstractContextManager[str]:
    """Run a private Redis; the context manager gives its URL."""
    return redis_server.server()
