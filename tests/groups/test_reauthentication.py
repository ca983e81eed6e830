"""Sensitive actions ask for the password again, then continue with the submitted form."""

import time

import pytest
from django.core import mail
from django.test import Client

from audiencesync.groups.models import Activity, ApiKey, Invitation
from audiencesync.people.models import Profile

PASSWORD = "correct horse battery"
KEY = {"name": "Shop", "scopes": ["users.track"], "lifetime": "30"}
REAUTHENTICATE = "/accounts/reauthenticate/"
ACTIONS = {
    "keys": ("/g/acme/keys/", KEY),
    "connect": ("/g/acme/partners/tiktok/connect/", {}),
    "export": ("/g/acme/people/profiles/export/", {}),
    "email": ("/accounts/email/", {"email": "new@example.org", "action_add": ""}),
    "invite an admin": ("/g/acme/members/invite/", {"email": "new@example.org", "role": "admin"}),
    "erase many": ("/g/acme/people/erase/", {"ids": "anna", "sure": "1"}),
}
MEMBER_ACTIONS = {"role": {"role": "admin"}, "remove": {}}
PERSON_ACTIONS = {"erase": {}, "export": {}}
STAFF_ACTIONS = [
    ("invite", {"email": "new@example.org"}),
    ("invite", {"myself": "1"}),
    ("archive", {}),
]


def signed_in_before(user, seconds):
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    session = client.session
    session["account_authentication_methods"] = [
        {"method": "password", "at": time.time() - seconds}
    ]
    session.save()
    return client


@pytest.fixture
def anna(acme):
    return Profile.objects.create(app_group=acme, external_id="anna")


@pytest.mark.parametrize("action", ACTIONS)
def test_the_password_is_asked_again_after_15_minutes(action, alice, anna):
    path, form = ACTIONS[action]
    client = signed_in_before(alice, 901)
    answer = client.post(path, form)
    assert answer["Location"].startswith(REAUTHENTICATE)
    assert not ApiKey.objects.exists()
    assert not Activity.objects.exists()
    assert not Invitation.objects.exists()
    assert Profile.objects.exists()
    assert alice.emailaddress_set.count() == 1


@pytest.mark.parametrize("action", MEMBER_ACTIONS)
def test_changing_members_requires_a_fresh_password(action, alice, bob, acme):
    member = acme.memberships.get(user=bob)
    path = f"/g/acme/members/{member.pk}/{action}/"
    assert (
        signed_in_before(alice, 901)
        .post(path, MEMBER_ACTIONS[action])["Location"]
        .startswith(REAUTHENTICATE)
    )
    assert acme.memberships.get(user=bob).role == member.role
    signed_in_before(alice, 10).post(path, MEMBER_ACTIONS[action])
    assert not acme.memberships.filter(user=bob, role=member.role).exists()


@pytest.mark.parametrize("action", PERSON_ACTIONS)
def test_erasing_or_exporting_a_person_requires_a_fresh_password(action, alice, anna):
    path = f"/g/acme/people/profiles/{anna.pk}/{action}/"
    assert (
        signed_in_before(alice, 901)
        .post(path, PERSON_ACTIONS[action])["Location"]
        .startswith(REAUTHENTICATE)
    )
    assert Profile.objects.filter(pk=anna.pk).exists()
    assert not Activity.objects.exists()
    signed_in_before(alice, 10).post(path, PERSON_ACTIONS[action])
    assert Activity.objects.exists()


def test_switching_to_hash_only_requires_a_fresh_password(alice, acme, anna):
    form = {
        "name": "Acme",
        "time_zone": "UTC",
        "phone_region": "DE",
        "language": "en",
        "keep_erased_days": "90",
    }
    form |= {"consent_attribute": "", "hash_only": "on", "sure": "1"}
    assert (
        signed_in_before(alice, 901)
        .post("/g/acme/settings/", form)["Location"]
        .startswith(REAUTHENTICATE)
    )
    acme.refresh_from_db()
    assert not acme.hash_only
    signed_in_before(alice, 10).post("/g/acme/settings/", form)
    acme.refresh_from_db()
    assert acme.hash_only


@pytest.mark.parametrize(("action", "form"), STAFF_ACTIONS)
def test_staff_changes_to_a_group_require_a_fresh_password(action, form, charlie, acme):
    charlie.is_staff = True
    charlie.save()
    path = f"/staff/groups/g/acme/{action}/"
    assert signed_in_before(charlie, 901).post(path, form)["Location"].startswith(REAUTHENTICATE)
    acme.refresh_from_db()
    assert (acme.archived_at, acme.memberships.filter(user=charlie).exists(), mail.outbox) == (
        None,
        False,
        [],
    )
    answer = signed_in_before(charlie, 10).post(path, form)
    assert not answer.headers["Location"].startswith(REAUTHENTICATE)


def test_inviting_a_marketer_requires_no_fresh_password(alice):
    form = {"email": "new@example.org", "role": "marketer"}
    answer = signed_in_before(alice, 901).post("/g/acme/members/invite/", form)
    assert answer["Location"] == "/g/acme/members/"


@pytest.mark.parametrize("action", ["keys", "connect", "export"])
def test_no_password_is_asked_just_after_signing_in(action, alice):
    path, form = ACTIONS[action]
    answer = signed_in_before(alice, 10).post(path, form)
    assert not answer.headers.get("Location", "").startswith(REAUTHENTICATE)


@pytest.mark.parametrize("path", ["/accounts/email/", "/accounts/2fa/totp/activate/"])
def test_account_changes_always_ask_for_the_password(path, alice):
    form = {"email": "new@example.org", "action_add": "", "code": "123456"}
    assert signed_in_before(alice, 1).post(path, form)["Location"].startswith(REAUTHENTICATE)


def test_the_submitted_form_is_continued_after_the_password(alice):
    client = signed_in_before(alice, 901)
    question = client.post("/g/acme/keys/", KEY)["Location"]
    assert client.post(question, {"password": "wrong"}).status_code == 200
    assert not ApiKey.objects.exists()
    assert client.post(question, {"password": PASSWORD})["Location"] == "/g/acme/keys/"
    assert ApiKey.objects.get().name == "Shop"
    assert "ask_" in client.get("/g/acme/keys/").context["new_key"]
    assert client.post("/g/acme/keys/", KEY | {"name": "Second"})["Location"] == "/g/acme/keys/"


def test_a_user_without_permission_is_not_asked(alice, bob, charlie):
    assert signed_in_before(bob, 901).post("/g/acme/keys/", KEY).status_code == 403
    assert signed_in_before(charlie, 901).post("/g/acme/keys/", KEY).status_code == 404


def test_an_htmx_request_redirects_the_whole_page_to_the_question(alice):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/g/acme/keys/"}
    answer = signed_in_before(alice, 901).post("/g/acme/keys/", KEY, headers=headers)
    assert answer.headers["HX-Redirect"] == f"{REAUTHENTICATE}?next=/g/acme/keys/"
