"""The sandbox as it was when a scenario had been prepared: every point begins with it."""

import sqlite3
from collections.abc import Iterable

from tiktok_sandbox.limits import Windows
from tiktok_sandbox.sandbox import Sandbox


class Snapshot:
    """A copy of the sandbox's own database."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.saved = sqlite3.connect(":memory:")
        with sandbox.store.lock:
            sandbox.store.db.backup(self.saved)

    def restore(self, faults: Iterable[tuple[str, dict]]) -> None:
        """Back to it, with these faults switched on."""
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
        """Forget it."""
        self.saved.close()
