"""Invitations: sign up or accept once; every other case gets a clear page."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from audiencesync.groups.accounts import invitations
from audiencesync.groups.models import INVITATION_LIFETIME, Activity, Invitation, Membership, User

PASSWORD = "correct horse battery"


def sign_up(client, path, **fields):
    client.post(path)
    return client.post("/accounts/signup/", {"name": "Dora", "password1": PASSWORD} | fields)


def role_of(email, group):
    return (
        Membership.objects.filter(user__email=email, app_group=group)
        .values_list("role", flat=True)
        .first()
    )


def test_a_token_is_not_stored(invited):
    invitation, path = invited()
    token = path.split("/")[2]
    assert token not in str(list(Invitation.objects.values()))
    assert invitation.token_hash == Invitation.hash(token)


def test_the_page_names_inviter_group_and_address(invited):
    page = Client().get(invited()[1]).content.decode()
    assert "alice@example.org" in page
    assert "Acme" in page
    assert "dora@example.org" in page


def test_a_new_user_signs_up_and_becomes_a_member(acme, invited):
    _invitation, path = invited()
    client = Client()
    answer = sign_up(client, path)
    assert answer.status_code == 302
    assert role_of("dora@example.org", acme) == "viewer"
    assert [tile.group for tile in client.get("/groups/").context["tiles"]] == [acme]
    assert Activity.objects.filter(
        app_group=acme, verb="joined", actor__email="dora@example.org"
    ).exists()


def test_the_invited_address_cannot_be_changed_at_sign_up(acme, invited):
    sign_up(Client(), invited()[1], email="mallory@example.org")
    assert role_of("dora@example.org", acme) == "viewer"
    assert not User.objects.filter(email="mallory@example.org").exists()


def test_the_invited_address_is_verified(invited):
    sign_up(Client(), invited()[1])
    assert User.objects.get(email="dora@example.org").emailaddress_set.get().verified


def test_sign_up_is_closed_without_an_invitation(db):
    client = Client()
    assert "form" not in client.get("/accounts/signup/").context
    client.post("/accounts/signup/", {"email": "mallory@example.org", "password1": PASSWORD})
    assert not User.objects.exists()


def test_a_withdrawn_invitation_closes_sign_up(invited):
    invitation, path = invited()
    client = Client()
    client.post(path)
    invitation.delete()
    client.post("/accounts/signup/", {"password1": PASSWORD})
    assert not User.objects.filter(email="dora@example.org").exists()


def test_a_weak_password_is_refused_with_a_message(invited):
    answer = sign_up(Client(), invited()[1], password1="short")
    assert "There is a problem" in answer.content.decode()
    assert not User.objects.filter(email="dora@example.org").exists()


def test_a_known_user_accepts_by_post(acme, charlie, signed_in, invited):
    _invitation, path = invited(email="charlie@example.org")
    client = signed_in(charlie)
    client.get(path)
    assert role_of("charlie@example.org", acme) is None
    assert client.post(path)["Location"] == "/g/acme/"
    assert role_of("charlie@example.org", acme) == "viewer"


def test_a_known_user_is_led_to_sign_in(charlie, invited):
    _invitation, path = invited(email="charlie@example.org")
    assert f"/accounts/login/?next={path}" in Client().get(path).content.decode()


def test_another_user_cannot_accept(acme, charlie, signed_in, invited):
    invitation, path = invited()
    client = signed_in(charlie)
    client.post(path)
    invitation.refresh_from_db()
    assert invitation.accepted_at is None
    assert role_of("charlie@example.org", acme) is None
    assert "signed in as charlie@example.org" in client.get(path).content.decode()


def test_accepting_does_not_lower_a_role(acme, alice, signed_in, invited):
    signed_in(alice).post(invited(email="alice@example.org")[1])
    assert role_of("alice@example.org", acme) == "admin"


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_used_link_shows_a_message(acme, charlie, signed_in, invited, method):
    _invitation, path = invited(email="charlie@example.org")
    client = signed_in(charlie)
    client.post(path)
    Membership.objects.filter(user=charlie, app_group=acme).delete()
    answer = getattr(client, method)(path)
    assert answer.status_code == 410
    assert "used already" in answer.content.decode()
    assert role_of("charlie@example.org", acme) is None


def test_an_expired_link_shows_a_message(invited):
    invitation, path = invited()
    Invitation.objects.filter(pk=invitation.pk).update(
        created_at=timezone.now() - INVITATION_LIFETIME - timedelta(minutes=1)
    )
    answer = Client().post(path)
    assert answer.status_code == 410
    assert "too old" in answer.content.decode()


@pytest.mark.parametrize("token", ["nonsense", "ä€😀", "x" * 3000])
def test_an_unknown_link_shows_a_message(db, token):
    answer = Client().get(f"/invitation/{token}/")
    assert answer.status_code == 404
    assert "does not work any more" in answer.content.decode()


def test_inviting_again_replaces_the_link(acme, alice, signed_in, invited):
    _invitation, old = invited()
    signed_in(alice).post("/g/acme/members/invite/", {"email": "DORA@example.org", "role": "admin"})
    assert Client().get(old).status_code == 404
    assert acme.invitations.get().role == "admin"


def test_a_withdrawn_link_is_refused(alice, signed_in, invited):
    invitation, path = invited()
    signed_in(alice).post(f"/g/acme/members/invitations/{invitation.pk}/withdraw/")
    assert Client().get(path).status_code == 404


@pytest.mark.parametrize(
    ("email", "role"),
    [
        ("bob@example.org", "viewer"),
        ("no address", "viewer"),
        ("", "viewer"),
        ("d@example.org", "king"),
    ],
)
def test_invalid_input_is_refused_with_a_message(acme, alice, bob, signed_in, email, role):
    answer = signed_in(alice).post("/g/acme/members/invite/", {"email": email, "role": role})
    assert answer.status_code == 422
    assert "There is a problem" in answer.content.decode()
    assert not Invitation.objects.exists()


def test_an_invitation_is_accepted_once_in_two_tabs(acme, alice, charlie, invited):
    # Both tabs were opened before the first acceptance.
    invitation, _path = invited(email="charlie@example.org")
    now = timezone.now()
    assert invitations.accept(invitation, charlie, now=now)
    Membership.objects.filter(user=charlie, app_group=acme).delete()
    assert not invitations.accept(invitation, charlie, now=now)
    assert role_of("charlie@example.org", acme) is None
