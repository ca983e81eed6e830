"""An invitation lives only as long as the right of the one who invited."""

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups import invitations
from audiencesync.groups.models import Membership, Role, User

NOW = timezone.now


@pytest.fixture
def invited(acme):
    """invited(by) -> the open invitation, and its address."""

    def make(by):
        row, token = invitations.invite(acme, email="second@example.org", role=Role.ADMIN, by=by)
        return row, f"/invitation/{token}/"

    return make


@pytest.mark.parametrize("loses", ["staff", "account"])
def test_who_lost_staff_does_not_come_back_by_an_invitation(acme, invited, loses):
    by = User.objects.create_user("staff@example.org", "correct horse battery", is_staff=True)
    row, address = invited(by)
    assert Client().get(address).status_code == 200

    User.objects.filter(pk=by.pk).update(**({"is_staff": False} if loses == "staff" else {"is_active": False}))

    second = User.objects.create_user("second@example.org", "correct horse battery")
    row.refresh_from_db()
    assert invitations.accept(row, second, now=NOW()) is False
    assert not Membership.objects.filter(app_group=acme, user=second).exists()
    assert Client().get(address).status_code in (404, 410)


def test_who_is_no_admin_any_more_invites_nobody(acme, alice, invited):
    row, _address = invited(alice)
    Membership.objects.filter(app_group=acme, user=alice).update(role=Role.VIEWER)
    second = User.objects.create_user("second@example.org", "correct horse battery")
    row.refresh_from_db()
    assert invitations.accept(row, second, now=NOW()) is False
