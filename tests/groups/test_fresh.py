"""Acts that a borrowed screen must not do ask for the password again, and then go on with what was typed."""

import time

import pytest
from django.test import Client

from audiencesync.groups.models import Activity, ApiKey

PASSWORD = "correct horse battery"
KEY = {"name": "Shop", "scopes": ["users.track"], "lifetime": "30"}
ASKS = "/accounts/reauthenticate/"
ACTS = {
    "keys": ("/g/acme/keys/", KEY),
    "connect": ("/g/acme/partners/tiktok/connect/", {}),
    "export": ("/g/acme/people/profiles/export/", {}),
    "email": ("/accounts/email/", {"email": "new@example.org", "action_add": ""}),
}


def signed_in_before(user, seconds):
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time() - seconds}]
    session.save()
    return client


@pytest.mark.parametrize("act", ACTS)
def test_the_password_is_asked_again_a_quarter_of_an_hour_later(act, alice):
    path, form = ACTS[act]
    client = signed_in_before(alice, 901)
    answer = client.post(path, form)
    assert answer["Location"].startswith(ASKS)
    assert not ApiKey.objects.exists()
    assert not Activity.objects.exists()
    assert alice.emailaddress_set.count() == 1


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
