"""A former admin's invitations end, and the admin's API keys can be revoked."""

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups import api_keys, members
from audiencesync.groups.models import Invitation, Membership, Role


@pytest.fixture
def second_admin(acme, alice, bob):
    """Make Bob a second admin with an API key and an invitation for his second address."""
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    _row, token = Invitation.issue(acme, email="bob2@example.org", role=Role.ADMIN, by=bob)
    _key, text = api_keys.issue(acme, name="Backdoor <b>", scopes=["users.export"], by=bob)
    api_keys.issue(acme, name="Of Alice", scopes=["users.export"], by=alice)
    return Membership.objects.get(user=bob), f"/invitation/{token}/", text


def is_valid(text):
    return api_keys.find(text, now=timezone.now()) is not None


@pytest.mark.parametrize("action", ["remove", "role"])
def test_removing_or_demoting_an_admin_ends_their_invitations(
    action, acme, alice, second_admin, signed_in
):
    member, path, text = second_admin
    kept, _token = Invitation.issue(acme, email="dora@example.org", role=Role.VIEWER, by=alice)
    form = {"role": "viewer", "sure": "1"} if action == "role" else {}
    signed_in(alice).post(f"/g/acme/members/{member.pk}/{action}/", form)
    assert Client().get(path).status_code == 404
    assert list(Invitation.objects.all()) == [kept]
    assert is_valid(text)


@pytest.mark.parametrize("action", ["remove", "role"])
def test_the_confirmation_lists_the_keys_and_may_revoke_them(
    action, alice, second_admin, signed_in
):
    member, _path, text = second_admin
    client, address = signed_in(alice), f"/g/acme/members/{member.pk}/{action}/"
    question = client.post(address, {"role": "viewer"}) if action == "role" else client.get(address)
    page = question.content.decode()
    assert "Backdoor &lt;b&gt;" in page
    assert "Of Alice" not in page
    assert "1 open invitation" in page
    member.refresh_from_db()
    assert member.role == Role.ADMIN
    client.post(address, {"role": "viewer", "sure": "1", "revoke_keys": "1"})
    assert not is_valid(text)
    assert Membership.objects.filter(pk=member.pk, role=Role.ADMIN).count() == 0


def test_setting_the_admin_role_again_asks_no_question(alice, second_admin, signed_in):
    member, path, _text = second_admin
    signed_in(alice).post(f"/g/acme/members/{member.pk}/role/", {"role": "admin"})
    assert Client().get(path).status_code == 200


def test_accepted_invitations_are_kept(acme, alice, bob, second_admin):
    Invitation.objects.update(accepted_at=timezone.now())
    members.remove(second_admin[0], by=alice)
    assert Invitation.objects.count() == 1
