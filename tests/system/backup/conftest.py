"""Reuse the fixtures for live installations from the tests of faults."""

from tests.system.faults.live.conftest import databases, is_sqlite, make_site, prepared

__all__ = ["databases", "is_sqlite", "make_site", "prepared"]
