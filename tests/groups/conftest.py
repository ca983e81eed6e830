"""Fixtures of invitations and mail."""

import pytest

from audiencesync.groups.models import Invitation, Role


@pytest.fixture
def invited(acme, alice):
    """Return invited(email, role) -> (invitation, path of its link)."""

    def invite(email="dora@example.org", role=Role.VIEWER):
        invitation, token = Invitation.issue(acme, email=email, role=role, by=alice)
        return invitation, f"/invitation/{token}/"

    return invite


@pytest.fixture
def refused_mail(settings):
    """Use a mail server that does not answer."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
