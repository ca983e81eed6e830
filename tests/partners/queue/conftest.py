"""Fixtures of the queue's tests."""

import pytest

from partners.queue import flush


@pytest.fixture
def late_requests_are_sent(monkeypatch):
    """Send requests however late they are: on a busy machine they are late by themselves."""
    monkeypatch.setattr(flush, "LEASE_TOLERANCE", 60.0)
    monkeypatch.setattr(flush, "SEND_TOLERANCE", 60.0)
