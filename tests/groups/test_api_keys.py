"""The page of API keys: admins create and revoke keys; the text is shown once, stored nowhere."""

import re
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audiencesync.groups import api_keys
from audiencesync.groups.models import Activity, ApiKey

PAGE = "/g/acme/keys/"
NEW = {"name": "Shop", "scopes": ["users.track", "canvas.read"], "lifetime": "30"}
TEXT = re.compile(r"ask_\w{8}_[\w-]{43}")


def test_a_key_is_created_and_shown_once(acme, alice, signed_in):
    client = signed_in(alice)
    assert client.post(PAGE, NEW).status_code == 302
    text = TEXT.search(client.get(PAGE).content.decode())[0]
    assert TEXT.search(client.get(PAGE).content.decode()) is None
    key = ApiKey.objects.get()
    assert api_keys.find(text, now=timezone.now()) == key
    assert (key.name, key.scopes, key.created_by, key.app_group) == (
        "Shop",
        NEW["scopes"],
        alice,
        acme,
    )
    assert timedelta(days=29) < key.expires_at - timezone.now() < timedelta(days=31)
    assert text.startswith(f"ask_{key.prefix}_")


def test_the_text_of_a_key_is_stored_nowhere(acme, alice, signed_in):
    client = signed_in(alice)
    client.post(PAGE, NEW)
    stored = [repr(vars(row)) for model in (ApiKey, Activity) for row in model.objects.all()]
    stored += [repr(session.get_decoded()) for session in Session.objects.all()]
    text = TEXT.search(client.get(PAGE).content.decode())[0]
    secret = text.removeprefix(f"ask_{ApiKey.objects.get().prefix}_")
    assert len(secret) == 43  # a shorter piece of it may stand there by chance
    assert secret not in "".join(stored)


def test_creating_and_revoking_is_logged(acme, alice, signed_in):
    client = signed_in(alice)
    client.post(PAGE, NEW)
    key = ApiKey.objects.get()
    for _ in range(2):
        client.post(f"{PAGE}{key.pk}/revoke/")
    lines = Activity.objects.order_by("pk").values_list("verb", "subject", "actor")
    subject = f"Shop (ask_{key.prefix}_…)"
    assert list(lines) == [("created", subject, alice.pk), ("revoked", subject, alice.pk)]


def test_revoking_asks_for_confirmation(acme, alice, signed_in):
    key, text = api_keys.issue(acme, name="Shop", scopes=["users.track"], by=alice)
    client = signed_in(alice)
    assert "Revoke the key Shop?" in client.get(f"{PAGE}{key.pk}/revoke/").content.decode()
    assert api_keys.find(text, now=timezone.now())
    client.post(f"{PAGE}{key.pk}/revoke/")
    assert api_keys.find(text, now=timezone.now()) is None


@pytest.mark.parametrize(
    ("name", "status"), [("alice", 302), ("bob", 403), ("vera", 403), ("charlie", 404)]
)
def test_only_admins_manage_keys(name, status, acme, alice, bob, vera, charlie, signed_in):
    user = {"alice": alice, "bob": bob, "vera": vera, "charlie": charlie}[name]
    key, text = api_keys.issue(acme, name="Shop", scopes=["users.track"], by=alice)
    client = signed_in(user)
    assert client.post(PAGE, NEW).status_code == status
    assert client.get(PAGE).status_code == (200 if status == 302 else status)
    assert ApiKey.objects.count() == (2 if status == 302 else 1)
    assert client.post(f"{PAGE}{key.pk}/revoke/").status_code == status
    assert bool(api_keys.find(text, now=timezone.now())) == (status != 302)


@pytest.mark.parametrize(
    "bad",
    [{"name": ""}, {"name": "x" * 81}, {"scopes": []}, {"scopes": ["root"]}, {"lifetime": "9"}],
)
def test_invalid_input_is_refused_with_a_message(acme, alice, signed_in, bad):
    answer = signed_in(alice).post(PAGE, NEW | bad)
    assert answer.status_code == 422
    assert "invalid-feedback" in answer.content.decode() or "is-invalid" in answer.content.decode()
    assert not ApiKey.objects.exists()


def test_the_page_needs_no_more_queries_for_more_keys(acme, alice, signed_in):
    client = signed_in(alice)

    def cost():
        with CaptureQueriesContext(connection) as queries:
            client.get(PAGE)
        return len(queries)

    api_keys.issue(acme, name="first", scopes=["users.track"], by=alice)
    one = cost()
    for n in range(5):
        api_keys.issue(acme, name=str(n), scopes=["users.track"], by=alice)
    assert cost() == one
