"""Connecting, changing and disconnecting: what an admin's choice does to a connection and its ad accounts."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.groups.models import Activity, AppGroup, User
from partners import registry, sync
from partners.connections import oauth, refresh, revoke
from partners.connections.oauth import Offer
from partners.connections.revoke import Ending
from partners.errors import Disconnected, PartnerError
from partners.models import AdAccount, Connection, OAuthState, SpentToken, Sync
from partners.queue import park, sealed

logger = logging.getLogger(__name__)
TOKENS_TRIED = 5


class AlreadyChosen(Exception):
    """Ad accounts were chosen from this authorisation before, or it is too old."""


@dataclass(frozen=True, slots=True)
class Touched:
    """A step that needs what is about to go, and how many people still wait in it."""

    label: str
    url: str
    is_live: bool
    n_pending: int
    audience: str = ""

    @property
    def name(self) -> str:
        """The label without the audience at its end, which is named for itself."""
        return self.label.removesuffix(f": {self.audience}")


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a disconnect went. ``ending``: what became of the token at the partner; VOID if there was none."""

    n_discarded: int
    ending: Ending


def choose(state: OAuthState, remote_ids: Collection[str], *, now: datetime) -> Connection:
    """Make the offer of ``state`` the group's connection, with these ad accounts of it.

    Raises AlreadyChosen, or crypto.CannotOpen if the waiting token cannot be read any more.
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
        spent = None if is_same else _spend(connection, old_token, now=now)
        _keep_ad_accounts(connection, offer, remote_ids)
        names = ", ".join(one.name for one in offer.ad_accounts if one.id in remote_ids)
        kind = Activity.Kind.CONNECTION
        Activity.log(
            state.app_group,
            state.user,
            Activity.Verb.CONNECTED,
            f"{_label(connection)}: {names}",
            kind=kind,
        )
    sync.retry_now(connection)
    if spent:
        revoke.revoke(spent)
    return connection


def losses(app_group: AppGroup, partner: str, remote_ids: Collection[str]) -> list[Touched]:
    """The steps of this group that need an ad account which is not among ``remote_ids``."""
    needed = Sync.objects.filter(
        app_group=app_group, audience__ad_account__connection__partner=partner
    )
    return _touched(needed.exclude(audience__ad_account__remote_id__in=remote_ids))


def known_ad_accounts(state: OAuthState) -> set[str]:
    """Remote ids to tick beforehand: what is connected, or what live steps still need."""
    rows = AdAccount.objects.filter(
        connection__app_group=state.app_group, connection__partner=state.partner
    )
    chosen = rows.filter(Q(is_chosen=True) | Q(audiences__syncs__is_live=True))
    return set(chosen.values_list("remote_id", flat=True))


@sensitive_variables()
def lost_audiences(state: OAuthState, remote_ids: Collection[str]) -> list[Touched]:
    """The steps whose ad account stays but whose audience the new user does not reach. Raises PartnerError, CannotOpen."""
    partner = registry.get(state.partner)
    needed = _needed(
        Sync.objects.filter(
            app_group=state.app_group, audience__ad_account__connection__partner=partner.key
        )
    )
    needed = needed.filter(audience__ad_account__remote_id__in=remote_ids, audience__gone_at=None)
    pairs = set(needed.values_list("audience__ad_account__remote_id", "audience__remote_id"))
    if not pairs:
        return []
    token = oauth.token_of(state)
    lost: set[str] = set()
    for ad_account_id in sorted({ad_account_id for ad_account_id, _audience in pairs}):
        reached = {one.id for one in partner.list_audiences(token, ad_account_id)}
        lost |= {
            audience
            for owner, audience in pairs
            if owner == ad_account_id and audience not in reached
        }
    return _touched(needed.filter(audience__remote_id__in=lost))


def touched(subject: Connection | AdAccount) -> list[Touched]:
    """The steps that a disconnect of ``subject`` touches: live, or with people waiting."""
    return _touched(_syncs_of(subject))


def disconnect(
    subject: Connection | AdAccount, *, discard: bool, by: User | None, now: datetime
) -> Farewell:
    """Let go of a whole connection or of one ad account; waiting people are discarded or wait for a reconnect.

    The token is wiped here first and then revoked at the partner; if that fails, housekeeping goes on trying for a day.
    """
    connection = subject if isinstance(subject, Connection) else subject.connection
    spent, unasked, unchosen = None, Ending.VOID, []
    with transaction.atomic():
        if isinstance(subject, Connection):
            locked = Connection.objects.select_for_update().get(
                pk=subject.pk
            )  # perhaps reconnected a moment ago
            unasked = (
                Ending.REFUSED if locked.is_connected else Ending.VOID
            )  # with a token that does not open
            spent = _spend(locked, _open(locked), now=now)
            unchosen = oauth.end_waiting(locked.app_group, locked.partner, now=now)
        n_discarded = (
            _discard(subject, now=now) if discard else 0
        )  # batches before ad accounts, as workers lock them
        if isinstance(subject, Connection):
            _wipe(subject, now=now)
        else:
            AdAccount.objects.filter(pk=subject.pk).update(is_chosen=False, **park.FREE)
        Activity.log(
            connection.app_group,
            by,
            Activity.Verb.DISCONNECTED,
            _subject(subject),
            kind=Activity.Kind.CONNECTION,
        )
    ending = revoke.revoke(spent) if spent else unasked
    for token in unchosen:
        revoke.revoke(token)
    return Farewell(n_discarded, ending)


def probe(connection: Connection, *, now: datetime) -> bool:
    """Ask the partner who we are: proves the token, or parks the connection. False if that proved nothing good."""
    try:
        refresh.refresh_if_due(connection, now=now)
        registry.get(connection.partner).user(connection.token)
    except Disconnected as error:
        park.park_connection(connection, error.code, now)
        return False
    except crypto.CannotOpen:
        sealed.complain(connection.pk)
        return False
    except PartnerError as error:
        logger.info("probe of connection %s: %s", connection.pk, error.message_for_log)
        return False
    Connection.objects.filter(pk=connection.pk, token_sealed=connection.token_sealed).update(
        checked_at=now
    )
    if park.unpark(connection):
        sync.retry_now(connection)
    return True


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
    for name, value in park.FREE.items():
        setattr(connection, name, value)
    connection.save()
    return connection, old_token


def _keep_ad_accounts(connection: Connection, offer: Offer, remote_ids: Collection[str]) -> None:
    """Upsert the chosen ones by their remote id, so that steps find the rows they knew; let go of the others."""
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
    fields = ["name", "currency", "time_zone", "status", "is_chosen", *park.FREE]
    AdAccount.objects.bulk_create(
        chosen,
        update_conflicts=True,
        unique_fields=["connection", "remote_id"],
        update_fields=fields,
    )
    connection.ad_accounts.exclude(remote_id__in=remote_ids).update(is_chosen=False)


def _wipe(connection: Connection, *, now: datetime) -> None:
    Connection.objects.filter(pk=connection.pk).update(
        token_sealed="", refresh_sealed="", token_expires_at=None, disconnected_at=now, **park.FREE
    )
    connection.ad_accounts.update(is_chosen=False)


def _discard(subject: Connection | AdAccount, *, now: datetime) -> int:
    if isinstance(subject, Connection):
        return sync.discard(connection=subject, now=now)
    return sync.discard(ad_account=subject, now=now)


@sensitive_variables()
def _spend(connection: Connection, token: str, *, now: datetime) -> SpentToken | None:
    """Inside the transaction that gives a token up, write down that it must end at the partner, too."""
    return revoke.keep(connection.partner, token, now=now) if token else None


def sealed_tokens() -> str:
    """What is wrong with TOKEN_KEYS, for /readyz: of the newest tokens none opens. "" if one does, or there is none."""
    newest = list(Connection.objects.exclude(token_sealed="").order_by("-pk")[:TOKENS_TRIED])
    if not newest or any(connection.opens_here for connection in newest):
        return ""
    return f"none of the {len(newest)} newest tokens opens with TOKEN_KEYS: they are the keys of another installation"


def _open(connection: Connection) -> str:
    """The grant to revoke, or "" where there is none that can be read."""
    if not connection.is_connected:
        return ""
    try:
        return connection.grant
    except crypto.CannotOpen:
        logger.warning("connection %s: the token cannot be opened with TOKEN_KEYS", connection.pk)
        return ""


def _syncs_of(subject: Connection | AdAccount) -> QuerySet[Sync]:
    if isinstance(subject, Connection):
        return Sync.objects.filter(audience__ad_account__connection=subject)
    return Sync.objects.filter(audience__ad_account=subject)


def _needed(syncs: QuerySet[Sync]) -> QuerySet[Sync]:
    return syncs.filter(Q(is_live=True) | Q(tally__pending__gt=0))


def _touched(syncs: QuerySet[Sync]) -> list[Touched]:
    """One line per step and audience, who waits first: an edited step has had several syncs."""
    needed = (
        _needed(syncs)
        .annotate(n_pending=Coalesce(F("tally__pending"), 0))
        .select_related("audience")
    )
    rows = needed.order_by("label", "url", "pk")
    found = _summed(
        Touched(one.label, one.url, one.is_live, one.n_pending, one.audience.name) for one in rows
    )
    return sorted(found, key=lambda one: not one.n_pending)


def _summed(rows: Iterable[Touched]) -> list[Touched]:
    found: dict[tuple[str, str], Touched] = {}
    for row in rows:
        key = (row.label, row.url)
        seen = found.get(key, Touched(*key, is_live=False, n_pending=0))
        found[key] = Touched(
            *key, seen.is_live or row.is_live, seen.n_pending + row.n_pending, row.audience
        )
    return list(found.values())


def _masked(email: str) -> str:
    """As the partner masks it; masked here should it ever come in the open."""
    name, at, domain = email.partition("@")
    return email if "*" in email or not at else f"{name[:1]}***{at}{domain}"


def _label(connection: Connection) -> str:
    return registry.get(connection.partner).label


def _subject(subject: Connection | AdAccount) -> str:
    if isinstance(subject, Connection):
        return _label(subject)
    return f"{_label(subject.connection)}: {subject.name}"
