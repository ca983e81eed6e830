"""Authorise at a partner (OAuth): from the consent page back to an offer of ad accounts.

A state is the random value that the consent page sends back. Its row (OAuthState) is bound to
session, user and group, and can be used once.

Nothing is connected here. The offer (token, user, ad accounts) waits for the choice of an admin
in connect.py.
"""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.debug import sensitive_variables

from audiencesync.core import crypto
from audiencesync.groups.models import AppGroup, Membership, Role, User
from partners import registry
from partners.base import Partner, PartnerUser, RemoteAdAccount, Token
from partners.connections import revoke
from partners.errors import PartnerError, Rejected, RejectedCause
from partners.models import OAuthState, SpentToken

logger = logging.getLogger(__name__)

STATE_LIFETIME = timedelta(minutes=10)
CHOICE_LIFETIME = timedelta(hours=1)
SESSION_KEY = "oauth_secret"
_STATE = re.compile(r"[A-Za-z0-9_-]{20,200}")
_AUTH_CODE = re.compile(r"[\x21-\x7e]{1,512}")


class NotAuthorized(Exception):
    """A failed authorisation: a sentence for the user and, once its state is found, the app group.

    ``open_state``: the authorisation from which ad accounts can still be chosen. ``is_repeated``:
    the state was used before, so this visit must not end a swap (change of the account).
    """

    def __init__(
        self,
        sentence: str,
        app_group: AppGroup | None = None,
        *,
        open_state: OAuthState | None = None,
        is_repeated: bool = False,
    ):
        super().__init__(sentence)
        self.sentence = sentence
        self.app_group = app_group
        self.open_state = open_state
        self.is_repeated = is_repeated


@dataclass(frozen=True, slots=True)
class Offer:
    """What an authorisation gives access to: the partner's user and their ad accounts."""

    user: PartnerUser
    ad_accounts: tuple[RemoteAdAccount, ...]

    @classmethod
    def of(cls, state: OAuthState) -> Offer:
        """Read the offer that `receive` stored."""
        ad_accounts = tuple(RemoteAdAccount(**fields) for fields in state.offer["ad_accounts"])
        return cls(PartnerUser(**state.offer["user"]), ad_accounts)


def begin(
    app_group: AppGroup, partner: Partner, *, by: User, session: SessionBase, now: datetime
) -> str:
    """Start an authorisation; return the address of the partner's consent page."""
    delete_expired(now=now)
    state = secrets.token_urlsafe(32)
    OAuthState.objects.create(
        state_hash=_hash(state),
        session_hash=session_hash(session, is_new=True),
        user=by,
        app_group=app_group,
        partner=partner.key,
        created_at=now,
    )
    return partner.authorize_url(state=state, redirect_uri=redirect_uri(partner))


def redirect_uri(partner: Partner) -> str:
    """Return the address that the partner sends people back to; never from a request."""
    return f"{settings.SITE_URL}{reverse('oauth_callback', args=[partner.key])}"


@sensitive_variables()
def receive(
    query: QueryDict, partner: Partner, *, user: User, session: SessionBase, now: datetime
) -> OAuthState:
    """Redeem a callback; at most one exchange per state. Raises NotAuthorized.

    The token is stored before the partner is asked for anything else: if the process dies,
    `delete_expired` revokes it.
    """
    state = _claim_state(query, partner, user=user, session=session, now=now)
    auth_code = _read_auth_code(query, partner, state.app_group)
    try:
        token = _exchange(partner, auth_code, state)
        offer = _fetch_offer(partner, token, state)
    except PartnerError as error:
        _abandon(state, now=now)
        logger.warning("authorisation %s failed: %s", state.pk, error.message_for_log)
        raise NotAuthorized(_failure_text(error, partner), state.app_group) from None
    except NotAuthorized:
        _abandon(state, now=now)
        raise
    state.offer = {
        "user": _without_nul(asdict(offer.user)),
        "ad_accounts": [_without_nul(asdict(ad_account)) for ad_account in offer.ad_accounts],
        "scopes": list(token.scopes),
    }
    # A disconnect of the group deletes authorisations from which no ad accounts were chosen.
    if not OAuthState.objects.filter(pk=state.pk).update(offer=state.offer):
        raise NotAuthorized(offer_gone_text(), state.app_group)
    return state


def token_of(state: OAuthState) -> str:
    """Return the token of an offer. Raises crypto.CannotOpen."""
    return crypto.open_sealed(state.token_sealed, context=state.token_context)


def refresh_token_of(state: OAuthState) -> str:
    """Return the refresh token of an offer, or "". Raises crypto.CannotOpen."""
    if not state.refresh_sealed:
        return ""
    return crypto.open_sealed(state.refresh_sealed, context=state.refresh_context)


def is_open(state: OAuthState, *, now: datetime) -> bool:
    """Return whether ad accounts can still be chosen from this authorisation."""
    is_offered = bool(state.token_sealed and state.offer)
    return is_offered and state.used_at is not None and now < state.used_at + CHOICE_LIFETIME


def delete_expired(*, now: datetime) -> None:
    """Delete authorisations that can no longer be used; schedule the revocation of tokens."""
    with transaction.atomic():
        expired = OAuthState.objects.filter(created_at__lt=now - STATE_LIFETIME - CHOICE_LIFETIME)
        for state in expired.exclude(token_sealed="").order_by("pk").select_for_update():
            _schedule_revocation(state, now=now)
        expired.delete()


def schedule_unchosen(app_group: AppGroup, partner: str, *, now: datetime) -> list[SpentToken]:
    """Schedule the revocation of tokens whose offers this group did not use.

    Runs inside the caller's transaction; call `revoke.revoke` for the returned rows after it.
    """
    states = OAuthState.objects.filter(app_group=app_group, partner=partner)
    unchosen = list(states.exclude(token_sealed="").order_by("pk").select_for_update())
    spent_tokens = [_schedule_revocation(state, now=now) for state in unchosen]
    # Delete only these states: another state may have got its token since.
    states.filter(pk__in=[state.pk for state in unchosen]).delete()
    return [token for token in spent_tokens if token]


def session_hash(session: SessionBase, *, is_new: bool = False) -> str:
    """Return the hash of a random value in the session, which binds a state to the browser.

    Return "" if the session has no such value; with ``is_new``, make one.
    """
    if is_new and SESSION_KEY not in session:
        session[SESSION_KEY] = secrets.token_urlsafe(32)
    secret = session.get(SESSION_KEY)
    return _hash(secret) if secret else ""


def _claim_state(
    query: QueryDict, partner: Partner, *, user: User, session: SessionBase, now: datetime
) -> OAuthState:
    """Find the state of a callback and mark it as used. Raises NotAuthorized."""
    state = _find_state(query, partner, user=user, session=session)
    claimable = OAuthState.objects.filter(
        pk=state.pk, used_at=None, created_at__gt=now - STATE_LIFETIME
    )
    if not claimable.update(used_at=now):
        # The state was used before. If another request used it after it was read above, its
        # lifetime has not passed.
        is_repeated = state.used_at is not None or state.created_at > now - STATE_LIFETIME
        raise NotAuthorized(
            _used_text() if is_repeated else _too_old_text(),
            state.app_group,
            open_state=state if is_open(state, now=now) else None,
            is_repeated=is_repeated,
        )
    if not Membership.objects.filter(
        user=user, app_group=state.app_group, app_group__archived_at=None, role=Role.ADMIN
    ).exists():
        raise NotAuthorized(_("Only admins of the app group can connect. Nothing was stored."))
    state.used_at = now
    return state


def _find_state(
    query: QueryDict, partner: Partner, *, user: User, session: SessionBase
) -> OAuthState:
    """Return the state that this user started in this session. Raises NotAuthorized."""
    values = query.getlist("state")
    states = OAuthState.objects.select_related("app_group").filter(
        user=user, session_hash=session_hash(session), partner=partner.key
    )
    state = None
    if len(values) == 1 and _STATE.fullmatch(values[0]):
        state = states.filter(state_hash=_hash(values[0])).first()
    if state is None:
        raise NotAuthorized(
            _(
                "This confirmation does not belong to a connection that you started in this "
                "browser. Nothing was stored."
            )
        )
    return state


def offer_gone_text() -> str:
    """Return the text for an offer that is too old or was deleted by a disconnect."""
    return _(
        "More than an hour has passed since you came back from the partner, or the connection was "
        "disconnected meanwhile. Nothing was stored; connect again."
    )


def _used_text() -> str:
    return _(
        "This confirmation was used already. It works only once; nothing was changed by this visit."
    )


def _too_old_text() -> str:
    minutes = int(STATE_LIFETIME.total_seconds() // 60)
    text = ngettext(
        "This confirmation is too old: it has to come back within %(minutes)d minute. Nothing was "
        "stored.",
        "This confirmation is too old: it has to come back within %(minutes)d minutes. Nothing "
        "was stored.",
        minutes,
    )
    return text % {"minutes": minutes}


@sensitive_variables()
def _read_auth_code(query: QueryDict, partner: Partner, app_group: AppGroup) -> str:
    """Return the code to redeem. Raises NotAuthorized."""
    values = query.getlist(partner.code_parameter)
    params = {"partner": partner.label}
    if "error" in query or not any(values):
        raise NotAuthorized(
            _("You cancelled at %(partner)s. Nothing was stored.") % params, app_group
        )
    if len(values) != 1 or not _AUTH_CODE.fullmatch(values[0]):
        text = _("%(partner)s sent back a confirmation that we cannot read. Nothing was stored.")
        raise NotAuthorized(text % params, app_group)
    return values[0]


@sensitive_variables()
def _exchange(partner: Partner, auth_code: str, state: OAuthState) -> Token:
    """Redeem the code and store the token. Raises NotAuthorized or PartnerError."""
    if not partner.is_configured():
        raise NotAuthorized(not_configured_text(partner), state.app_group)
    token = partner.exchange(auth_code, redirect_uri=redirect_uri(partner))
    state.token_sealed = crypto.seal(token.access_token, context=state.token_context)
    if token.refresh_token:
        state.refresh_sealed = crypto.seal(token.refresh_token, context=state.refresh_context)
    state.token_expires_at = token.expires_at
    state.save(update_fields=["token_sealed", "refresh_sealed", "token_expires_at"])
    return token


@sensitive_variables()
def _fetch_offer(partner: Partner, token: Token, state: OAuthState) -> Offer:
    """Ask the partner for the user and the ad accounts of the token.

    Raises NotAuthorized or PartnerError.
    """
    missing = partner.missing_permissions(token)
    if missing:
        text = _(
            "%(partner)s did not grant what syncing needs: %(permissions)s. Connect again and "
            "leave all permissions ticked. Nothing was stored."
        )
        params = {"partner": partner.label, "permissions": ", ".join(map(str, missing))}
        raise NotAuthorized(text % params, state.app_group)
    offer = Offer(partner.user(token.access_token), tuple(partner.ad_accounts(token.access_token)))
    if not offer.ad_accounts:
        text = _(
            "This %(partner)s user reaches no ad account. Create one there, or ask for the role "
            "%(role)s in one, then connect again. Nothing was stored."
        )
        params = {"partner": partner.label, "role": str(partner.needed_role)}
        raise NotAuthorized(text % params, state.app_group)
    return offer


def _abandon(state: OAuthState, *, now: datetime) -> None:
    """Revoke a token that will not be used; housekeeping retries if the partner does not answer."""
    with transaction.atomic():
        with_token = OAuthState.objects.filter(pk=state.pk).exclude(token_sealed="")
        is_first = with_token.update(token_sealed="", refresh_sealed="")
        spent_token = _schedule_revocation(state, now=now) if is_first else None
    if spent_token:
        revoke.revoke(spent_token)


@sensitive_variables()
def _schedule_revocation(state: OAuthState, *, now: datetime) -> SpentToken | None:
    """Schedule the revocation of a token, in the transaction that removes it from the state."""
    try:
        return revoke.schedule(state.partner, refresh_token_of(state) or token_of(state), now=now)
    except crypto.CannotOpen:
        logger.warning("authorisation %s: the token cannot be opened with TOKEN_KEYS", state.pk)
        return None


def not_configured_text(partner: Partner) -> str:
    """Return the text for a partner without credentials in this installation."""
    text = _(
        "This installation is not registered at %(partner)s yet: its operator has to set the "
        "app id and the app secret (%(settings)s)."
    )
    return text % {"partner": partner.label, "settings": partner.settings_hint}


def _failure_text(error: PartnerError, partner: Partner) -> str:
    """Return why the exchange failed. The sentences of errors.py fit only failed deliveries."""
    params = {"partner": partner.label, "code": error.code}
    if isinstance(error, Rejected) and error.cause is RejectedCause.AUTH_CODE:
        return error.sentence()
    if isinstance(error, Rejected):
        text = _(
            "%(partner)s refused the confirmation (code %(code)s). Nothing was stored. Connect "
            "again; if it stays, inform the operator of this installation."
        )
        return text % params
    text = _(
        "%(partner)s cannot be reached or has a problem. Nothing was stored. Connect again in a "
        "few minutes."
    )
    return text % params


def return_url(user: User, partner: Partner, app_group: AppGroup | None) -> str:
    """Return where to start again: the partner page of the group, or of the user's first group."""
    if app_group is None:
        membership = (
            Membership.objects.filter(user=user, app_group__archived_at=None)
            .select_related("app_group")
            .order_by("joined_at", "pk")
            .first()
        )
        app_group = membership.app_group if membership else None
    return reverse("partner", args=[app_group.slug, partner.key]) if app_group else reverse("home")


def find_partner(key: str) -> Partner | None:
    """Return the partner with this key, or None."""
    try:
        return registry.get(key)
    except KeyError:
        return None


def _without_nul(values: dict[str, Any]) -> dict[str, Any]:
    """Remove NUL, which PostgreSQL stores neither in text nor in JSON."""
    return {
        name: value.replace("\0", "") if isinstance(value, str) else value
        for name, value in values.items()
    }


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
