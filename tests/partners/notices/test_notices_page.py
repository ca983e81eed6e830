"""The page Notifications: choices of members, and the webhook of the group."""

import re

import pytest

from audiencesync.groups.models import Activity, Membership
from partners.models import NoticeChoice, Webhook
from tests.site.forms import Forms
from tests.support.odd_servers import http, read_request, serve

pytestmark = pytest.mark.django_db

URL = "/g/acme/health/notices/"
HOOK = "https://hooks.example.org/sync?key=of-the-receiver"


def prefix(user):
    return f"member-{Membership.objects.get(user=user).pk}"


def choices(user, connections, steps):
    return {f"{prefix(user)}-connections": connections, f"{prefix(user)}-steps": steps}


def test_an_admin_chooses_for_all(signed_in, alice, bob):
    client = signed_in(alice)
    assert client.post(URL, choices(alice, "none", "mine") | choices(bob, "all", "all"))
    rows = NoticeChoice.objects.values_list("membership__user", "connections", "steps")
    assert set(rows) == {(alice.pk, "none", "mine"), (bob.pk, "all", "all")}
    page = client.get(URL).content.decode()
    assert len(re.findall(r'value="all"\s+selected', page)) == 2


def test_an_admin_does_not_overwrite_what_a_member_chose_meanwhile(signed_in, alice, bob):
    client = signed_in(alice)
    [stale] = [
        one["fields"]
        for one in Forms(client.get(URL).content.decode()).found
        if f"{prefix(bob)}-steps" in one["fields"]
    ]
    signed_in(bob).post(URL, choices(bob, "none", "none"))
    client.post(URL, stale | choices(alice, "all", "mine"))
    rows = NoticeChoice.objects.values_list("membership__user", "connections", "steps")
    assert set(rows) == {(alice.pk, "all", "mine"), (bob.pk, "none", "none")}


def test_another_member_chooses_only_for_themselves(signed_in, vera, alice):
    client = signed_in(vera)
    client.post(URL, choices(vera, "all", "none") | choices(alice, "none", "none"))
    assert NoticeChoice.objects.get().membership.user == vera
    page = client.get(URL).content.decode()
    assert "vera@example.org" in page
    assert "alice@example.org" not in page
    assert "Add webhook" not in page


def test_a_choice_that_is_none_of_the_three_is_refused(signed_in, vera):
    answer = signed_in(vera).post(URL, choices(vera, "x", "mine"))
    assert answer.status_code == 422
    assert not NoticeChoice.objects.exists()


def test_the_secret_is_shown_once_and_sealed(signed_in, alice):
    client = signed_in(alice)
    assert client.post(f"{URL}webhook/", {"url": HOOK}).status_code == 302
    row = Webhook.objects.get()
    assert row.secret not in row.secret_sealed
    assert row.secret in client.get(URL).content.decode()
    assert row.secret not in client.get(URL).content.decode()
    line = str(Activity.objects.get().changes)
    assert "hooks.example.org" in line
    assert "of-the-receiver" not in line


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hooks.example.org",
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://user:secret@hooks.example.org/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://169.254.169.254/latest/",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org/#part",
        f"https://hooks.example.org/{'x' * 600}",
    ],
)
def test_an_address_that_is_not_public_https_is_refused(signed_in, alice, url):
    answer = signed_in(alice).post(f"{URL}webhook/", {"url": url})
    assert answer.status_code == 422
    assert not Webhook.objects.exists()


@pytest.mark.parametrize("name", ["bob", "vera"])
@pytest.mark.parametrize("path", ["webhook/", "webhook/remove/", "webhook/test/"])
def test_only_admins_change_the_webhook(signed_in, request, acme, name, path):
    client = signed_in(request.getfixturevalue(name))
    assert client.post(URL + path, {"url": HOOK}).status_code == 403


def test_a_test_shows_the_answer_and_the_webhook_can_be_removed(signed_in, alice, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    received = []

    def behave(connection):
        received.append(read_request(connection))
        connection.sendall(http(b"", status="401 No"))

    client = signed_in(alice)
    with serve(behave) as (url, _connections):
        client.post(f"{URL}webhook/", {"url": url})
        page = client.post(f"{URL}webhook/test/", follow=True).content.decode()
    assert b'"event":"test"' in received[0]
    assert "did not accept the test" in page
    assert "(401)" in page
    client.post(f"{URL}webhook/remove/")
    assert not Webhook.objects.exists()
