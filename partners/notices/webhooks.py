"""Post incidents to the webhooks of groups: one call for each message, retried with back-off.

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
TURN_SECONDS = 20.0  # one call of `send_due` starts requests for this long
MAX_TURN = 60.0  # seconds; then another worker may send
CALLS_PER_TURN = 50
REMINDERS_PER_RUN = 100  # incidents that are looked at
BACKOFF_BASE, BACKOFF_MAX = 60.0, 3600.0  # seconds
GIVE_UP_AFTER = timedelta(days=3)
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def beat() -> None:
    """Send due calls. One worker sends at a time: a hanging receiver must not block all workers."""
    with exclusive("webhooks", MAX_TURN) as is_mine:
        if is_mine:
            send_due(now=timezone.now())


def enqueue(*, now: datetime) -> None:
    """Queue the due messages of groups with a webhook: incidents that begin, remind or are over."""
    incidents = Incident.objects.filter(app_group__webhook__isnull=False)
    new = incidents.open().filter(~_is_queued(Kind.BEGUN))
    _queue(Kind.BEGUN, new, now=now)
    _add_reminders(incidents.open(), now=now)
    was_reported = _is_queued(Kind.BEGUN, Kind.SIX_HOURS, Kind.ONE_HOUR)
    ended = incidents.ended().filter(
        was_reported, ~_is_queued(Kind.OVER), ended_at__gt=now - GIVE_UP_AFTER
    )
    _queue(Kind.OVER, ended.filter(pauses.final_q(now=now)), now=now)


def _add_reminders(incidents: QuerySet[Incident], *, now: datetime) -> None:
    """Queue the due reminders, each once. After that of one hour, none of six hours follows."""
    due_q = Q(pk__in=[])
    for kind in reminders.HOURS:
        due_q |= reminders.due_q(kind, now=now) & ~Q(_is_queued(kind, Kind.ONE_HOUR))
    ids_by_kind: dict[Kind, list[int]] = {}
    # In random order: an incident stays due if another one reminds of its people. In a fixed order
    # such incidents could fill every run.
    for incident in incidents.filter(due_q).order_by("?")[:REMINDERS_PER_RUN]:
        due_kind = reminders.due_kind(incident, now=now)
        if due_kind is not None:
            ids_by_kind.setdefault(due_kind, []).append(incident.pk)
    for kind, incident_ids in ids_by_kind.items():
        _queue(kind, incidents.filter(~_is_queued(kind), pk__in=incident_ids), now=now)


def _is_queued(*kinds: Kind) -> Exists:
    calls = WebhookCall.objects.filter(webhook=OuterRef("app_group__webhook"), kind__in=kinds)
    return Exists(calls.filter(incident=OuterRef("pk")))


def _queue(kind: Kind, incidents: Any, *, now: datetime) -> None:
    pairs = list(incidents.values_list("pk", "app_group__webhook"))
    WebhookCall.objects.bulk_create(
        [
            WebhookCall(incident_id=pk, webhook_id=webhook, kind=kind, created_at=now, due_at=now)
            for pk, webhook in pairs
        ],
        ignore_conflicts=True,
    )


def send_due(*, now: datetime) -> int:
    """Send the calls that are due. Return how many were accepted.

    Several workers may run this: each call is claimed by one, and sent again if not accepted.
    """
    n_accepted, stop_at = 0, time.monotonic() + TURN_SECONDS
    silent_webhooks = set[int]()  # webhooks that gave no answer in this turn
    # A claim is a lease that ends at ``due_at``; an end too far ahead was written by a wrong clock.
    due = WebhookCall.objects.filter(lease.expired_q("due_at", seconds=BACKOFF_MAX, now=now))
    related = [f"incident__{path}" for path in ("app_group", *lines.RELATED)]
    for call in due.select_related("webhook", *related).order_by("due_at", "pk")[:CALLS_PER_TURN]:
        if time.monotonic() > stop_at:
            break
        if call.webhook_id in silent_webhooks or not _claim(call, now=now):
            continue
        is_accepted = post(call.webhook, _body(call), delivery=str(call.api_id), now=now)
        if is_accepted:
            WebhookCall.objects.filter(pk=call.pk).update(sent_at=now, due_at=None)
            n_accepted += 1
            continue
        WebhookCall.objects.filter(pk=call.pk, created_at__lt=now - GIVE_UP_AFTER).update(
            due_at=None
        )
        if is_accepted is None:
            silent_webhooks.add(call.webhook_id)
            _postpone_others(call, now=now)
    return n_accepted


def _claim(call: WebhookCall, *, now: datetime) -> bool:
    """Claim a call by setting ``due_at`` to the next attempt, needed if this one fails."""
    unchanged = WebhookCall.objects.filter(pk=call.pk, due_at=call.due_at)
    return bool(unchanged.update(due_at=_next_try(call, now=now), tries=call.tries + 1))


def _next_try(call: WebhookCall, *, now: datetime) -> datetime:
    backoff = min(BACKOFF_BASE * 2 ** min(call.tries, 10), BACKOFF_MAX)
    return now + timedelta(seconds=backoff)


def _postpone_others(call: WebhookCall, *, now: datetime) -> None:
    """Postpone the other due calls of a webhook that gave no answer.

    Otherwise each of them could take ANSWER_SECONDS, while the calls of other groups wait.
    """
    due_calls = WebhookCall.objects.filter(webhook=call.webhook_id, due_at__lte=now)
    due_calls.filter(created_at__lt=now - GIVE_UP_AFTER).update(due_at=None)
    due_calls.update(due_at=_next_try(call, now=now))


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
    """Send one call and store its answer. Return whether it was accepted; None if unanswered."""
    payload = json.dumps(body, separators=(",", ":")).encode()
    try:
        secret = webhook.secret
    except crypto.CannotOpen:
        webhook.record_answer("secret does not open", is_accepted=False, now=now)
        return None
    headers = {
        "Content-Type": "application/json",
        "AudienceSync-Signature": signature(secret, payload, at=int(now.timestamp())),
        "AudienceSync-Delivery": delivery,
    }
    request = requests.Request("POST", webhook.url, data=payload, headers=headers)
    session = transport.new_session()  # a new connection, whose address is checked
    try:
        response = transport.fetch(session, request, seconds=ANSWER_SECONDS, allows=is_allowed)
    except transport.NoAnswer as error:
        webhook.record_answer(f"no answer ({error.reason})", is_accepted=False, now=now)
        return None
    finally:
        session.close()
    is_accepted = 200 <= response.status < 300
    webhook.record_answer(str(response.status), is_accepted=is_accepted, now=now)
    return is_accepted


@sensitive_variables("secret")
def signature(secret: str, body: bytes, *, at: int) -> str:
    """Return the value of the header AudienceSync-Signature."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def is_allowed(address: str) -> bool:
    """Return whether calls may go to an IP address: a public one, unless settings allow others."""
    if settings.WEBHOOK_ALLOW_PRIVATE:
        return True
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_allowed(str(ip.ipv4_mapped))
        if ip.sixtofour or ip.teredo or ip in NAT64:  # these embed an IPv4 address
            return False
        if ip.is_site_local:  # private, though outdated; Python counts it as global
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved
