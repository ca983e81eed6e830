"""Connect, change and disconnect: what a choice does to a connection and its ad accounts."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.groups.models import Activity, AppGroup, User
from partners import registry, sync
from partners.connections import oauth, refresh, revoke
from partners.connections.oauth import Offer
from partners.connections.revoke import Revocation
from partners.errors import Disconnected, PartnerError
from partners.incidents import reconcile
from partners.models import AdAccount, Connection, OAuthState, SpentToken
from partners.queue import missing_keys, park

logger = logging.getLogger(__name__)
TOKENS_TRIED = 5


class AlreadyChosen(Exception):
    """Ad accounts were chosen from this authorisation before, or it is too old."""


@dataclass(frozen=True, slots=True)
class DisconnectResult:
    """The result of a disconnect. ``revocation``: of the token; DONE if there was none."""

    n_discarded: int
    revocation: Revocation


def choose(state: OAuthState, remote_ids: Collection[str], *, now: datetime) -> Connection:
    """Make the offer of ``state`` the group's connection, with these ad accounts of it.

    Raises AlreadyChosen, or crypto.CannotOpen if the token of the offer cannot be read any more.
    """
    if state.chosen_at is not None:
        raise AlreadyChosen
    offer = Offer.of(state)
    token, refresh_token = oauth.token_of(state), oauth.refresh_token_of(state)
    with transaction.atomic():
        fresh = OAuthState.objects.filter(
            pk=state.pk, chosen_at=None, used_at__gt=now - oauth.CHOICE_LIFETIME
        )
        if not fresh.exclude(token_sealed="").update(
            chosen_at=now, token_sealed="", refresh_sealed="", offer={}
        ):
            raise AlreadyChosen
        connection, old_token = _renew(state, offer, token, refresh_token=refresh_token, now=now)
        is_same = old_token == (refresh_token or token)
        spent = None if is_same else _schedule_revocation(connection, old_token, now=now)
        _keep_ad_accounts(connection, offer, remote_ids)
        names = ", ".join(one.name for one in offer.ad_accounts if one.id in remote_ids)
        what = f"{_label(connection)}: {names}"
        _log(state.app_group, state.user, Activity.Verb.CONNECTED, what)
        reconcile.soon(state.app_group_id)
    sync.retry_now(connection)
    if spent:
        revoke.revoke(spent)
    return connection


def known_ad_accounts(state: OAuthState) -> set[str]:
    """Return the remote ids to tick at first: connected ones, and those that live steps need."""
    rows = AdAccount.objects.filter(
        connection__app_group=state.app_group, connection__partner=state.partner
    )
    chosen = rows.filter(Q(is_chosen=True) | Q(audiences__syncs__is_live=True))
    return set(chosen.values_list("remote_id", flat=True))


def disconnect(
    subject: Connection | AdAccount, *, discard: bool, by: User | None, now: datetime
) -> DisconnectResult:
    """Disconnect a whole connection or one ad account.

    Pending people are discarded, or wait for a reconnect. The token is wiped here first and then
    revoked at the partner; if that fails, housekeeping retries for one day.
    """
    connection = subject if isinstance(subject, Connection) else subject.connection
    spent, unasked, unchosen, was_connected = None, Revocation.DONE, [], True
    with transaction.atomic():
        if isinstance(subject, Connection):
            # Read again under the lock: it may have been reconnected meanwhile.
            locked = Connection.objects.select_for_update().get(pk=subject.pk)
            was_connected = locked.is_connected
            # Without a token that opens, there is nothing to ask the partner with.
            unasked = Revocation.REFUSED if locked.is_connected else Revocation.DONE
            spent = _schedule_revocation(locked, _open(locked), now=now)
            unchosen = oauth.schedule_unchosen(locked.app_group, locked.partner, now=now)
        # Batches before ad accounts: workers lock them in this order.
        n_discarded = _discard(subject, now=now) if discard else 0
        if isinstance(subject, AdAccount):
            chosen = AdAccount.objects.filter(pk=subject.pk, is_chosen=True)
            was_connected = bool(chosen.update(is_chosen=False, **park.NOT_PARKED))
        elif was_connected:
            _wipe(subject, now=now)
        if was_connected:  # of two disconnects at once, the first one is noted
            _log(connection.app_group, by, Activity.Verb.DISCONNECTED, _subject(subject))
        reconcile.soon(connection.app_group_id)
    if isinstance(subject, Connection):
        park.end_swap(subject.pk, now=now)
    revocation = revoke.revoke(spent) if spent else unasked
    for token in unchosen:
        revoke.revoke(token)
    return DisconnectResult(n_discarded, revocation)


def probe(connection: Connection, *, now: datetime) -> bool:
    """Check the token. Return False if it is refused or could not be checked."""
    try:
        check_token(connection, now=now)
    except Disconnected:
        return False
    except crypto.CannotOpen:
        missing_keys.log_missing_key(connection.pk)
        return False
    except PartnerError as error:
        logger.info("probe of connection %s: %s", connection.pk, error.message_for_log)
        return False
    return True


def check_token(connection: Connection, *, now: datetime) -> None:
    """Ask the partner for the user of the token; park or free the connection by the answer.

    Raises PartnerError or crypto.CannotOpen.
    """
    try:
        refresh.refresh_if_due(connection, now=now)
        registry.get(connection.partner).user(connection.token)
    except Disconnected as error:
        park.park_connection(connection, error.code, now)
        raise
    Connection.objects.filter(pk=connection.pk, token_sealed=connection.token_sealed).update(
        checked_at=now
    )
    if park.unpark(connection):
        sync.retry_now(connection)


@sensitive_variables()
def _renew(
    state: OAuthState, offer: Offer, token: str, *, refresh_token: str, now: datetime
) -> tuple[Connection, str]:
    """Write the token and its user into the group's one connection; return the former grant."""
    Connection.objects.bulk_create(
        [Connection(app_group=state.app_group, partner=state.partner)], ignore_conflicts=True
    )
    connection = Connection.objects.select_for_update().get(
        app_group=state.app_group, partner=state.partner
    )
    old_token = _open(connection)
    connection.set_token(token, refresh_token=refresh_token, expires_at=state.token_expires_at)
    connection.scopes = state.offer["scopes"]
    connection.remote_user_id = offer.user.id[:64]
    connection.remote_user_name = offer.user.name[:200]
    connection.remote_user_email = _masked(offer.user.email_masked)[:320]
    connection.connected_by = state.user
    connection.connected_at = connection.checked_at = now
    connection.disconnected_at = None
    if connection.swap_until is not None:  # the caller checks the new account and ends the hold
        connection.swap_until = min(connection.swap_until, now + park.MAX_SWAP_CHECK)
    for name, value in park.NOT_PARKED.items():
        setattr(connection, name, value)
    connection.save()
    return connection, old_token


def _keep_ad_accounts(connection: Connection, offer: Offer, remote_ids: Collection[str]) -> None:
    """Upsert the chosen ad accounts by remote id, as steps point to the rows; unchoose others."""
    chosen = [
        AdAccount(
            connection=connection,
            remote_id=one.id,
            name=(one.name or one.id)[:255],
            currency=one.currency[:8],
            time_zone=one.time_zone[:64],
            status=one.status[:40],
            is_chosen=True,
        )
        for one in offer.ad_accounts
        if one.id in remote_ids
    ]
    fields = ["name", "currency", "time_zone", "status", "is_chosen", *park.NOT_PARKED]
    AdAccount.objects.bulk_create(
        chosen,
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=fields,
    )
    connection.ad_accounts.exclude(remote_id__in=remote_ids).update(is_chosen=False)


def _wipe(connection: Connection, *, now: datetime) -> None:
    Connection.objects.filter(pk=connection.pk).update(
        token_sealed="",
        refresh_sealed="",
        token_expires_at=None,
        disconnected_at=now,
        **park.NOT_PARKED,
    )
    connection.ad_accounts.update(is_chosen=False)


def _discard(subject: Connection | AdAccount, *, now: datetime) -> int:
    if isinstance(subject, Connection):
        return sync.discard(connection=subject, now=now)
    return sync.discard(ad_account=subject, now=now)


@sensitive_variables()
def _schedule_revocation(connection: Connection, token: str, *, now: datetime) -> SpentToken | None:
    """Schedule the revocation of a token, in the transaction that gives it up."""
    return revoke.schedule(connection.partner, token, now=now) if token else None


def sealed_tokens() -> str:
    """Return what is wrong with TOKEN_KEYS, for /readyz; "" if nothing is.

    They are wrong if they open none of the newest tokens.
    """
    newest = list(Connection.objects.exclude(token_sealed="").order_by("-pk")[:TOKENS_TRIED])
    if not newest or any(connection.opens_here for connection in newest):
        return ""
    return (
        f"none of the {len(newest)} newest tokens opens with TOKEN_KEYS: "
        "they are the keys of another installation"
    )


def _open(connection: Connection) -> str:
    """Return the grant to revoke, or "" if there is none that can be read."""
    if not connection.is_connected:
        return ""
    try:
        return connection.grant
    except crypto.CannotOpen:
        logger.warning("connection %s: the token cannot be opened with TOKEN_KEYS", connection.pk)
        return ""


def _masked(email: str) -> str:
    """Return the address as the partner masks it; mask it if it comes in the clear."""
    name, at, domain = email.partition("@")
    return email if "*" in email or not at else f"{name[:1]}***{at}{domain}"


def _log(app_group: AppGroup, by: User | None, verb: Activity.Verb, what: str) -> None:
    Activity.log(app_group, by, verb, what, kind=Activity.Kind.CONNECTION)


def _label(connection: Connection) -> str:
    return registry.get(connection.partner).label


def _subject(subject: Connection | AdAccount) -> str:
    if isinstance(subject, Connection):
        return _label(subject)
    return f"{_label(subject.connection)}: {subject.name}"
