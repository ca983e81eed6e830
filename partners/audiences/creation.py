"""Create an audience at the partner exactly once, also on double clicks, time-outs and races.

A row without a remote id is unique per ad account and name, and has a lease. Only the process that
holds the lease calls the partner, and it lists audiences before it creates one. Other processes
wait until the row has its remote id.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from audiencesync.core import lease as leases
from audiencesync.groups.models import Activity, User
from partners.audiences import listing
from partners.audiences.listing import AudienceCallFailed, AudienceNameError
from partners.errors import PartnerError, Retry
from partners.models import AdAccount, Audience
from partners.queue import budget

logger = logging.getLogger(__name__)
REPEAT_WINDOW = timedelta(seconds=30)
"""Within this time, a second creation of a name by the same user counts as a double click."""
WAIT_SECONDS = 8.0
CREATE_RATE = 0.9
"""Creations per second and ad account. Partners allow 1, but two may arrive closer together."""
POLL_SECONDS = 0.1
RETRY_SECONDS = (0.3, 1.0)
"""The pauses before the list is read again after an unclear answer."""


class _LostRace(Exception):
    """Another process has given the row a remote id."""


@dataclass
class Lease:
    """The right to create ``row`` at the partner, held by one process at a time."""

    row: Audience
    until: datetime

    def renew(self) -> None:
        """Extend the lease and record that a creation is about to be sent.

        Raises AudienceCallFailed if the lease was lost.
        """
        until = timezone.now() + _lease_time()
        still_leased = Audience.objects.filter(
            pk=self.row.pk, remote_id="", create_until=self.until
        )
        if not still_leased.update(create_tries=F("create_tries") + 1, create_until=until):
            raise _unconfirmed_error(self.row)
        self.until = until

    def release(self) -> None:
        """End the lease if it is still held. Delete the row if no creation was sent for it."""
        still_leased = Audience.objects.filter(
            pk=self.row.pk, remote_id="", create_until=self.until
        )
        if not still_leased.filter(create_tries=0, syncs=None).delete()[0]:
            still_leased.update(create_until=None)


def create(ad_account: AdAccount, name: str, *, by: User, now: datetime) -> Audience:
    """Create an audience, or return it if a call shortly before has created it.

    Raises AudienceNameError (the name cannot be used) or PartnerError (the creation failed); both
    have `.sentence()`.
    """
    name = listing.check_name(name, listing.partner_of(ad_account))
    listing.token_for(ad_account, now=now)
    existing = _find_existing(ad_account, name, by=by, now=now)
    if existing is not None:
        return existing
    row, _is_new = Audience.objects.get_or_create(
        ad_account=ad_account, name=name, remote_id="", defaults={"created_by": by}
    )
    lease = _take_lease(row, by=by)
    if lease is None:
        return _wait_for(row, by=by)
    try:
        return _create(lease, by=by, now=now)
    finally:
        lease.release()


def _find_existing(ad_account: AdAccount, name: str, *, by: User, now: datetime) -> Audience | None:
    """Return the audience of this name if ``by`` created it within REPEAT_WINDOW, or None.

    Raises AudienceNameError if the audience is older or of another user.
    """
    for row in listing.choices(ad_account).filter(name=name):
        if (
            row.create_until is not None
            and row.create_until > now - REPEAT_WINDOW
            and row.created_by_id == by.pk
        ):
            return row
        text = _(
            "An audience named %(name)s exists already. Choose it from the list, or type another "
            "name."
        )
        raise AudienceNameError(text % {"name": name})
    return None


def _take_lease(row: Audience, *, by: User) -> Lease | None:
    """Take the lease of the row; return None if another process holds it."""
    now = timezone.now()
    free_q = leases.free_q("create_until", seconds=settings.SYNC.create_lease, now=now)
    free_rows = Audience.objects.filter(free_q, pk=row.pk, remote_id="")
    until = now + _lease_time()
    return Lease(row, until) if free_rows.update(create_until=until, created_by=by) else None


def _lease_time() -> timedelta:
    return timedelta(seconds=settings.SYNC.create_lease)


def _create(lease: Lease, *, by: User, now: datetime) -> Audience:
    """List the audiences, and create one if the list has none of this name."""
    row, ad_account = lease.row, lease.row.ad_account
    listing.refresh(ad_account, now=timezone.now(), is_forced=True)
    row.refresh_from_db()
    if row.remote_id:
        return _store_id(lease, row.remote_id, by=by, is_listed=True)
    existing = _find_existing(ad_account, row.name, by=by, now=now)
    if existing is not None:
        return existing
    partner = listing.partner_of(ad_account)
    if (ad_account.n_audiences or 0) >= partner.max_audiences_per_ad_account:
        text = _(
            "The ad account %(name)s is full: %(partner)s allows %(max)d audiences. Delete one "
            "there first."
        )
        params = {
            "name": ad_account.name,
            "partner": partner.label,
            "max": partner.max_audiences_per_ad_account,
        }
        raise AudienceNameError(text % params)
    _await_turn(ad_account)
    lease.renew()
    try:
        remote_id = partner.create_audience(
            ad_account.connection.token, ad_account.remote_id, name=row.name
        )
    except PartnerError as error:
        return _find_unconfirmed(lease, error, by=by)
    return _store_id(lease, remote_id, by=by, is_listed=False)


def _await_turn(ad_account: AdAccount) -> None:
    """Book a turn within the rate limit of creations, and wait for it.

    Raises AudienceCallFailed if the wait is too long.
    """
    seconds = budget.book(f"create:{ad_account.lane}", rate=CREATE_RATE)
    if seconds > WAIT_SECONDS:
        text = _(
            "Too many audiences are being created in this ad account right now. Try again in a "
            "minute."
        )
        raise AudienceCallFailed(listing.partner_of(ad_account).label, text)
    time.sleep(seconds)


def _find_unconfirmed(lease: Lease, error: PartnerError, *, by: User) -> Audience:
    """Look for the audience after an unclear answer. Raise AudienceCallFailed if it is not found.

    After a clear refusal, raise it at once.
    """
    row = lease.row
    if not isinstance(error, Retry) or error.is_throttled:
        # Nothing was created, so the try that `Lease.renew` counted does not count.
        Audience.objects.filter(pk=row.pk).update(create_tries=F("create_tries") - 1)
        raise listing.explain_and_park(error, row.ad_account, now=timezone.now()) from error
    for seconds in RETRY_SECONDS:
        time.sleep(seconds)
        listing.refresh(row.ad_account, now=timezone.now(), is_forced=True)
        row.refresh_from_db()
        if row.remote_id:
            return _store_id(lease, row.remote_id, by=by, is_listed=True)
    raise _unconfirmed_error(row) from error


def _store_id(lease: Lease, remote_id: str, *, by: User, is_listed: bool) -> Audience:
    """Write the remote id into the row. Raises AudienceCallFailed.

    This also sets ``create_until`` to the time of the creation, which `_find_existing` reads.
    ``is_listed``: the last list had the audience, so ``n_audiences`` counts it already.
    """
    now, row = timezone.now(), lease.row
    values = {
        "remote_id": remote_id,
        "create_until": now,
        "create_tries": 0,
        "kind": row.kind or listing.partner_of(row.ad_account).created_type,
    }
    # The first process to store an id wins, even after its lease has ended. So no process deletes
    # as a duplicate an audience that another one has found in the list and stored.
    unclaimed = Q(remote_id="") | Q(remote_id=remote_id)
    try:
        with transaction.atomic():
            if not Audience.objects.filter(unclaimed, pk=row.pk).update(**values):
                raise _LostRace
            n_audiences = F("n_audiences") + (0 if is_listed else 1)
            AdAccount.objects.filter(pk=row.ad_account_id).update(n_audiences=n_audiences)
            app_group = row.ad_account.connection.app_group
            Activity.log(
                app_group, by, Activity.Verb.CREATED, row.name, kind=Activity.Kind.AUDIENCE
            )
    except IntegrityError:  # a refresh has listed the audience meanwhile and made another row
        Audience.objects.filter(pk=row.pk, remote_id="").delete()
        row = Audience.objects.get(ad_account=row.ad_account_id, remote_id=remote_id)
    except _LostRace:
        return _delete_duplicate(lease, remote_id)
    row.refresh_from_db()
    return row


def _delete_duplicate(lease: Lease, remote_id: str) -> Audience:
    """Delete our audience at the partner, and return the one that another process has stored."""
    ad_account = lease.row.ad_account
    try:
        listing.partner_of(ad_account).delete_audience(
            ad_account.connection.token,
            ad_account.remote_id,
            audience_id=remote_id,
            takes_people=True,
        )
    except PartnerError as error:
        logger.warning(
            "audience %s was created twice and could not be deleted: %s",
            remote_id,
            error.message_for_log,
        )
    stored = Audience.objects.filter(pk=lease.row.pk).exclude(remote_id="").first()
    if stored is None:
        raise _unconfirmed_error(lease.row)
    return stored


def _wait_for(row: Audience, *, by: User) -> Audience:
    """Wait until another process has created ``row``, and return it.

    Raises AudienceCallFailed or AudienceNameError.
    """
    give_up_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up_at:
        time.sleep(POLL_SECONDS)
        now = timezone.now()
        stored = Audience.objects.filter(pk=row.pk).first()
        if stored is None:
            existing = _find_existing(row.ad_account, row.name, by=by, now=now)
            if existing is not None:
                return existing
            break
        if stored.remote_id:
            return stored
        if stored.create_until is None or stored.create_until < now:
            break
    raise _unconfirmed_error(row)


def _unconfirmed_error(row: Audience) -> AudienceCallFailed:
    label = listing.partner_of(row.ad_account).label
    text = _(
        "%(partner)s has not confirmed the audience %(name)s yet. Press Create audience again "
        "shortly: it will not be created twice."
    )
    return AudienceCallFailed(label, text % {"partner": label, "name": row.name})
