"""Save the sandbox after the preparation of a scenario, and restore it before each run."""

import sqlite3
from collections.abc import Iterable

from tiktok_sandbox.limits import Windows
from tiktok_sandbox.sandbox import Sandbox


class Snapshot:
    """A copy of the database of the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.saved = sqlite3.connect(":memory:")
        with sandbox.store.lock:
            sandbox.store.db.backup(self.saved)

    def restore(self, faults: Iterable[tuple[str, dict]]) -> None:
        """Restore the sandbox, with these faults switched on."""
        sandbox = self.sandbox
        with sandbox.audiences.folding, sandbox.store.lock:
            self.saved.backup(sandbox.store.db)
            sandbox.audiences.clear()
        sandbox.faults.clear()
        sandbox.log.clear()
        sandbox.windows = Windows()
        for kind, details in faults:
            sandbox.faults.set(kind, **details)

    def close(self) -> None:
        self.saved.close()
