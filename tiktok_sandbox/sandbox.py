"""The sandbox as one object: its data, limits, faults and log."""

import threading
from dataclasses import dataclass, field

from tiktok_sandbox.accounts import Accounts
from tiktok_sandbox.audiences import Audiences
from tiktok_sandbox.faults import Faults
from tiktok_sandbox.limits import DEFAULT, Limits, Windows
from tiktok_sandbox.log import Log
from tiktok_sandbox.seed import seed
from tiktok_sandbox.store import Store

DEMO_APP_ID, DEMO_SECRET = "7000000000000000001", "sandbox-secret"


@dataclass(frozen=True)
class Options:
    """The options of `manage.py tiktok_sandbox`."""

    app_id: str = DEMO_APP_ID
    app_secret: str = DEMO_SECRET
    limits: Limits = DEFAULT
    strict_slash: bool = False  # whether API paths must end with a slash
    size_delay: float = 0  # seconds between two counts of the size of an audience
    allowed_redirects: tuple[str, ...] = ()  # beginnings of redirect addresses; empty: all


@dataclass
class Sandbox:
    options: Options
    store: Store
    accounts: Accounts
    audiences: Audiences
    faults: Faults = field(default_factory=Faults)
    log: Log = field(default_factory=Log)
    windows: Windows = field(default_factory=Windows)
    closing: threading.Event = field(default_factory=threading.Event)

    def reset(self) -> None:
        """Restore the demo data; every token becomes invalid."""
        with self.audiences.folding, self.store.lock:
            self.store.clear()
            self.audiences.clear()
            seed(self.store, self.audiences)
        self.heal()
        self.log.clear()
        self.windows = Windows()

    def heal(self) -> None:
        """Clear all faults, and give dropped ad accounts back."""
        self.faults.clear()
        self.accounts.restore()


def open_sandbox(path: str, options: Options) -> Sandbox:
    store = Store(path)
    audiences = Audiences(store, size_delay=options.size_delay)
    seed(store, audiences)
    return Sandbox(options, store, Accounts(store), audiences)
