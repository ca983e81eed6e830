"""Acts that a borrowed screen must not do ask for the password again, and then go on with what was typed."""

import time

import pytest
from django.core import mail
from django.test import Client

from audiencesync.groups.models import Activity, ApiKey, Invitation
from audiencesync.people.models import Profile

PASSWORD = "correct horse battery"
KEY = {"name": "Shop", "scopes": ["users.track"], "lifetime": "30"}
ASKS = "/accounts/reauthenticate/"
ACTS = {
    "keys": ("/g/acme/keys/", KEY),
    "connect": ("/g/acme/partners/tiktok/connect/", {}),
    "export": ("/g/acme/people/profiles/export/", {}),
    "email": ("/accounts/email/", {"email": "new@example.org", "action_add": ""}),
    "invite an admin": ("/g/acme/members/invite/", {"email": "new@example.org", "role": "admin"}),
    "erase many": ("/g/acme/people/erase/", {"ids": "anna", "sure": "1"}),
}
OF_BOB = {"role": {"role": "admin"}, "remove": {}}
OF_ANNA = {"erase": {}, "export": {}}
OF_STAFF = [("invite", {"email": "new@example.org"}), ("invite", {"myself": "1"}), ("archive", {})]


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


@pytest.mark.parametrize("act", ACTS)
def test_the_password_is_asked_again_a_quarter_of_an_hour_later(act, alice, anna):
    path, form = ACTS[act]
    client = signed_in_before(alice, 901)
    answer = client.post(path, form)
    assert answer["Location"].startswith(ASKS)
    assert not ApiKey.objects.exists()
    assert not Activity.objects.exists()
    assert not Invitation.objects.exists()
    assert Profile.objects.exists()
    assert alice.emailaddress_set.count() == 1


@pytest.mark.parametrize("act", OF_BOB)
def test_no_member_is_removed_or_made_admin_by_a_borrowed_screen(act, alice, bob, acme):
    member = acme.memberships.get(user=bob)
    path = f"/g/acme/members/{member.pk}/{act}/"
    assert signed_in_before(alice, 901).post(path, OF_BOB[act])["Location"].startswith(ASKS)
    assert acme.memberships.get(user=bob).role == member.role
    signed_in_before(alice, 10).post(path, OF_BOB[act])
    assert not acme.memberships.filter(user=bob, role=member.role).exists()


@pytest.mark.parametrize("act", OF_ANNA)
def test_a_person_is_neither_erased_nor_told_by_a_borrowed_screen(act, alice, anna):
    path = f"/g/acme/people/profiles/{anna.pk}/{act}/"
    assert signed_in_before(alice, 901).post(path, OF_ANNA[act])["Location"].startswith(ASKS)
    assert Profile.objects.filter(pk=anna.pk).exists()
    assert not Activity.objects.exists()
    signed_in_before(alice, 10).post(path, OF_ANNA[act])
    assert Activity.objects.exists()


def test_no_addresses_are_wiped_by_a_borrowed_screen(alice, acme, anna):
    form = {
        "name": "Acme",
        "time_zone": "UTC",
        "phone_region": "DE",
        "language": "en",
        "keep_erased_days": "90",
    }
    form |= {"consent_attribute": "", "hash_only": "on", "sure": "1"}
    assert signed_in_before(alice, 901).post("/g/acme/settings/", form)["Location"].startswith(ASKS)
    acme.refresh_from_db()
    assert not acme.hash_only
    signed_in_before(alice, 10).post("/g/acme/settings/", form)
    acme.refresh_from_db()
    assert acme.hash_only


@pytest.mark.parametrize(("act", "form"), OF_STAFF)
def test_staff_are_asked_before_they_open_or_close_a_group(act, form, charlie, acme):
    charlie.is_staff = True
    charlie.save()
    path = f"/staff/groups/g/acme/{act}/"
    assert signed_in_before(charlie, 901).post(path, form)["Location"].startswith(ASKS)
    acme.refresh_from_db()
    assert (acme.archived_at, acme.memberships.filter(user=charlie).exists(), mail.outbox) == (
        None,
        False,
        [],
    )
    answer = signed_in_before(charlie, 10).post(path, form)
    assert not answer.headers["Location"].startswith(ASKS)


def test_inviting_somebody_who_may_less_asks_nothing(alice):
    form = {"email": "new@example.org", "role": "marketer"}
    assert (
        signed_in_before(alice, 901).post("/g/acme/members/invite/", form)["Location"]
        == "/g/acme/members/"
    )


@pytest.mark.parametrize("act", ["keys", "connect", "export"])
def test_just_after_signing_in_it_is_not(act, alice):
    path, form = ACTS[act]
    answer = signed_in_before(alice, 10).post(path, form)
    assert not answer.headers.get("Location", "").startswith(ASKS)


@pytest.mark.parametrize("path", ["/accounts/email/", "/accounts/2fa/totp/activate/"])
def test_the_account_itself_asks_always(path, alice):
    form = {"email": "new@example.org", "action_add": "", "code": "123456"}
    assert signed_in_before(alice, 1).post(path, form)["Location"].startswith(ASKS)


def test_nothing_typed_is_lost_by_being_asked(alice):
    client = signed_in_before(alice, 901)
    asked = client.post("/g/acme/keys/", KEY)["Location"]
    assert client.post(asked, {"password": "wrong"}).status_code == 200
    assert not ApiKey.objects.exists()
    assert client.post(asked, {"password": PASSWORD})["Location"] == "/g/acme/keys/"
    assert ApiKey.objects.get().name == "Shop"
    assert "ask_" in client.get("/g/acme/keys/").context["new_key"]
    assert client.post("/g/acme/keys/", KEY | {"name": "Second"})["Location"] == "/g/acme/keys/"


def test_who_may_not_do_it_is_not_asked(alice, bob, charlie):
    assert signed_in_before(bob, 901).post("/g/acme/keys/", KEY).status_code == 403
    assert signed_in_before(charlie, 901).post("/g/acme/keys/", KEY).status_code == 404


def test_a_fragment_leads_the_whole_page_to_the_question(alice):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/g/acme/keys/"}
    answer = signed_in_before(alice, 901).post("/g/acme/keys/", KEY, headers=headers)
    assert answer.headers["HX-Redirect"] == f"{ASKS}?next=/g/acme/keys/"
