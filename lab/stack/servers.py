"""Start private database and cache servers."""

from __future__ import annotations

import importlib.util
import shutil
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType

from lab.stack.stack import ROOT, StackError

# As durable as in production; raises only what every handbook raises first.
POSTGRES_SETTINGS = "-c shared_buffers=1GB -c max_wal_size=4GB -c max_connections=100"


def has_postgres() -> bool:
    """Return whether PostgreSQL is installed."""
    debian = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return any(debian) or shutil.which("initdb") is not None


def postgres() -> AbstractContextManager[str]:
    """Run a private PostgreSQL; gives its URL."""
    script = _script("postgres")
    script.QUICK = POSTGRES_SETTINGS  # type: ignore[attr-defined]  # a constant of that script
    server: AbstractContextManager[str] = script.server()
    return server


def redis() -> AbstractContextManager[str]:
    """Run a private Redis; gives its URL."""
    server: AbstractContextManager[str] = _script("redis_server").server()
    return server


def _script(name: str) -> ModuleType:
    # scripts/ is not a package: its files also run without the virtual environment
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise StackError(f"scripts/{name}.py is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
