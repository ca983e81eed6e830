"""Connect, change and disconnect: what an admin's choice does to a connection.

A grant is the secret to revoke at the partner: the refresh token if there is one, else the access
token.
"""

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
MAX_TOKENS_TRIED = 5  # the most tokens that the health check of TOKEN_KEYS tries


class AlreadyChosen(Exception):
    """Ad accounts were chosen from this authorisation before, or it is too old or deleted."""


@dataclass(frozen=True, slots=True)
class DisconnectResult:
    """What a disconnect did: how many pending people it discarded, and the token's revocation.

    ``revocation`` is DONE if there was no token.
    """

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
        # Lock the connection before the state, as a disconnect does.
        connection = _locked_connection(state)
        unused = OAuthState.objects.filter(
            pk=state.pk, chosen_at=None, used_at__gt=now - oauth.CHOICE_LIFETIME
        )
        if not unused.exclude(token_sealed="").update(
            chosen_at=now, token_sealed="", refresh_sealed="", offer={}
        ):
            raise AlreadyChosen
        old_grant = _write_connection(
            connection, state, offer, token, refresh_token=refresh_token, now=now
        )
        # A partner may issue the same grant again: then it is in use, and must not be revoked.
        is_spent = old_grant != (refresh_token or token)
        spent_token = _schedule_revocation(connection, old_grant, now=now) if is_spent else None
        _write_ad_accounts(connection, offer, remote_ids)
        chosen = [ad_account for ad_account in offer.ad_accounts if ad_account.id in remote_ids]
        names = ", ".join(ad_account.name for ad_account in chosen)
        log_text = f"{_label(connection)}: {names}"
        _log(state.app_group, state.user, Activity.Verb.CONNECTED, log_text)
        reconcile.after_commit(state.app_group_id)
    sync.retry_now(connection)
    if spent_token:
        revoke.revoke(spent_token)
    return connection


def ids_to_tick(state: OAuthState) -> set[str]:
    """Return the remote ids of connected ad accounts, and of those that live steps need."""
    ad_accounts = AdAccount.objects.filter(
        connection__app_group=state.app_group, connection__partner=state.partner
    )
    to_tick = ad_accounts.filter(Q(is_chosen=True) | Q(audiences__syncs__is_live=True))
    return set(to_tick.values_list("remote_id", flat=True))


def disconnect(
    subject: Connection | AdAccount, *, discard: bool, by: User | None, now: datetime
) -> DisconnectResult:
    """Disconnect a whole connection or one ad account.

    Pending people are discarded, or wait for a reconnect. The token is wiped here first and then
    revoked at the partner; if that fails, housekeeping retries for one day.
    """
    connection = subject if isinstance(subject, Connection) else subject.connection
    spent_token, revocation, unchosen_tokens, was_connected = None, Revocation.DONE, [], True
    with transaction.atomic():
        if isinstance(subject, Connection):
            # Read the connection again under the lock: it may have been reconnected meanwhile.
            locked = Connection.objects.select_for_update().get(pk=subject.pk)
            was_connected = locked.is_connected
            # REFUSED stays if the token cannot be decrypted, as then the partner cannot be asked.
            revocation = Revocation.REFUSED if locked.is_connected else Revocation.DONE
            spent_token = _schedule_revocation(locked, _readable_grant(locked), now=now)
            unchosen_tokens = oauth.schedule_unchosen(locked.app_group, locked.partner, now=now)
        # Batches before ad accounts: workers lock them in this order.
        n_discarded = _discard(subject, now=now) if discard else 0
        if isinstance(subject, AdAccount):
            still_chosen = AdAccount.objects.filter(pk=subject.pk, is_chosen=True)
            was_connected = bool(still_chosen.update(is_chosen=False, **park.NOT_PARKED))
        elif was_connected:
            _wipe_token(subject, now=now)
        if was_connected:  # of two concurrent disconnects, only the first one is logged
            _log(connection.app_group, by, Activity.Verb.DISCONNECTED, _log_name(subject))
        reconcile.after_commit(connection.app_group_id)
    if isinstance(subject, Connection):
        park.end_swap(subject.pk, now=now)
    revocation = revoke.revoke(spent_token) if spent_token else revocation
    for token in unchosen_tokens:
        revoke.revoke(token)
    return DisconnectResult(n_discarded, revocation)


def probe(connection: Connection, *, now: datetime) -> bool:
    """Return whether the partner accepts the token (`check_token`). False if it was not checked."""
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
    """Ask the partner for the user of the token; park or unpark the connection by the answer.

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


def _locked_connection(state: OAuthState) -> Connection:
    """Lock the group's one connection to the partner, created if needed; return it."""
    Connection.objects.bulk_create(
        [Connection(app_group=state.app_group, partner=state.partner)], ignore_conflicts=True
    )
    return Connection.objects.select_for_update().get(
        app_group=state.app_group, partner=state.partner
    )


@sensitive_variables()
def _write_connection(
    connection: Connection,
    state: OAuthState,
    offer: Offer,
    token: str,
    *,
    refresh_token: str,
    now: datetime,
) -> str:
    """Write the token and its user into the connection.

    Return the grant that it had (the token to revoke), or "".
    """
    old_grant = _readable_grant(connection)
    connection.set_token(token, refresh_token=refresh_token, expires_at=state.token_expires_at)
    connection.scopes = state.offer["scopes"]
    connection.remote_user_id = offer.user.id[:64]
    connection.remote_user_name = offer.user.name[:200]
    connection.remote_user_email = _mask_email(offer.user.email_masked)[:320]
    connection.connected_by = state.user
    connection.connected_at = connection.checked_at = now
    connection.disconnected_at = None
    if connection.swap_until is not None:  # the view reads the new audiences, then ends the swap
        connection.swap_until = min(connection.swap_until, now + park.MAX_SWAP_CHECK)
    for name, value in park.NOT_PARKED.items():
        setattr(connection, name, value)
    connection.save()
    return old_grant


def _write_ad_accounts(connection: Connection, offer: Offer, remote_ids: Collection[str]) -> None:
    """Update or insert the chosen ad accounts by remote id, so that steps keep their rows.

    All others are no longer chosen.
    """
    chosen = [
        AdAccount(
            connection=connection,
            remote_id=ad_account.id,
            name=(ad_account.name or ad_account.id)[:255],
            currency=ad_account.currency[:8],
            time_zone=ad_account.time_zone[:64],
            status=ad_account.status[:40],
            is_chosen=True,
        )
        for ad_account in offer.ad_accounts
        if ad_account.id in remote_ids
    ]
    updated_fields = ["name", "currency", "time_zone", "status", "is_chosen", *park.NOT_PARKED]
    AdAccount.objects.bulk_create(
        chosen,
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=updated_fields,
    )
    connection.ad_accounts.exclude(remote_id__in=remote_ids).update(is_chosen=False)


def _wipe_token(connection: Connection, *, now: datetime) -> None:
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
def _schedule_revocation(connection: Connection, grant: str, *, now: datetime) -> SpentToken | None:
    """Schedule the revocation of a grant, if there is one, in the caller's transaction."""
    return revoke.schedule(connection.partner, grant, now=now) if grant else None


def token_keys_error() -> str:
    """Return what is wrong with TOKEN_KEYS, for /readyz; "" if nothing is.

    The keys are wrong if they open none of the newest tokens.
    """
    newest = list(Connection.objects.exclude(token_sealed="").order_by("-pk")[:MAX_TOKENS_TRIED])
    if not newest or any(connection.opens_here for connection in newest):
        return ""
    return (
        f"none of the {len(newest)} newest tokens opens with TOKEN_KEYS: "
        "they are the keys of another installation"
    )


def _readable_grant(connection: Connection) -> str:
    """Return the grant to revoke, or "" if there is none that can be read."""
    if not connection.is_connected:
        return ""
    try:
        return connection.grant
    except crypto.CannotOpen:
        logger.warning("connection %s: the token cannot be opened with TOKEN_KEYS", connection.pk)
        return ""


def _mask_email(email: str) -> str:
    """Return the address as the partner masks it; mask it if it comes in the clear."""
    name, at, domain = email.partition("@")
    return email if "*" in email or not at else f"{name[:1]}***{at}{domain}"


def _log(app_group: AppGroup, by: User | None, verb: Activity.Verb, log_text: str) -> None:
    Activity.log(app_group, by, verb, log_text, kind=Activity.Kind.CONNECTION)


def _label(connection: Connection) -> str:
    return registry.get(connection.partner).label


def _log_name(subject: Connection | AdAccount) -> str:
    if isinstance(subject, Connection):
        return _label(subject)
    return f"{_label(subject.connection)}: {subject.name}"
