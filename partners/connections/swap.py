"""A change of the account of a connection, from its confirmation until the new account is checked.

Meanwhile nothing is sent for the connection (queue/park.py). It ends with the choice of ad
accounts, with Cancel at the partner or here, with a disconnect, or by itself after a time.
"""

from __future__ import annotations

from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import Activity, AppGroup, User
from partners import registry
from partners.models import Connection
from partners.queue import park

SENDING, SENDS, HELD = _("Sending"), _("as usual"), _("held while the account is changed")


def begin(connection: Connection, *, by: User, now: datetime) -> None:
    """Hold the queue of a connection; the change was confirmed."""
    if park.begin_swap(connection, by=by, now=now):
        _log(connection, by, SENDS, HELD)


def cancel(connection: Connection, *, by: User, now: datetime) -> bool:
    """Let the queue go on as before. Return False if the account is not being changed."""
    was_held = park.end_swap(connection.pk, now=now)
    if was_held:
        _log(connection, by, HELD, SENDS)
    return was_held


def extend_of(app_group: AppGroup, partner: str, *, now: datetime) -> None:
    """Hold the queue for longer: the admin is back and chooses ad accounts."""
    for connection in Connection.objects.filter(app_group=app_group, partner=partner):
        park.extend_swap(connection, now=now)


def end_of(app_group: AppGroup, partner: str, *, now: datetime) -> None:
    """Let the queue go on as before: the admin came back from the partner without an access."""
    for connection in Connection.objects.filter(app_group=app_group, partner=partner):
        park.end_swap(connection.pk, now=now)


def _log(connection: Connection, by: User, before: Promise, after: Promise) -> None:
    name, kind = registry.get(connection.partner).label, Activity.Kind.CONNECTION
    changes = [(SENDING, before, after)]
    Activity.log(connection.app_group, by, Activity.Verb.CHANGED, name, kind=kind, changes=changes)
