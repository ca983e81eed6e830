"""An account can be used only by a person who reads its mailbox."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from audiencesync.groups.accounts import invitations
from audiencesync.groups.models import Invitation, Membership, Role, User
from partners.connections import mailing

PASSWORD = "correct horse battery"
NEW = "battery staple horse"
LINK = re.compile(r"http://127\.0\.0\.1:8000(\S+)")


def sign_up(path, password=PASSWORD):
    client = Client()
    client.post(path)
    return client, client.post("/accounts/signup/", {"name": "Dora", "password1": password})


def sign_in(email, password):
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    return client


def is_in(client):
    return client.get("/groups/").status_code == 200


def reset(email, password=NEW):
    Client().post("/accounts/password/reset/", {"email": email})
    mailing.beat()
    client = Client()
    form = client.get(LINK.search(mail.outbox[-1].body)[1])["Location"]
    return client.post(form, {"password1": password, "password2": password})


def request_change(client, email):
    """Request a change of the address and return the path of the mailed link."""
    client.post("/accounts/email/", {"email": email, "action_add": ""})
    sent = [message for message in mail.outbox if message.to == [email]]
    return LINK.search(sent[-1].body)[1] if sent else None


@pytest.fixture
def shown_link(acme, alice):
    """Return the path of a link that the inviter has seen."""
    invitation, token = Invitation.issue(
        acme, email="victim@example.org", role=Role.VIEWER, by=alice
    )
    invitations.mark_link_shown(invitation)
    return f"/invitation/{token}/"


@pytest.fixture
def victim(acme):
    return User.objects.create_user("victim@example.org", PASSWORD)


def test_a_shown_link_creates_an_unconfirmed_account(acme, shown_link):
    client, _answer = sign_up(shown_link)
    user = User.objects.get(email="victim@example.org")
    assert is_in(client)
    assert not user.emailaddress_set.get().verified
    assert [message.to for message in mail.outbox] == [["victim@example.org"]]


def test_an_unconfirmed_account_is_confirmed_by_its_mail(shown_link):
    client, _answer = sign_up(shown_link)
    client.post(LINK.search(mail.outbox[0].body)[1])
    address = EmailAddress.objects.get(user__email="victim@example.org")
    assert (address.email, address.verified, address.primary) == ("victim@example.org", True, True)


def test_a_mailed_link_of_another_address_confirms_nothing(acme, alice, shown_link):
    _invitation, token = Invitation.issue(
        acme, email="mallory@example.org", role=Role.VIEWER, by=alice
    )
    client = Client()
    client.post(f"/invitation/{token}/")
    client.post(shown_link)
    client.post("/accounts/signup/", {"password1": PASSWORD})
    assert not EmailAddress.objects.filter(verified=True).exclude(user=alice).exists()
    assert User.objects.filter(email="victim@example.org").exists()


def test_an_unconfirmed_account_accepts_a_mailed_invitation_only_after_a_reset(
    shown_link, other_group, charlie
):
    attacker, _answer = sign_up(shown_link)
    _row, token = Invitation.issue(
        other_group, email="victim@example.org", role=Role.ADMIN, by=charlie
    )
    path = f"/invitation/{token}/"
    assert "Set a new password first" in attacker.get(path).content.decode()
    attacker.post(path)
    assert not Membership.objects.filter(
        app_group=other_group, user__email="victim@example.org"
    ).exists()
    reset("victim@example.org")
    assert not is_in(attacker)
    sign_in("victim@example.org", NEW).post(path)
    membership = Membership.objects.get(app_group=other_group, user__email="victim@example.org")
    assert membership.role == Role.ADMIN


def test_a_shown_link_to_a_second_group_works_without_mail(shown_link, other_group, charlie):
    client, _answer = sign_up(shown_link)
    row, token = Invitation.issue(
        other_group, email="victim@example.org", role=Role.VIEWER, by=charlie
    )
    invitations.mark_link_shown(row)
    client.post(f"/invitation/{token}/")
    assert Membership.objects.filter(
        app_group=other_group, user__email="victim@example.org"
    ).exists()


def test_an_unconfirmed_account_cannot_change_or_remove_its_address(shown_link, settings):
    settings.ACCOUNT_RATE_LIMITS = False
    client, _answer = sign_up(shown_link)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.post("/accounts/email/", {"email": "evil@example.org", "action_add": ""})
    assert "Confirm your present address first" in page.content.decode()
    client.post("/accounts/email/", {"email": "victim@example.org", "action_remove": ""})
    assert User.objects.filter(email="victim@example.org").exists()
    assert not EmailAddress.objects.filter(email="evil@example.org").exists()


@pytest.mark.parametrize("end", ["reset", "change", "shell", "accept"])
def test_a_pending_change_of_address_is_cancelled(end, victim, acme, alice, signed_in):
    link = request_change(signed_in(victim), "evil@example.org")
    if end == "reset":
        reset("victim@example.org")
    elif end == "change":
        form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
        signed_in(victim).post("/accounts/password/change/", form)
    elif end == "shell":
        victim.set_password(NEW)
        victim.save()
    else:
        _row, token = Invitation.issue(acme, email=victim.email, role=Role.VIEWER, by=alice)
        signed_in(victim).post(f"/invitation/{token}/")
    victim.refresh_from_db()
    answer = signed_in(victim).post(link)
    assert answer.status_code == 410
    victim.refresh_from_db()
    assert victim.email == "victim@example.org"


def test_a_change_is_confirmed_only_in_a_session_of_the_account(victim, charlie, signed_in):
    link = request_change(signed_in(victim), "new@example.org")
    answer = Client().post(link)
    assert answer["Location"].startswith("/accounts/login/?next=")
    other = signed_in(charlie)
    assert "belongs to another account" in other.get(link).content.decode()
    other.post(link)
    assert is_in(other)
    victim.refresh_from_db()
    assert victim.email == "victim@example.org"
    assert "new@example.org" in signed_in(victim).get(link).content.decode()
    assert signed_in(victim).post(link)["Location"] == "/accounts/email/"
    victim.refresh_from_db()
    assert victim.email == "new@example.org"
    assert [(address.email, address.verified) for address in victim.emailaddress_set.all()] == [
        ("new@example.org", True)
    ]
    answer = Client().get("/accounts/confirm-email/nonsense/")
    assert answer["Location"].startswith("/accounts/login/")
    assert signed_in(victim).get("/accounts/confirm-email/nonsense/").status_code == 410


def test_an_address_of_another_account_is_refused(victim, charlie, signed_in):
    link = request_change(signed_in(victim), "later@example.org")
    charlie.email = "later@example.org"
    charlie.save()
    EmailAddress.objects.filter(user=charlie).delete()
    page = signed_in(victim).post(link)
    assert "belongs to another account" in page.content.decode()
    victim.refresh_from_db()
    assert victim.email == "victim@example.org"


def test_an_unconfirmed_address_neither_signs_in_nor_gets_a_reset(victim, signed_in):
    request_change(signed_in(victim), "evil@example.org")
    assert not is_in(sign_in("evil@example.org", PASSWORD))
    mail.outbox.clear()
    Client().post("/accounts/password/reset/", {"email": "evil@example.org"})
    mailing.beat()
    assert mail.outbox == []


def test_an_unconfirmed_address_does_not_block_a_sign_up(victim, signed_in, invited):
    request_change(signed_in(victim), "dora@example.org")
    sign_up(invited()[1])
    assert is_in(sign_in("dora@example.org", PASSWORD))
    address = EmailAddress.objects.get(email="dora@example.org")
    assert (address.user.email, address.verified) == ("dora@example.org", True)
