"""An invitation is valid only while its inviter may invite."""

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups.accounts import invitations
from audiencesync.groups.models import Membership, Role, User

NOW = timezone.now


@pytest.fixture
def invited(acme):
    """Return invited(by) -> (open invitation, path of its link)."""

    def invite(by):
        row, token = invitations.invite(acme, email="second@example.org", role=Role.ADMIN, by=by)
        return row, f"/invitation/{token}/"

    return invite


@pytest.mark.parametrize("loses", ["staff", "account"])
def test_an_invitation_by_former_staff_is_refused(acme, invited, loses):
    by = User.objects.create_user("staff@example.org", "correct horse battery", is_staff=True)
    row, address = invited(by)
    assert Client().get(address).status_code == 200

    User.objects.filter(pk=by.pk).update(
        **({"is_staff": False} if loses == "staff" else {"is_active": False})
    )

    second = User.objects.create_user("second@example.org", "correct horse battery")
    row.refresh_from_db()
    assert invitations.accept(row, second, now=NOW()) is False
    assert not Membership.objects.filter(app_group=acme, user=second).exists()
    assert Client().get(address).status_code in (404, 410)


def test_an_invitation_by_a_former_admin_is_refused(acme, alice, invited):
    row, _address = invited(alice)
    Membership.objects.filter(app_group=acme, user=alice).update(role=Role.VIEWER)
    second = User.objects.create_user("second@example.org", "correct horse battery")
    row.refresh_from_db()
    assert invitations.accept(row, second, now=NOW()) is False


def test_the_page_explains_that_the_inviter_may_no_longer_invite(acme, alice, invited):
    _row, address = invited(alice)
    Membership.objects.filter(app_group=acme, user=alice).update(role=Role.VIEWER)

    german = {"Accept-Language": "de"}
    answers = [Client().get(address), Client().post(address), Client().get(address, headers=german)]
    pages = [answer.content.decode() for answer in answers]

    assert [answer.status_code for answer in answers] == [410] * 3
    assert ["may no longer invite people" in page for page in pages] == [True, True, False]
    assert "darf niemanden mehr in diese App-Gruppe einladen" in pages[2]
    assert not any(
        "too old" in page or "zu alt" in page or "who invited you for a new link" in page
        for page in pages
    )


def test_the_page_explains_that_the_group_is_archived(acme, alice, invited):
    _row, address = invited(alice)
    acme.archived_at = NOW()
    acme.save()

    page = Client().get(address).content.decode()

    assert ("archived" in page, "too old" in page) == (True, False)


def test_an_ended_invitation_creates_no_account(acme, alice, invited):
    _row, address = invited(alice)
    client = Client()
    client.post(address)
    Membership.objects.filter(app_group=acme, user=alice).update(role=Role.VIEWER)

    client.post("/accounts/signup/", {"password1": "correct horse battery"})

    assert not User.objects.filter(email="second@example.org").exists()


def test_the_members_page_marks_an_ended_invitation(acme, alice, invited, signed_in):
    mine, _address = invited(alice)
    other = User.objects.create_user("zoe@example.org", "correct horse battery")
    Membership.objects.create(app_group=acme, user=other, role=Role.ADMIN)
    theirs, _token = invitations.invite(acme, email="third@example.org", role=Role.VIEWER, by=other)
    Membership.objects.filter(app_group=acme, user=other).update(role=Role.MARKETER)

    pending = invitations.pending(acme, now=NOW())
    listed = {row.invitation.pk: row.inviter_lost_rights for row in pending}
    page = signed_in(alice).get("/g/acme/members/").content.decode()

    assert listed == {mine.pk: False, theirs.pk: True}
    assert page.count(">ended<") == 1
