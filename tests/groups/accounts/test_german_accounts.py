"""The pages and mails of allauth use the polite form in German (locale/overrides)."""

import re
from gettext import translation
from pathlib import Path

import allauth
import django
import polib
import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from partners.connections import mailing

DU = re.compile(
    r"\b(du|dich|dir|dein\w*|hast|bist|gib|wähle|versuche|klicke|kontaktiere)\b", re.IGNORECASE
)
VISITOR = [
    "login/",
    "signup/",
    "password/reset/",
    "password/reset/done/",
    "password/reset/key/1-x/",
    "confirm-email/x/",
]
MEMBER = [
    "logout/",
    "email/",
    "password/change/",
    "reauthenticate/",
    "2fa/",
    "2fa/totp/activate/",
    "sessions/",
    "login/",
]
GERMAN = {"Accept-Language": "de"}


def words(answer):
    return re.sub(r"<[^>]*>", " ", answer.content.decode())


@pytest.mark.parametrize("path", VISITOR)
def test_pages_of_visitors_are_polite(path, db):
    answer = Client(headers=GERMAN).get(f"/accounts/{path}", follow=True)
    assert '<html lang="de">' in answer.content.decode()
    assert DU.findall(words(answer)) == []


@pytest.mark.parametrize("path", MEMBER)
def test_pages_of_members_are_polite(path, alice, signed_in):
    client = signed_in(alice)
    answer = client.get(f"/accounts/{path}", headers=GERMAN, follow=True)
    assert '<html lang="de">' in answer.content.decode()
    assert DU.findall(words(answer)) == []


def test_the_message_after_a_wrong_password_is_polite(alice):
    answer = Client(headers=GERMAN).post(
        "/accounts/login/", {"login": alice.email, "password": "wrong"}
    )
    assert "E-Mail-Adresse oder Passwort sind leider falsch." in words(answer)


def test_the_password_reset_mail_is_polite(alice):
    Client(headers=GERMAN).post("/accounts/password/reset/", {"email": alice.email})
    mailing.beat()
    assert "Sie erhalten diese E-Mail" in mail.outbox[0].body
    assert DU.findall(mail.outbox[0].body) == []


def test_every_override_is_a_text_of_allauth_or_django():
    # An override of a changed text would have no effect.
    catalogue = Path(settings.BASE_DIR) / "locale/overrides/de/LC_MESSAGES/django.po"
    overrides = [entry.msgid for entry in polib.pofile(str(catalogue))]
    folders = (Path(allauth.__file__).parent, Path(django.__file__).parent / "contrib/auth")
    known = [translation("django", folder / "locale", ["de"]) for folder in folders]
    assert len(overrides) > 50
    assert [text for text in overrides if all(one.gettext(text) == text for one in known)] == []


def test_the_password_rules_are_polite(alice, signed_in):
    page = words(signed_in(alice).get("/accounts/password/change/", headers=GERMAN))
    assert "Verwenden Sie kein häufiges Passwort." in page
    assert "allgemein üblich" not in page
