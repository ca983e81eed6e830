"""What a problem costs if it stays: how many people wait, and when the first are errored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Min, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext, pgettext

from audiencesync.core import deadlines
from audiencesync.groups.models import AppGroup
from partners.models import AdAccount, Audience, Batch, Connection, Sync


@dataclass(frozen=True, slots=True)
class Stake:
    """``people`` wait; the first are errored at ``ends_at`` (None: no people wait)."""

    people: int = 0
    ends_at: datetime | None = None

    def by(self, app_group: AppGroup) -> str:
        """Return until when to act, in the time zone of the group."""
        return clock(self.ends_at, app_group) if self.ends_at else ""

    @property
    def otherwise(self) -> str:
        """Return what happens without action."""
        if not self.people:
            text = gettext(
                "Nobody is waiting yet; "
                "people who come meanwhile count as errored %(patience)s later."
            )
            return text % {"patience": deadlines.delivery()}
        text = ngettext(
            "Otherwise %(n)s person counts as errored.",
            "Otherwise %(n)s people count as errored.",
            self.people,
        )
        return text % {"n": number_format(self.people)}


def clock(at: datetime, app_group: AppGroup, *, seconds: bool = False) -> str:
    """Return day and time in the time zone of the group; with ``seconds`` only the time."""
    local = timezone.localtime(at, ZoneInfo(app_group.time_zone))
    if seconds:
        return date_format(
            local, pgettext("format of a time of day, see Django's date filter", "H:i:s")
        )
    return date_format(
        local, pgettext("format of a day and time, see Django's date filter", "j M, H:i")
    )


def waiting() -> QuerySet[Batch]:
    """Return pending batches of steps, but not the adds of stopped canvases."""
    return Batch.objects.pending().of_steps().filter(n__gt=0).not_paused()


def behind(place: Connection | AdAccount | Audience) -> Stake:
    """Return the stake of a connection, ad account or audience."""
    if isinstance(place, Connection):
        return measured(waiting().filter(ad_account__connection=place))
    if isinstance(place, AdAccount):
        return measured(waiting().filter(ad_account=place))
    return measured(waiting().filter(audience=place))


def of_sync(sync: Sync) -> Stake:
    """Return the stake of a Sync, with the people who left and are removed again."""
    return measured(waiting_in(sync))


def waiting_in(sync: Sync) -> QuerySet[Batch]:
    """Return the pending batches of a Sync and of the one that undoes it."""
    return waiting().filter(Q(sync=sync) | Q(sync__undoes=sync))


def measured(batches: QuerySet[Batch]) -> Stake:
    """Sum up batches. One that has not failed yet still has the whole retry window."""
    found = batches.order_by().aggregate(n=Sum("n"), first=Min("deadline_at"))
    if not found["n"]:
        return Stake()
    whole = timezone.now() + timedelta(seconds=settings.SYNC.deadline)
    return Stake(found["n"], found["first"] or whole)
