"""Create a lookalike at the partner from an audience."""

from __future__ import annotations

from datetime import datetime

from django.utils.translation import gettext as _

from audiencesync.groups.models import Activity, User
from partners.audiences import listing
from partners.audiences.listing import AudienceNameError
from partners.base import Lookalike
from partners.errors import PartnerError, Retry
from partners.models import Audience


def can_seed(source: Audience) -> bool:
    """Return whether the partner can make a lookalike from this audience now."""
    partner = listing.partner_of(source.ad_account)
    is_large = (source.size or 0) >= partner.lookalike_seed
    return bool(partner.lookalike_reaches) and source.gone_at is None and is_large


def create(source: Audience, wanted: Lookalike, *, by: User, now: datetime) -> Audience:
    """Create it and return its row, read back from the partner's list.

    Raises AudienceNameError or PartnerError, both with a sentence. The request is never repeated:
    after an unclear answer the list says whether it is there.
    """
    ad_account = source.ad_account
    partner, token = listing.partner_of(ad_account), listing.token_for(ad_account, now=now)
    name = listing.check_name(wanted.name, partner)
    if listing.choices(ad_account).filter(name=name).exists():
        text = _("An audience named %(name)s exists already. Type another name.")
        raise AudienceNameError(text % {"name": name})
    wanted = Lookalike(name, wanted.country, wanted.reach)
    try:
        partner.create_lookalike(
            token, ad_account.remote_id, source_id=source.remote_id, wanted=wanted
        )
    except PartnerError as error:
        if not isinstance(error, Retry) or error.is_throttled:
            raise listing.explain_and_park(error, ad_account, now=now) from error
    listing.refresh(ad_account, now=now, is_forced=True)
    row = listing.choices(ad_account).filter(name=name).first()
    if row is None:
        text = _("%(partner)s has not confirmed it yet. Look at the list of audiences shortly.")
        raise AudienceNameError(text % {"partner": partner.label})
    Activity.log(
        ad_account.connection.app_group,
        by,
        Activity.Verb.CREATED,
        name,
        kind=Activity.Kind.AUDIENCE,
    )
    return row
