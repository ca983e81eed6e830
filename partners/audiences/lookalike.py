"""Create a lookalike at the partner from an audience."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import datetime

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from audiencesync.core.beat import exclusive
from audiencesync.groups.models import Activity, User
from partners.audiences import listing
from partners.audiences.creation import POLL_SECONDS, WAIT_SECONDS
from partners.audiences.listing import AudienceNameError
from partners.base import Lookalike
from partners.errors import PartnerError, Retry
from partners.models import AdAccount, Audience

logger = logging.getLogger(__name__)


def can_seed(source: Audience) -> bool:
    """Return whether the partner can make a lookalike from this audience now."""
    partner = listing.partner_of(source.ad_account)
    if not partner.lookalike_reaches or source.kind == partner.lookalike_type:
        return False
    return source.gone_at is None and (source.size or 0) >= partner.lookalike_seed


def create(source: Audience, wanted: Lookalike, *, by: User, now: datetime) -> Audience:
    """Create a lookalike and return its row, read back from the partner's list.

    Raises AudienceNameError or PartnerError, both with a sentence. One process at a time creates
    lookalikes in an ad account, and it lists audiences before it creates one. So neither a double
    click nor another try after an unclear answer creates two.
    """
    ad_account = source.ad_account
    name = listing.check_name(wanted.name, listing.partner_of(ad_account))
    wanted, has_waited = replace(wanted, name=name), False
    give_up_at = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < give_up_at:
        lease = settings.SYNC.create_lease
        with exclusive(f"lookalike:{ad_account.pk}", lease) as is_mine:
            if is_mine:
                return _create(source, wanted, has_waited=has_waited, by=by, now=now)
        has_waited = True
        time.sleep(POLL_SECONDS)
    raise _unconfirmed_error(ad_account)


def _create(
    source: Audience, wanted: Lookalike, *, has_waited: bool, by: User, now: datetime
) -> Audience:
    """Create the lookalike, unless an audience of its name exists.

    ``has_waited``: another process was creating lookalikes meanwhile. Then an existing audience of
    this name is the wanted lookalike, and otherwise an error.
    """
    ad_account = source.ad_account
    partner, token = listing.partner_of(ad_account), listing.token_for(ad_account, now=now)
    listing.refresh(ad_account, now=now, is_forced=True)
    if (existing := _find(ad_account, wanted.name)) is not None:
        if has_waited:
            return existing
        text = _("An audience named %(name)s exists already. Type another name.")
        raise AudienceNameError(text % {"name": wanted.name})
    try:
        partner.create_lookalike(
            token, ad_account.remote_id, source_id=source.remote_id, wanted=wanted
        )
    except PartnerError as error:
        if not isinstance(error, Retry) or error.is_throttled:
            raise listing.explain_and_park(error, ad_account, now=now) from error
    audience = _read_back(ad_account, wanted.name, now=timezone.now())
    if audience is None:
        raise _unconfirmed_error(ad_account)
    group, kind = ad_account.connection.app_group, Activity.Kind.AUDIENCE
    Activity.log(group, by, Activity.Verb.CREATED, wanted.name, kind=kind)
    return audience


def _find(ad_account: AdAccount, name: str) -> Audience | None:
    return listing.choices(ad_account).filter(name=name).first()


def _read_back(ad_account: AdAccount, name: str, *, now: datetime) -> Audience | None:
    try:
        listing.refresh(ad_account, now=now, is_forced=True)
    except PartnerError as error:
        logger.info("audiences of ad account %s: %s", ad_account.pk, error.message_for_log)
    return _find(ad_account, name)


def _unconfirmed_error(ad_account: AdAccount) -> AudienceNameError:
    text = _("%(partner)s has not confirmed it yet. Look at the list of audiences shortly.")
    return AudienceNameError(text % {"partner": listing.partner_of(ad_account).label})
