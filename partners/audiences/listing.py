"""Keep our rows of an ad account's audiences up to date with the partner's list."""

from __future__ import annotations

import logging
import re
import unicodedata
from datetime import datetime

from django.core.cache import cache
from django.db import transaction
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from redis import RedisError

from audiencesync.core import crypto
from partners import registry
from partners.audiences import sizes
from partners.base import Partner, RemoteAudience
from partners.connections import problems
from partners.connections import refresh as refresh_tokens
from partners.errors import Disconnected, PartnerError, Rejected, RejectedCause
from partners.incidents import reconcile
from partners.models import AdAccount, Audience, Connection, ParkedBy
from partners.queue import missing_keys, park

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 60
MAX_READ_FIRST = 5  # ad accounts that are read immediately after they were connected
_INVISIBLE = frozenset(
    "\u200b\u2060\ufeff\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_E_MAIL = re.compile(r"\S+@\S+\.\S+")
_PHONE = re.compile(r"\+\d(?:[\s().\-/]*\d){6,}|\(?\d(?:[\s().\-/]*\d){9,}")
_DAY, _MONTH, _YEAR = r"(?:0[1-9]|[12]\d|3[01])", r"(?:0[1-9]|1[0-2])", r"(?:19|20)\d\d"
_DATE = re.compile(
    rf"(?<!\d)(?:{_YEAR}[-./]?{_MONTH}[-./]?{_DAY}(?:[ -]?(?:[01]\d|2[0-3])[0-5]\d)?"
    rf"|{_DAY}[-./]{_MONTH}[-./](?:{_YEAR}|\d\d))(?!\d)"
)
MIN_PHONE_DIGITS = 7  # a shorter number is no phone number


class AudienceNameError(ValueError):
    """A name that cannot be used; the message is for the marketer."""

    def sentence(self) -> str:
        """Return the message."""
        return str(self)


class AudienceCallFailed(PartnerError):
    """A call about audiences failed; the sentence is for a marketer who waits for the answer."""

    def __init__(self, partner: str, sentence: str, cause: PartnerError | None = None) -> None:
        self._sentence = sentence
        super().__init__(
            partner,
            code=cause.code if cause else None,
            request_id=cause.request_id if cause else "",
        )

    def sentence(self) -> str:
        """Return what happened and what to do."""
        return self._sentence


def _is_phone(name: str) -> bool:
    """Return whether a name reads as a phone number; campaign names with dates do not."""
    without_dates = _DATE.sub("", name)
    return bool(_PHONE.fullmatch(name)) and sum(map(str.isdigit, without_dates)) >= MIN_PHONE_DIGITS


def choices(ad_account: AdAccount) -> QuerySet[Audience]:
    """Return the audiences of an ad account that are not gone, by name.

    Audiences that take no people are included: see ``is_appendable`` and ``why_not``.
    """
    return ad_account.audiences.exclude(remote_id="").filter(gone_at=None).order_by("name", "pk")


def check_name(name: str, partner: Partner) -> str:
    """Return the name as it is sent: trimmed, in NFC. Raises AudienceNameError."""
    name = unicodedata.normalize("NFC", name).strip()
    if not name:
        raise AudienceNameError(_("Type a name for the audience."))
    if len(name) > partner.max_audience_name:
        text = _("The name is too long: %(n)d characters, %(partner)s takes %(max)d.")
        params = {"n": len(name), "partner": partner.label, "max": partner.max_audience_name}
        raise AudienceNameError(text % params)
    if any(
        unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _INVISIBLE
        for char in name
    ):
        raise AudienceNameError(
            _("The name holds characters that cannot be seen. Type it instead of pasting it.")
        )
    # A name of symbols, such as an emoji, or of punctuation is accepted, too.
    if not any(unicodedata.category(char)[0] in "LNSP" for char in name):
        raise AudienceNameError(_("The name needs at least one letter, digit or symbol."))
    if _E_MAIL.search(name) or _is_phone(name):
        raise AudienceNameError(
            _(
                "The name looks like an e-mail address or a phone number. Personal data do not "
                "belong in a name."
            )
        )
    return name


def why_not(audience: Audience) -> str:
    """Return why people cannot be added, in the reader's language; empty if they can."""
    return _(audience.why_not) if audience.why_not else ""


def type_of(audience: Audience) -> str:
    """Return the type of an audience in words, or the partner's name for an unknown type."""
    if audience.created_by_id:
        return _("Created with AudienceSync")
    return str(partner_of(audience.ad_account).audience_types.get(audience.kind, audience.kind))


def refresh(ad_account: AdAccount, *, now: datetime, is_forced: bool = False) -> bool:
    """Read all audiences of an ad account from the partner, at most once a minute.

    Return False if that was done within the last minute. Raises PartnerError. No transaction is
    open during the call.
    """
    if not _claim_refresh(ad_account) and not is_forced:
        return False
    token = token_for(ad_account, now=now)
    partner = partner_of(ad_account)
    try:
        listed = partner.list_audiences(token, ad_account.remote_id)
    except PartnerError as error:
        raise explain_and_park(error, ad_account, now=now) from error
    with transaction.atomic():
        _write_all(ad_account, listed, now=now)
        ad_account.n_audiences, ad_account.refreshed_at = len(listed), now
        ad_account.save(update_fields=["n_audiences", "refreshed_at"])
    if ad_account.parked_by == ParkedBy.AD_ACCOUNT:
        park.unpark(ad_account)
    reconcile.after_commit(ad_account.connection.app_group_id)
    return True


def _claim_refresh(ad_account: AdAccount) -> bool:
    """Return whether a refresh is due, and mark it as done. Without Redis it is always due."""
    try:
        return cache.add(f"audiences-refresh:{ad_account.pk}", "1", REFRESH_SECONDS)
    except RedisError:
        logger.warning(
            "Redis does not answer: audiences may be asked for more often than once a minute."
        )
        return True


def refresh_first(connection: Connection, *, now: datetime) -> None:
    """Read the audiences of a few newly connected ad accounts; housekeeping reads the others."""
    for ad_account in connection.ad_accounts.filter(is_chosen=True)[:MAX_READ_FIRST]:
        ad_account.connection = connection
        try:
            refresh(ad_account, now=now, is_forced=True)
        except PartnerError as error:
            logger.info("audiences of ad account %s: %s", ad_account.pk, error.message_for_log)
            return


def partner_of(ad_account: AdAccount) -> Partner:
    return registry.get(ad_account.connection.partner)


def token_for(ad_account: AdAccount, *, now: datetime) -> str:
    """Return the access token. Raises AudienceCallFailed if there is none that can be read."""
    label, connection = partner_of(ad_account).label, ad_account.connection
    problem = problems.of_connection(connection) if not connection.is_connected else None
    if problem is None and not ad_account.is_chosen:
        problem = problems.of_ad_account(ad_account)
    if problem is not None:
        raise AudienceCallFailed(label, problem.text)
    try:
        refresh_tokens.refresh_if_due(connection, now=now)
        return connection.token
    except PartnerError as error:
        raise explain_and_park(error, ad_account, now=now) from error
    except crypto.CannotOpen:
        missing_keys.log_missing_key(connection.pk)
        problem = problems.of_connection(connection)
        raise AudienceCallFailed(label, problem.text if problem else "") from None


def explain_and_park(
    error: PartnerError, ad_account: AdAccount, *, now: datetime
) -> AudienceCallFailed:
    """Return the error in words for a waiting marketer. Park what the error shows to be broken."""
    label = partner_of(ad_account).label
    if isinstance(error, Disconnected):
        park.park_connection(ad_account.connection, error.code, now)
        text = _(
            "%(partner)s no longer accepts our access. An admin has to connect again on the "
            "partner page."
        )
    elif isinstance(error, Rejected) and error.cause is RejectedCause.AD_ACCOUNT:
        park.park_ad_account(ad_account, error.code, now)
        text = _(
            "%(partner)s does not let us use this ad account. Check there that it is active and "
            "that the connected user is an admin or operator of it."
        )
    elif isinstance(error, Rejected):
        text = _(
            "%(partner)s refused this (code %(code)s). If it stays, inform the operator of "
            "this installation."
        )
    else:
        text = _(
            "%(partner)s did not answer or has a problem. Nothing is lost: try again in a minute."
        )
    return AudienceCallFailed(label, text % {"partner": label, "code": error.code}, error)


def _write_all(ad_account: AdAccount, listed: list[RemoteAudience], *, now: datetime) -> None:
    """Update our rows to the complete list, which was requested at ``now``."""
    _adopt_unconfirmed(ad_account, listed)
    write_listed(ad_account, listed, now=now)
    _mark_gone(ad_account, {audience.id for audience in listed}, now=now)


def write_listed(ad_account: AdAccount, listed: list[RemoteAudience], *, now: datetime) -> None:
    """Write the rows of listed audiences. Those marked as gone are no longer gone."""
    # why_not is stored as a msgid and translated where it is shown.
    with translation.override("en"):
        rows = _rows(ad_account, listed, now=now)
    fields = ["name", "kind", "size", "is_appendable", "why_not", "seen_at"]
    fields += ["is_valid", "is_expiring", "expires_at"]
    known_by_id = {row.remote_id: row for row in ad_account.audiences.exclude(remote_id="")}
    for row in rows:
        row.pk = known_by_id[row.remote_id].pk if row.remote_id in known_by_id else None
    Audience.objects.bulk_update([row for row in rows if row.pk], fields, batch_size=100)
    Audience.objects.bulk_create([row for row in rows if not row.pk], ignore_conflicts=True)
    # A list that was requested before an audience was deleted may still have it.
    listed_ids = [audience.id for audience in listed]
    returned = ad_account.audiences.filter(remote_id__in=listed_ids, gone_at__lte=now)
    returned.filter(parked_by=ParkedBy.AUDIENCE_GONE).update(gone_at=None, **park.NOT_PARKED)
    returned.update(gone_at=None)
    sizes.store(ad_account, listed, now=now)


def _rows(ad_account: AdAccount, listed: list[RemoteAudience], *, now: datetime) -> list[Audience]:
    return [
        Audience(
            ad_account=ad_account,
            remote_id=audience.id,
            name=_cut(audience.name, 255),
            kind=_cut(audience.type, 40),
            size=audience.size,
            is_appendable=audience.is_appendable,
            why_not=_cut(str(audience.why_not), 200),
            is_valid=audience.is_valid,
            is_expiring=audience.is_expiring,
            expires_at=audience.expires_at,
            seen_at=now,
        )
        for audience in listed
    ]


def _mark_gone(ad_account: AdAccount, listed_ids: set[str], *, now: datetime) -> None:
    """Park audiences that an earlier list had and this one lacks. New ones may be listed late."""
    for row in ad_account.audiences.exclude(remote_id="").filter(gone_at=None, seen_at__lt=now):
        if row.remote_id not in listed_ids:
            park.park_audience(row, None, now)


def _adopt_unconfirmed(ad_account: AdAccount, listed: list[RemoteAudience]) -> None:
    """Store listed ids in rows of the same name whose creation was sent but not confirmed."""
    unconfirmed = {
        row.name: row for row in ad_account.audiences.filter(remote_id="", create_tries__gt=0)
    }
    if not unconfirmed:
        return
    known_ids = set(ad_account.audiences.exclude(remote_id="").values_list("remote_id", flat=True))
    for audience in listed:
        row = unconfirmed.get(audience.name)
        if row and audience.id not in known_ids and audience.is_appendable:
            Audience.objects.filter(pk=row.pk, remote_id="").update(remote_id=audience.id)
            del unconfirmed[audience.name]


def _cut(text: str, length: int) -> str:
    return text.replace("\0", "")[:length]
