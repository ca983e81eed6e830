"""What a trouble costs if nobody acts: how many people wait behind it, and when the first of them count as errors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Min, QuerySet, Sum
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext, ngettext, pgettext

from audiencesync.core import deadlines
from audiencesync.groups.models import AppGroup
from partners.models import AdAccount, Audience, Batch, Connection, Outcome, Sync
from partners.models.batch_queries import PAUSED


@dataclass(frozen=True, slots=True)
class Stake:
    """``people`` wait; the first count as errored at ``ends_at`` (None: nobody waits)."""

    people: int = 0
    ends_at: datetime | None = None

    def by(self, app_group: AppGroup) -> str:
        """Until when to act, on the clock of the group."""
        return clock(self.ends_at, app_group) if self.ends_at else ""

    @property
    def otherwise(self) -> str:
        """What happens without action."""
        if not self.people:
            text = gettext(
                "Nobody is waiting yet; people who come meanwhile count as errored %(patience)s later."
            )
            return text % {"patience": deadlines.delivery()}
        text = ngettext(
            "Otherwise %(n)s person counts as errored.",
            "Otherwise %(n)s people count as errored.",
            self.people,
        )
        return text % {"n": number_format(self.people)}


def clock(at: datetime, app_group: AppGroup, *, seconds: bool = False) -> str:
    """Day and time of day in the time zone of the group; with ``seconds`` only the time of day."""
    local = timezone.localtime(at, ZoneInfo(app_group.time_zone))
    if seconds:
        return date_format(
            local, pgettext("format of a time of day, see Django's date filter", "H:i:s")
        )
    return date_format(
        local, pgettext("format of a day and time, see Django's date filter", "j M, H:i")
    )


def waiting() -> QuerySet[Batch]:
    """Batches of steps with people who are not sent yet and whose time runs; it stands still while a canvas is stopped."""
    pending = Batch.objects.filter(
        state=Outcome.PENDING, n__gt=0, repeat_of=None, sync__purpose=Sync.Purpose.STEP
    )
    return pending.exclude(PAUSED)


def behind(place: Connection | AdAccount | Audience) -> Stake:
    """Who waits behind a place at a partner."""
    if isinstance(place, Connection):
        return measured(waiting().filter(ad_account__connection=place))
    if isinstance(place, AdAccount):
        return measured(waiting().filter(ad_account=place))
    return measured(waiting().filter(audience=place))


def of_sync(sync: Sync) -> Stake:
    """Who waits for this Sync."""
    return measured(waiting().filter(sync=sync))


def measured(batches: QuerySet[Batch]) -> Stake:
    """Sum them up. Whose time has not begun yet has all of it."""
    found = batches.order_by().aggregate(n=Sum("n"), first=Min("deadline_at"))
    if not found["n"]:
        return Stake()
    whole = timezone.now() + timedelta(seconds=settings.SYNC.deadline)
    return Stake(found["n"], found["first"] or whole)
