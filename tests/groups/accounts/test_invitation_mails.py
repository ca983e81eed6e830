"""Mail an invitation; the inviter sees the link only if no mail could be sent."""

import re

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client

from audiencesync.groups.models import Invitation
from partners.connections import mailing

pytestmark = pytest.mark.thorough


def test_a_mailed_link_is_not_shown_to_the_inviter(acme, alice, signed_in):
    client = signed_in(alice)
    client.post("/g/acme/members/invite/", {"email": "Dora@Example.org ", "role": "viewer"})
    page = client.get("/g/acme/members/")
    assert page.context["link"] == ""
    assert "/invitation/" not in page.content.decode()
    assert "/invitation/" in mail.outbox[0].body
    assert mail.outbox[0].to == ["dora@example.org"]
    assert "dora@example.org" in page.content.decode()
    assert not Invitation.objects.get().link_shown


def test_a_link_that_could_not_be_mailed_is_shown_once_and_stored_encrypted(
    acme, alice, signed_in, refused_mail
):
    client = signed_in(alice)
    client.post("/g/acme/members/invite/", {"email": "dora@example.org", "role": "viewer"})
    stored = "".join(repr(session.get_decoded()) for session in Session.objects.all())
    link = client.get("/g/acme/members/").context["link"]
    assert link.rpartition("/invitation/")[2].strip("/") not in stored
    assert "/invitation/" not in stored
    assert client.get("/g/acme/members/").context["link"] == ""
    assert Invitation.objects.get().link_shown


def test_mailed_links_use_the_site_url(acme, alice, signed_in, settings):
    settings.SITE_URL = "https://sync.example.org"
    headers = {"Host": "127.0.0.1:9999"}
    signed_in(alice).post(
        "/g/acme/members/invite/", {"email": "d@example.org", "role": "viewer"}, headers=headers
    )
    Client().post("/accounts/password/reset/", {"email": alice.email}, headers=headers)
    mailing.beat()
    signed_in(alice).post(
        "/accounts/email/", {"email": "new@example.org", "action_add": ""}, headers=headers
    )
    assert len(mail.outbox) == 4
    for message in mail.outbox:
        assert "9999" not in message.body
        assert "127.0.0.1:" not in message.body
        links = re.findall(r"https?://[^\s]+", message.body)
        assert all(link.startswith("https://sync.example.org/") for link in links)
    assert sum("https://sync.example.org/" in message.body for message in mail.outbox) == 3


def test_a_group_may_send_20_invitations_an_hour(amid_an_hour, acme, alice, signed_in):
    client = signed_in(alice)
    for n in range(20):
        client.post("/g/acme/members/invite/", {"email": f"d{n}@example.org", "role": "viewer"})
        client.post(f"/g/acme/members/invitations/{Invitation.objects.get().pk}/withdraw/")
    answer = client.post(
        "/g/acme/members/invite/", {"email": "one-more@example.org", "role": "viewer"}
    )
    assert answer.status_code == 429
    assert "At most 20 invitations an hour" in answer.content.decode()
    assert len(mail.outbox) == 20


def test_an_unreachable_mail_server_is_reported(acme, alice, signed_in, refused_mail):
    client = signed_in(alice)
    page = client.post(
        "/g/acme/members/invite/", {"email": "dora@example.org", "role": "viewer"}, follow=True
    )
    assert "could not be sent" in page.content.decode()
    assert page.context["link"]
