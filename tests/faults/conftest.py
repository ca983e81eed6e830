"""A connected town of 1,000 people at a running sandbox; time is scaled by settings only."""

import pytest

from tests.faults.lawful import Town
from tests.sync.conftest import FAST, server

__all__ = ["server"]


@pytest.fixture
def pace(settings):
    """pace(deadline=13) -> these settings of the engine from now on."""

    def change(**seconds):
        settings.SYNC = settings.SYNC | seconds

    return change


@pytest.fixture
def town(server, acme, settings, pace):
    settings.TIKTOK_API_URL = server.url
    pace(**FAST, requests_per_second=5000.0)
    return Town(server, acme)
