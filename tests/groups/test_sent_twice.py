"""The same form sent twice, or by two admins at once, has one effect."""

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from audiencesync.groups import members
from audiencesync.groups.accounts import invitations
from audiencesync.groups.first_start import forms
from audiencesync.groups.models import Activity, ApiKey, AppGroup, Invitation, Role, User
from audiencesync.groups.views import members as members_view
from canvases.privacy import group_deletion

INVITE = "/g/acme/members/invite/"
DORA = {"email": "dora@example.org", "role": "viewer"}


@pytest.fixture
def staff(db):
    return User.objects.create_user("staff@example.org", "correct horse battery", is_staff=True)


def test_an_invitation_is_mailed_once(signed_in, alice, acme):
    client = signed_in(alice)
    client.post(INVITE, DORA)
    page = client.post(INVITE, DORA, follow=True).content.decode()
    assert "dora@example.org was invited just now" in page
    assert (Invitation.objects.count(), len(mail.outbox)) == (1, 1)
    assert Activity.objects.filter(verb="invited").count() == 1


@pytest.mark.parametrize("change", ["role", "later", "other admin", "mail refused"])
def test_an_invitation_that_differs_replaces_the_first(signed_in, alice, bob, acme, change):
    signed_in(alice).post(INVITE, DORA)
    first = Invitation.objects.get()
    if change == "later":
        Invitation.objects.update(created_at=timezone.now() - timedelta(minutes=1))
    if change == "mail refused":
        invitations.mark_link_shown(first)
    bob.memberships.update(role=Role.ADMIN)
    sender = bob if change == "other admin" else alice
    role = "marketer" if change == "role" else "viewer"
    signed_in(sender).post(INVITE, DORA | {"role": role})
    assert Invitation.objects.exclude(pk=first.pk).get().role == role
    assert len(mail.outbox) == 2


def test_a_refused_mail_of_a_replaced_invitation_is_no_error(signed_in, alice, monkeypatch):
    def refused(invitation, link):
        Invitation.objects.all().delete()  # by another admin, meanwhile
        return False

    monkeypatch.setattr(members_view.invitations, "mail", refused)
    assert signed_in(alice).post(INVITE, DORA).status_code == 302


def test_an_invitation_accepted_meanwhile_is_not_withdrawn(signed_in, alice, invited):
    invitation, _path = invited()
    Invitation.objects.update(accepted_at=timezone.now())
    url = f"/g/acme/members/invitations/{invitation.pk}/withdraw/"
    page = signed_in(alice).post(url, follow=True).content.decode()
    assert "dora@example.org has accepted already" in page
    assert Invitation.objects.exists()


def test_a_key_is_created_once(signed_in, alice, acme):
    client, fields = signed_in(alice), {"name": "Shop", "scopes": ["users.track"], "lifetime": "30"}
    client.post("/g/acme/keys/", fields)
    page = client.post("/g/acme/keys/", fields, follow=True).content.decode()
    assert "The key Shop was created just now" in page
    assert f"ask_{ApiKey.objects.get().prefix}_" in page
    ApiKey.objects.update(last_used_at=timezone.now())
    client.post("/g/acme/keys/", fields)
    assert ApiKey.objects.count() == 2


def test_staff_join_a_group_once(signed_in, staff, acme):
    for _n in range(2):
        signed_in(staff).post("/staff/groups/g/acme/invite/", {"myself": "1"})
    assert Activity.objects.get(verb="joined").kind == Activity.Kind.MEMBER
    members.join(acme, staff, Role.VIEWER, now=timezone.now())
    assert staff.memberships.get().role == Role.VIEWER


def test_a_group_is_renamed_once(signed_in, staff, acme):
    for _n in range(2):
        signed_in(staff).post("/staff/groups/g/acme/", {"name": "New"})
    line = Activity.objects.get()
    assert (line.subject, line.kind) == ("Acme → New", Activity.Kind.GROUP)


def test_the_address_of_a_group_taken_meanwhile_is_an_error(signed_in, staff, monkeypatch):
    AppGroup.objects.create(name="Fresh", slug="fresh")
    fields = {"name": "Fresh", "time_zone": "UTC", "phone_region": "FR", "language": "de"}
    # As if the other request had come after the check.
    monkeypatch.setattr(forms.AppGroup.objects, "filter", lambda **_: AppGroup.objects.none())
    answer = signed_in(staff).post("/staff/groups/new/", fields)
    assert answer.status_code == 422
    assert "has this address already" in answer.content.decode()


def test_a_group_restored_amid_its_deletion_is_deleted(staff, acme, monkeypatch):
    monkeypatch.setattr(group_deletion, "archive", lambda *_args, **_kwargs: False)
    assert group_deletion.delete(acme, by=staff, now=timezone.now())
    acme.refresh_from_db()
    assert acme.archived_at is not None
