"""The pages of allauth are in sentence case in English, like our own."""

import html
import re
from gettext import translation
from pathlib import Path

import allauth
import polib
import pytest
from django.conf import settings
from django.core import mail
from django.test import Client

from partners.connections import mailing

HEADS = re.compile(r"<(title|h1|h2|h3|button|label|a)\b[^>]*>(.*?)</\1>", re.DOTALL)
NAMES = {"AudienceSync", "English", "German", "QR"}
VISITOR = [
    "login/",
    "signup/",
    "password/reset/",
    "password/reset/done/",
    "password/reset/key/1-x/",
    "confirm-email/x/",
]
MEMBER = ["logout/", "email/", "password/change/", "reauthenticate/", "2fa/", "2fa/totp/activate/"]


def capitals(answer):
    """Return headings, labels, buttons and links with a capital inside a sentence."""
    page = answer.content.decode().partition("<main")
    heads = re.findall(r"<title>.*?</title>", page[0], re.DOTALL)
    texts = [
        re.sub(r"<[^>]*>", " ", html.unescape(text))
        for _tag, text in HEADS.findall("".join([*heads, page[2]]))
    ]
    later = [
        (text, word)
        for text in texts
        for word in re.findall(r"(?<![.?!·|–])\s([A-Z]\w+)", text.strip())
    ]
    return [text.strip() for text, word in later if word not in NAMES]


@pytest.mark.parametrize("path", VISITOR)
def test_pages_of_visitors_are_in_sentence_case(path, alice):
    answer = Client().get(f"/accounts/{path}", follow=True)
    assert answer.status_code == 200
    assert capitals(answer) == []


@pytest.mark.parametrize("path", MEMBER)
def test_pages_of_members_are_in_sentence_case(path, alice, signed_in):
    answer = signed_in(alice).get(f"/accounts/{path}", follow=True)
    assert answer.status_code == 200
    assert capitals(answer) == []


def test_the_remember_me_box_is_in_sentence_case(alice):
    page = Client().get("/accounts/login/").content.decode()
    assert "Remember me" in page
    assert "Remember Me" not in page


def test_the_subject_of_a_mail_is_in_sentence_case(alice):
    Client().post("/accounts/password/reset/", {"email": alice.email})
    mailing.beat()
    assert mail.outbox[0].subject == "AudienceSync: Reset your password"


def test_every_text_of_the_english_catalogue_exists_in_allauth():
    # Otherwise a text changed by allauth would silently fall back to allauth's English.
    theirs = translation("django", Path(allauth.__file__).parent / "locale", ["de"])
    ours = polib.pofile(str(Path(settings.BASE_DIR) / "locale/overrides/en/LC_MESSAGES/django.po"))
    assert [entry.msgid for entry in ours if theirs.gettext(entry.msgid) == entry.msgid] == []
