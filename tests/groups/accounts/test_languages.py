"""Choose the language of a user: own choice first, then the group's."""

import pytest
from django.test import Client

from audiencesync.groups.models import AppGroup, User


def test_the_language_menu_stores_the_choice_of_a_user(alice, signed_in):
    signed_in(alice).post("/i18n/setlang/", {"language": "de", "next": "/"})
    alice.refresh_from_db()
    assert alice.language == "de"


@pytest.mark.parametrize("language", ["", "xx", "de\0", "d" * 99])
def test_an_unknown_language_changes_nothing(alice, signed_in, language):
    answer = signed_in(alice).post("/i18n/setlang/", {"language": language, "next": "/"})
    assert answer.status_code == 302
    alice.refresh_from_db()
    assert alice.language == ""


def test_the_choice_of_a_visitor_is_stored_in_a_cookie(db):
    answer = Client().post("/i18n/setlang/", {"language": "de", "next": "/accounts/login/"})
    assert answer.cookies["django_language"].value == "de"


@pytest.mark.parametrize(("own", "expected"), [("", "de"), ("en", "en")])
def test_mails_use_the_language_of_the_user_or_the_group(acme, alice, own, expected):
    acme.language, alice.language = "de", own
    assert alice.language_in(acme) == expected


def test_an_admin_sets_the_language_of_the_group(acme, alice, signed_in):
    data = {
        "name": "Acme",
        "time_zone": "UTC",
        "phone_region": "DE",
        "language": "de",
        "consent_values": "yes",
    }
    assert signed_in(alice).post("/g/acme/settings/", data).status_code == 302
    acme.refresh_from_db()
    assert acme.language == "de"


def test_an_untranslated_language_is_refused(acme, alice, signed_in):
    data = {
        "name": "Acme",
        "time_zone": "UTC",
        "phone_region": "DE",
        "language": "xx",
        "consent_values": "yes",
    }
    assert signed_in(alice).post("/g/acme/settings/", data).status_code == 422


def test_an_invitation_uses_the_language_of_its_reader_or_the_group(
    alice, signed_in, acme, charlie, mailoutbox
):
    AppGroup.objects.update(language="de")
    User.objects.filter(pk=charlie.pk).update(language="en")
    for email in ("new@example.org", "charlie@example.org"):
        signed_in(alice).post("/g/acme/members/invite/", {"email": email, "role": "viewer"})
    assert [mail.subject for mail in mailoutbox] == [
        "Einladung zu Acme bei AudienceSync",
        "Invitation to Acme on AudienceSync",
    ]
