"""The same form about a connection or the webhook sent twice, or by two admins at once."""

import pytest
from django.utils import timezone

from audiencesync.groups.models import Activity
from partners.connections import connect, swap
from partners.models import AdAccount, Connection, Webhook
from partners.views import notices
from tests.support import builder

URL = "/g/acme/health/notices/"
HOOK = {"url": "https://hooks.example.org/sync"}


@pytest.fixture
def connection(acme, alice):
    return builder.connect(acme, by=alice)


def disconnect(subject, alice):
    connect.disconnect(subject, discard=False, by=alice, now=timezone.now())


def test_a_second_disconnect_is_not_noted(connection, alice, monkeypatch):
    monkeypatch.setattr(connect.revoke, "revoke", lambda spent: connect.Revocation.DONE)
    stale = Connection.objects.get()
    disconnect(connection, alice)
    first_at = Connection.objects.get().disconnected_at
    disconnect(stale, alice)
    assert Activity.objects.filter(verb="disconnected").count() == 1
    assert Connection.objects.get().disconnected_at == first_at


def test_a_second_disconnect_of_an_ad_account_is_not_noted(connection, alice):
    stale = builder.add_account(connection)
    disconnect(AdAccount.objects.get(), alice)
    disconnect(stale, alice)
    assert Activity.objects.filter(verb="disconnected").count() == 1


def test_a_change_of_the_account_is_noted_once(connection, alice):
    for _n in range(2):
        swap.begin(connection, by=alice, now=timezone.now())
    assert swap.cancel(connection, by=alice, now=timezone.now())
    assert Activity.objects.filter(verb="changed").count() == 2  # held, and as usual


def test_the_secret_that_is_shown_is_the_one_that_signs(signed_in, alice):
    client = signed_in(alice)
    client.post(f"{URL}webhook/", HOOK)
    row = Webhook.objects.get()
    secret = row.renew_secret()  # by another request at the same time
    row.save()
    assert secret in client.get(URL).content.decode()


def test_an_answer_of_the_former_webhook_is_not_noted(acme, signed_in, alice):
    client = signed_in(alice)
    client.post(f"{URL}webhook/", HOOK)
    former = Webhook.objects.get()
    client.post(f"{URL}webhook/", {"url": "https://other.example.org/"})
    former.record_answer("200", is_accepted=True, now=timezone.now())
    assert not Webhook.objects.get().is_accepted


def test_a_webhook_is_removed_once(signed_in, alice, monkeypatch):
    client = signed_in(alice)
    client.post(f"{URL}webhook/", HOOK)
    Activity.objects.all().delete()
    monkeypatch.setattr(
        notices.reauthentication, "require", lambda request: Webhook.objects.all().delete()
    )
    assert client.post(f"{URL}webhook/remove/").status_code == 302
    assert not Activity.objects.exists()
