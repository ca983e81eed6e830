"""An open invitation, and rate limits that start anew."""

import pytest
from django.core.cache import cache

from audiencesync.groups.models import Invitation, Role


@pytest.fixture(autouse=True)
def _fresh_limits():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def invited(acme, alice):
    """invited(email="dora@...", role="viewer") -> (invitation, path of its link)"""

    def make(email="dora@example.org", role=Role.VIEWER):
        invitation, token = Invitation.issue(acme, email=email, role=role, by=alice)
        return invitation, f"/invitation/{token}/"

    return make
