"""Swap: change the account of a connection, from the confirmation to the check of the new one.

Meanwhile nothing is sent for the connection: its queue is held (queue/park.py). A swap ends with
the choice of ad accounts, with Cancel at the partner or here, with a disconnect, or by itself after
some minutes.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import Activity, AppGroup, User
from partners import registry
from partners.models import Connection
from partners.queue import park

# The activity log shows a change: "Sending: as usual" becomes "held ...", and back.
LOG_LABEL, AS_USUAL, HELD = _("Sending"), _("as usual"), _("held while the account is changed")


def begin(connection: Connection, *, by: User, now: datetime) -> None:
    """Hold the queue of a connection: an admin has confirmed the change."""
    if park.begin_swap(connection, by=by, now=now):
        _log(connection, by, AS_USUAL, HELD)


def cancel(connection: Connection, *, by: User, now: datetime) -> bool:
    """Cancel the change, and send as before. Return False if none was under way."""
    was_begun = park.end_swap(connection.pk, now=now)
    if was_begun:
        _log(connection, by, HELD, AS_USUAL)
    return was_begun


def extend(app_group: AppGroup, partner: str, *, now: datetime) -> None:
    """Hold the queue for longer: the admin is back from the partner and chooses ad accounts."""
    for connection in Connection.objects.filter(app_group=app_group, partner=partner):
        park.extend_swap(connection, now=now)


def end(app_group: AppGroup, partner: str, *, now: datetime) -> None:
    """End the change, and send as before: the admin came back without an authorisation."""
    for connection in Connection.objects.filter(app_group=app_group, partner=partner):
        park.end_swap(connection.pk, now=now)


def _log(connection: Connection, by: User, before: Promise, after: Promise) -> None:
    partner_label, kind = registry.get(connection.partner).label, Activity.Kind.CONNECTION
    changes = [(LOG_LABEL, before, after)]
    Activity.log(
        connection.app_group, by, Activity.Verb.CHANGED, partner_label, kind=kind, changes=changes
    )
