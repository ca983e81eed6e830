"""Who is no admin any more brings nobody in: their invitations end, and their keys are named."""

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups import api_keys, members
from audiencesync.groups.models import Invitation, Membership, Role


@pytest.fixture
def second(acme, alice, bob):
    """Bob is an admin, too, and has made a key and an invitation for his second address."""
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    _row, token = Invitation.issue(acme, email="bob2@example.org", role=Role.ADMIN, by=bob)
    _key, text = api_keys.issue(acme, name="Backdoor <b>", scopes=["users.export"], by=bob)
    api_keys.issue(acme, name="Of Alice", scopes=["users.export"], by=alice)
    return Membership.objects.get(user=bob), f"/invitation/{token}/", text


def opens(text):
    return api_keys.find(text, now=timezone.now()) is not None


@pytest.mark.parametrize("act", ["remove", "role"])
def test_removing_or_demoting_ends_the_invitations_they_issued(act, acme, alice, second, signed_in):
    member, path, text = second
    kept, _token = Invitation.issue(acme, email="dora@example.org", role=Role.VIEWER, by=alice)
    form = {"role": "viewer", "sure": "1"} if act == "role" else {}
    signed_in(alice).post(f"/g/acme/members/{member.pk}/{act}/", form)
    assert Client().get(path).status_code == 404
    assert list(Invitation.objects.all()) == [kept]
    assert opens(text)


@pytest.mark.parametrize("act", ["remove", "role"])
def test_the_question_names_their_keys_and_revokes_them_if_wanted(act, alice, second, signed_in):
    member, _path, text = second
    client, address = signed_in(alice), f"/g/acme/members/{member.pk}/{act}/"
    question = client.post(address, {"role": "viewer"}) if act == "role" else client.get(address)
    page = question.content.decode()
    assert "Backdoor &lt;b&gt;" in page
    assert "Of Alice" not in page
    assert "1 open invitation" in page
    member.refresh_from_db()
    assert member.role == Role.ADMIN
    client.post(address, {"role": "viewer", "sure": "1", "revoke_keys": "1"})
    assert not opens(text)
    assert Membership.objects.filter(pk=member.pk, role=Role.ADMIN).count() == 0


def test_another_admin_role_is_given_without_a_question(alice, second, signed_in):
    member, path, _text = second
    signed_in(alice).post(f"/g/acme/members/{member.pk}/role/", {"role": "admin"})
    assert Client().get(path).status_code == 200


def test_invitations_that_were_accepted_stay(acme, alice, bob, second):
    Invitation.objects.update(accepted_at=timezone.now())
    members.remove(second[0], by=alice)
    assert Invitation.objects.count() == 1
