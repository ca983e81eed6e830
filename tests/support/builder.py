"""Build the rows that the worlds of the tests share: connection, ad account, Sync, deliveries."""

import dataclasses
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from audiencesync.people.models import Event
from partners import sync
from partners.models import AdAccount, Connection, Sync
from tiktok_sandbox.limits import DEFAULT
from tiktok_sandbox.sandbox import Options
from tiktok_sandbox.seed import EU
from tiktok_sandbox.server import serve


def run_sandbox():
    """Start a sandbox in this process, without rate limits; the caller closes it."""
    limits = dataclasses.replace(DEFAULT, app_rate=None, audience_rate=None)
    return serve(options=Options(limits=limits))


def connect(app_group, *, token="a-token", by=None):
    """Return a new connection of a group, with this token."""
    row = Connection(
        partner="tiktok", app_group=app_group, connected_at=timezone.now(), connected_by=by
    )
    row.set_token(token)
    row.save()
    return row


def add_account(connection, remote_id=EU, name="Acme EU"):
    """Return a new ad account of a connection."""
    return AdAccount.objects.create(connection=connection, remote_id=remote_id, name=name)


def make_sync(audience, action="add", *, kinds=("email",), **fields):
    """Return a new Sync of an audience, live unless ``fields`` say otherwise."""
    values = {"label": "x", "url": "/", "is_live": True} | fields
    return Sync.objects.create(
        app_group=audience.ad_account.connection.app_group,
        audience=audience,
        action=action,
        kinds=list(kinds),
        **values,
    )


def enter(to_sync, profiles, now=None):
    """Enqueue a QuerySet of profiles; return how many were new.

    The entry key is the profile's id, so that a repeated call adds none.
    """
    crowd = profiles.annotate(profile_id=F("pk")).values_list("pk", "profile_id")
    with transaction.atomic():
        return sync.enqueue(to_sync, crowd, now=now or timezone.now())


def add_other_events(profile, *, n=500):
    """Give a person events of 50 names, then ANALYZE, so that query plans are realistic."""
    at = timezone.now()
    Event.objects.bulk_create(
        Event(
            app_group=profile.app_group,
            profile=profile,
            name=f"other {number % 50}",
            at=at - timedelta(minutes=number),
        )
        for number in range(n)
    )
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {Event._meta.db_table}")
