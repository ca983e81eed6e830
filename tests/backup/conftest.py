"""Sites, as in the tests of faults."""

from tests.faults.live.conftest import databases, is_sqlite, prepared, site

__all__ = ["databases", "is_sqlite", "prepared", "site"]
