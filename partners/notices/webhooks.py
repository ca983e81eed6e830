"""Post incidents to the webhooks of groups: queued once for each message, retried with back-off.

A call carries no personal data. It is signed as Stripe does: the header AudienceSync-Signature is
``t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body" with the secret, in hex>``.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import time
from datetime import datetime, timedelta
from typing import Any

import requests
from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils import timezone, translation
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto, lease
from audiencesync.core.beat import exclusive
from audiencesync.groups import outbox
from partners import transport
from partners.health import lines, titles
from partners.incidents import pauses, reminders
from partners.models import Incident, Notice, Webhook, WebhookCall

Kind = Notice.Kind
ANSWER_SECONDS = 10.0
TURN_SECONDS = 20.0  # for which one call of `send_due` starts requests
LONGEST_TURN = 60.0  # seconds after which another worker takes over
BATCH = 50
AT_ONCE = 100
BACKOFF_BASE, BACKOFF_MAX = 60.0, 3600.0
DEADLINE = timedelta(days=3)
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def beat() -> None:
    """Send due calls. One worker at a time: a hanging receiver must not hold all of them."""
    with exclusive("webhooks", LONGEST_TURN) as is_mine:
        if is_mine:
            send_due(now=timezone.now())


def enqueue(*, now: datetime) -> None:
    """Queue the messages of groups with a webhook that are due: begun, running out, over."""
    rows = Incident.objects.filter(app_group__webhook__isnull=False)
    fresh = rows.open().filter(~_queued(Kind.BEGUN))
    _add(Kind.BEGUN, fresh, now=now)
    _add_reminders(rows.open(), now=now)
    begun = _queued(Kind.BEGUN, Kind.SIX_HOURS, Kind.ONE_HOUR)
    over = rows.ended().filter(begun, ~_queued(Kind.OVER), ended_at__gt=now - DEADLINE)
    _add(Kind.OVER, over.filter(pauses.is_final(now=now)), now=now)


def _add_reminders(incidents: QuerySet[Incident], *, now: datetime) -> None:
    """Queue what is due of each incident, once each; that of six hours not after the other."""
    soon = Q(pk__in=[])
    for kind in reminders.HOURS:
        soon |= reminders.may_be_due(kind, now=now) & ~Q(_queued(kind, Kind.ONE_HOUR))
    due: dict[Kind, list[int]] = {}
    # In any order: those of which another incident reminds must not take the turns of all others.
    for incident in incidents.filter(soon).order_by("?")[:AT_ONCE]:
        level = reminders.level(incident, now=now)
        if level is not None:
            due.setdefault(level, []).append(incident.pk)
    for kind, pks in due.items():
        _add(kind, incidents.filter(~_queued(kind), pk__in=pks), now=now)


def _queued(*kinds: Kind) -> Exists:
    calls = WebhookCall.objects.filter(webhook=OuterRef("app_group__webhook"), kind__in=kinds)
    return Exists(calls.filter(incident=OuterRef("pk")))


def _add(kind: Kind, incidents: Any, *, now: datetime) -> None:
    pairs = list(incidents.values_list("pk", "app_group__webhook"))
    WebhookCall.objects.bulk_create(
        [
            WebhookCall(incident_id=pk, webhook_id=webhook, kind=kind, created_at=now, due_at=now)
            for pk, webhook in pairs
        ],
        ignore_conflicts=True,
    )


def send_due(*, now: datetime) -> int:
    """Send the calls that are due and return how many were accepted.

    Each is sent once however many workers call this, and again only if it was not accepted.
    """
    n_accepted, ends_at = 0, time.monotonic() + TURN_SECONDS
    silent = set[int]()  # webhooks that gave no answer in this turn
    # A claim is a lease that ends at ``due_at``; an end too far ahead was written by a wrong clock.
    due = WebhookCall.objects.filter(lease.expired_q("due_at", seconds=BACKOFF_MAX, now=now))
    related = [f"incident__{one}" for one in ("app_group", *lines.RELATED)]
    for call in due.select_related("webhook", *related).order_by("due_at", "pk")[:BATCH]:
        if time.monotonic() > ends_at:
            break
        if call.webhook_id in silent or not _claim(call, now=now):
            continue
        is_accepted = post(call.webhook, _body(call), delivery=str(call.api_id), now=now)
        if is_accepted:
            WebhookCall.objects.filter(pk=call.pk).update(sent_at=now, due_at=None)
            n_accepted += 1
            continue
        WebhookCall.objects.filter(pk=call.pk, created_at__lt=now - DEADLINE).update(due_at=None)
        if is_accepted is None:
            silent.add(call.webhook_id)
            _postpone_others(call, now=now)
    return n_accepted


def _claim(call: WebhookCall, *, now: datetime) -> bool:
    """Move ``due_at`` to the next attempt, which happens if this one fails or the process dies."""
    unclaimed = WebhookCall.objects.filter(pk=call.pk, due_at=call.due_at)
    return bool(unclaimed.update(due_at=_next_try(call, now=now), tries=call.tries + 1))


def _next_try(call: WebhookCall, *, now: datetime) -> datetime:
    pause = min(BACKOFF_BASE * 2 ** min(call.tries, 10), BACKOFF_MAX)
    return now + timedelta(seconds=pause)


def _postpone_others(call: WebhookCall, *, now: datetime) -> None:
    """Let the other due calls of a webhook that gave no answer wait, too.

    Each would wait for its deadline, and those of other groups for all of them.
    """
    others = WebhookCall.objects.filter(webhook=call.webhook_id, due_at__lte=now)
    others.filter(created_at__lt=now - DEADLINE).update(due_at=None)
    others.update(due_at=_next_try(call, now=now))


def _body(call: WebhookCall) -> dict[str, Any]:
    incident = call.incident
    group = incident.app_group
    with translation.override("en"):
        title = titles.title(incident)
    return {
        "event": f"incident.{call.kind}",
        "id": str(call.api_id),
        "group": group.slug,
        "url": outbox.absolute_url(reverse("health", args=[group.slug])),
        "incident": {
            "id": incident.pk,
            "code": incident.code,
            "place": incident.place,
            "title": title,
            "begun_at": incident.begun_at.isoformat(),
            "ended_at": incident.ended_at.isoformat() if incident.ended_at else None,
            "people": incident.people,
            "most_people": incident.most_people,
            "errored_from": incident.deadline_at.isoformat() if incident.deadline_at else None,
        },
    }


def body_of_test(webhook: Webhook) -> dict[str, Any]:
    """Return the body of a call that only tests the receiver."""
    group = webhook.app_group
    url = outbox.absolute_url(reverse("health", args=[group.slug]))
    return {"event": "test", "group": group.slug, "url": url}


@sensitive_variables("secret")
def post(webhook: Webhook, body: dict[str, Any], *, delivery: str, now: datetime) -> bool | None:
    """Send one call and store its answer; return whether it was accepted, None without one."""
    text = json.dumps(body, separators=(",", ":")).encode()
    try:
        secret = webhook.secret
    except crypto.CannotOpen:
        webhook.record_answer("secret does not open", is_accepted=False, now=now)
        return None
    headers = {
        "Content-Type": "application/json",
        "AudienceSync-Signature": signature(secret, text, at=int(now.timestamp())),
        "AudienceSync-Delivery": delivery,
    }
    request = requests.Request("POST", webhook.url, data=text, headers=headers)
    session = transport.new_session()  # a new connection, whose address is checked
    try:
        answer = transport.fetch(session, request, seconds=ANSWER_SECONDS, allows=is_allowed)
    except transport.NoAnswer as error:
        webhook.record_answer(f"no answer ({error.reason})", is_accepted=False, now=now)
        return None
    finally:
        session.close()
    is_accepted = 200 <= answer.status < 300
    webhook.record_answer(str(answer.status), is_accepted=is_accepted, now=now)
    return is_accepted


@sensitive_variables("secret")
def signature(secret: str, body: bytes, *, at: int) -> str:
    """Return the value of the header AudienceSync-Signature."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def is_allowed(address: str) -> bool:
    """Return whether calls may go to an IP address: not into the network of this installation."""
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return True
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped:
            return is_allowed(str(found.ipv4_mapped))
        if found.sixtofour or found.teredo or found in NAT64:  # these embed an IPv4 address
            return False
        if found.is_site_local:  # private, though outdated; Python counts it as global
            return False
    return found.is_global and not found.is_multicast and not found.is_reserved
