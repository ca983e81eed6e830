"""Calls of the webhook: signed, once, retried, without redirects and private addresses."""

import hashlib
import hmac
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event

import pytest
from django.db import connections
from django.utils import timezone

from partners.models import Audience, Connection, Webhook, WebhookCall
from partners.notices import alerts, webhooks
from tests.support import builder
from tests.support.odd_servers import http, read_request, serve

pytestmark = pytest.mark.django_db


@pytest.fixture
def receiver():
    """A receiver on this machine: its requests, and the answers it gives next."""

    class Receiver:
        def __init__(self):
            self.requests, self.answers = [], []

        def behave(self, connection):
            self.requests.append(read_request(connection))
            connection.sendall(self.answers.pop(0) if self.answers else http(b"{}"))

        def bodies(self):
            return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in self.requests]

    receiver = Receiver()
    with serve(receiver.behave) as (receiver.url, _connections):
        yield receiver


@pytest.fixture
def hook(acme, alice, receiver, settings):
    """The webhook of a group with a live step."""
    settings.WEBHOOK_ALLOW_PRIVATE = True
    account = builder.add_account(builder.connect(acme, by=alice))
    audience = Audience.objects.create(ad_account=account, remote_id="8", name="winback")
    builder.make_sync(audience)
    row = Webhook(app_group=acme, url=f"{receiver.url}/hook")
    row.renew_secret()
    row.save()
    return row


def send(**later):
    now = timezone.now() + timedelta(**later)
    alerts.send_due(now=now)
    return webhooks.send_due(now=now)


def test_begin_and_end_are_posted_once_each(hook, receiver):
    Connection.objects.update(parked_by="token")
    assert [send(), send()] == [1, 0]
    Connection.objects.update(parked_by="")
    assert [send(), send()] == [1, 0]
    first, second = receiver.bodies()
    assert (first["event"], second["event"]) == ("incident.begun", "incident.over")
    assert first["incident"]["code"] == "token_refused"
    assert first["url"].endswith("/g/acme/health/")
    assert second["incident"]["ended_at"]


def test_the_signature_is_that_of_time_and_body(hook, receiver):
    Connection.objects.update(parked_by="token")
    send()
    head, _, body = receiver.requests[0].partition(b"\r\n\r\n")
    [line] = [one for one in head.decode().split("\r\n") if one.startswith("AudienceSync-Sig")]
    at, signed = (part.partition("=")[2] for part in line.partition(": ")[2].split(","))
    expected = hmac.new(hook.secret.encode(), at.encode() + b"." + body, hashlib.sha256)
    assert signed == expected.hexdigest()
    assert abs(int(at) - timezone.now().timestamp()) < 60


def test_a_refused_call_is_repeated_with_backoff(hook, receiver):
    receiver.answers = [http(b"", status="503 Busy")] * 2
    Connection.objects.update(parked_by="token")
    accepted = [send(minutes=minute) for minute in range(4)]
    assert (accepted, len(receiver.requests)) == ([0, 0, 0, 1], 3)  # after 0, 1 and 3 minutes
    hook.refresh_from_db()
    assert (hook.answer, hook.is_accepted) == ("200", True)


def test_a_call_is_given_up_after_days(hook, receiver):
    receiver.answers = [http(b"", status="500 No")] * 2
    Connection.objects.update(parked_by="token")
    send()
    send(days=3, minutes=1)
    assert WebhookCall.objects.get().due_at is None


def test_a_redirect_is_not_followed(hook, receiver):
    receiver.answers = [http(b"", status="302 Found", headers=f"Location: {receiver.url}/x\r\n")]
    Connection.objects.update(parked_by="token")
    assert send() == 0
    assert len(receiver.requests) == 1
    hook.refresh_from_db()
    assert (hook.answer, hook.is_accepted) == ("302", False)


def test_a_private_address_is_refused_when_it_is_sent(hook, receiver, settings):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    Connection.objects.update(parked_by="token")
    assert send() == 0
    assert receiver.requests == []
    hook.refresh_from_db()
    assert hook.answer.startswith("no answer")


def test_a_name_that_resolves_to_a_private_address_is_refused(
    hook, receiver, settings, monkeypatch
):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    real = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _host, port, *a, **k: real("127.0.0.1", port, *a, **k)
    )
    Webhook.objects.update(url=hook.url.replace("127.0.0.1", "hooks.example.org"))
    Connection.objects.update(parked_by="token")
    send()
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("10.0.0.1", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("127.0.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("fec0::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
    ],
)
def test_only_public_addresses_are_allowed(settings, address, allowed):
    settings.WEBHOOK_ALLOW_PRIVATE = False
    assert webhooks.is_allowed(address) is allowed


@pytest.mark.django_db(transaction=True)
@pytest.mark.each_database
def test_four_workers_post_once(hook, receiver):
    Connection.objects.update(parked_by="token")

    def work(_):
        try:
            return send()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) == 1
    assert len(receiver.requests) == 1


def hang(connection):
    connection.recv(1)
    Event().wait(60)


def lose_audiences(group, n):
    account = builder.add_account(builder.connect(group))
    for i in range(n):
        row = Audience.objects.create(ad_account=account, remote_id=f"9{i}", name=f"lost {i}")
        builder.make_sync(row)
    account.audiences.update(gone_at=timezone.now())


def test_a_receiver_that_hangs_does_not_take_the_turns_of_others(
    receiver, other_group, acme, settings, monkeypatch
):
    settings.WEBHOOK_ALLOW_PRIVATE = True
    # Four hung calls would outlast a turn; one leaves a busy machine time for the other receiver.
    monkeypatch.setattr(webhooks, "ANSWER_SECONDS", 4.0)
    monkeypatch.setattr(webhooks, "TURN_SECONDS", 12.0)
    with serve(hang) as (url, tries):
        for group, where in ((other_group, url), (acme, receiver.url)):
            row = Webhook(app_group=group, url=f"{where}/hook")
            row.renew_secret()
            row.save()
            lose_audiences(group, 4 if where == url else 1)
            alerts.send_due(now=timezone.now())
        assert [send(), len(tries)] == [1, 1]
        assert [send(seconds=5), len(tries)] == [0, 1]
        assert [send(minutes=2), len(tries)] == [0, 2]
    assert len(receiver.requests) == 1
