"""Delete an audience at the partner."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from audiencesync.groups.models import Activity, User
from partners.audiences import listing
from partners.errors import PartnerError, Rejected, RejectedCause
from partners.incidents import reconcile
from partners.models import AdAccount, Audience
from partners.queue import park


def delete(audience: Audience, *, by: User, now: datetime) -> None:
    """Delete an audience at the partner; one that is gone there already counts as deleted.

    Our row stays, because steps, tallies and the log refer to it. Raises PartnerError with a
    sentence for the marketer. No transaction is open during the call.
    """
    ad_account = audience.ad_account
    token = listing.token_for(ad_account, now=now)
    try:
        listing.partner_of(ad_account).delete_audience(
            token,
            ad_account.remote_id,
            audience_id=audience.remote_id,
            takes_people=audience.is_appendable,
        )
    except PartnerError as error:
        is_gone = isinstance(error, Rejected) and error.cause is RejectedCause.AUDIENCE_GONE
        if not is_gone:
            raise listing.explain_and_park(error, ad_account, now=now) from error
    gone_at = timezone.now()  # later than any list that was requested before the deletion
    with transaction.atomic():
        # Of two deletions at once, the first one counts.
        if Audience.objects.filter(pk=audience.pk, gone_at=None).update(gone_at=gone_at):
            AdAccount.objects.filter(pk=ad_account.pk).update(
                n_audiences=Greatest(F("n_audiences") - 1, 0)
            )
            group, kind = ad_account.connection.app_group, Activity.Kind.AUDIENCE
            Activity.log(group, by, Activity.Verb.REMOVED, audience.name, kind=kind)
        park.park_audience(audience, None, gone_at)
    reconcile.after_commit(ad_account.connection.app_group_id)
