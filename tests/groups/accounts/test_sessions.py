"""Users see where their account is signed in and can end all other sessions."""

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from audiencesync.groups import retention

PASSWORD = "correct horse battery"
PAGE = "/accounts/sessions/"


def sign_in(email, agent="Firefox", ip="203.0.113.7"):
    client = Client(REMOTE_ADDR=ip, headers={"User-Agent": agent})
    client.post("/accounts/login/", {"login": email, "password": PASSWORD})
    return client


def is_in(client):
    return client.get("/groups/").status_code == 200


def test_the_page_lists_the_current_session_first(alice, bob):
    sign_in(alice.email, "Phone <b>", "203.0.113.8")
    sign_in(bob.email, "Bobs browser")
    page = sign_in(alice.email).get(PAGE)
    assert [(session.user_agent, session.ip) for session in page.context["sessions"]] == [
        ("Firefox", "203.0.113.7"),
        ("Phone <b>", "203.0.113.8"),
    ]
    assert page.content.decode().count("This session") == 1
    assert "Phone &lt;b&gt;" in page.content.decode()


def test_ending_other_sessions_spares_other_accounts(alice, bob, signed_in):
    mine, phone, bob_editor = sign_in(alice.email), sign_in(alice.email), sign_in(bob.email)
    from_before = signed_in(alice)  # a session without a UserSession row
    page = mine.post(PAGE, follow=True)
    assert "All other sessions have ended" in page.content.decode()
    assert [is_in(client) for client in (mine, phone, from_before, bob_editor)] == [
        True,
        False,
        False,
        True,
    ]
    assert UserSession.objects.filter(user=alice).count() == 1


def test_a_session_without_a_row_is_shown_and_reading_writes_nothing(alice, signed_in):
    page = signed_in(alice).get(PAGE)
    assert len(page.context["sessions"]) == 1
    assert "This session" in page.content.decode()
    assert not UserSession.objects.exists()


def test_the_page_requires_sign_in_and_is_linked_from_the_account(alice, signed_in):
    assert Client().get(PAGE)["Location"].startswith("/accounts/login/")
    assert Client().post(PAGE)["Location"].startswith("/accounts/login/")
    assert f'href="{PAGE}"' in signed_in(alice).get("/accounts/email/").content.decode()


def test_the_row_of_an_ended_session_is_deleted(alice):
    client, other = sign_in(alice.email), sign_in(alice.email)
    client.post("/accounts/logout/")
    assert Session.objects.count() >= 1
    retention.purge(now=timezone.now())
    assert [one.session_key for one in UserSession.objects.all()] == [other.session.session_key]
