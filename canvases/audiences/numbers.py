"""What is known about an audience: its size by day, its members, who adds and removes people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Min, QuerySet, Sum
from django.utils.translation import gettext_lazy as _

from audiencesync.core.charts import bins
from audiencesync.core.charts.bars import Bars, Series
from audiencesync.core.charts.bins import Bins
from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.people.models import Profile
from canvases.models import Canvas, Step
from partners.audiences import sent
from partners.models import Action, Audience, AudienceSize, Batch, MemberCount, Outcome, TallyHour

COUNT_SECONDS = 2.0
CHANGES = {
    Action.ADD: (_("Added"), "fill-synced"),
    Action.REMOVE: (_("Removed"), "fill-grey"),
}


@dataclass(frozen=True, slots=True)
class Use:
    """A step that uses or used an audience. ``synced``: how many people it added or removed."""

    step: Step
    action: Action
    synced: int
    is_current: bool  # False: the step used this audience before
    is_only: bool  # the step has had no other audience or action

    @property
    def is_add(self) -> bool:
        """Return whether the step adds people."""
        return self.action is Action.ADD


def uses(audience: Audience) -> list[Use]:
    """Return the steps that use or used an audience, live canvases first. Two queries."""
    rows = (
        Step.objects.filter(syncs__audience=audience)
        .order_by("canvas", "pk")
        .values_list("pk", "syncs__action")
        .annotate(n=Sum("syncs__tally__synced"))
    )
    counted = [(pk, Action(action), n or 0) for pk, action, n in rows]
    kept = Step.objects.select_related("canvas__app_group", "sync")
    steps = kept.annotate(n_syncs=Count("syncs")).in_bulk([pk for pk, _action, _n in counted])
    all_uses = [
        Use(steps[pk], action, n, _is_current(steps[pk], audience, action), steps[pk].n_syncs == 1)
        for pk, action, n in counted
    ]
    return sorted(
        all_uses, key=lambda use: (use.step.canvas.state != Canvas.State.LIVE, not use.is_current)
    )


def _is_current(step: Step, audience: Audience, action: Action) -> bool:
    sync = step.sync
    if sync is None or step.removed_at is not None:
        return False
    return sync.audience_id == audience.pk and sync.action == action


def is_in_use(all_uses: Iterable[Use]) -> bool:
    """Return whether a step sends to the audience now."""
    return any(use.is_current for use in all_uses)


def is_conflict(all_uses: Iterable[Use]) -> bool:
    """Return whether one step adds people to the audience and another removes people from it."""
    actions = {
        use.action
        for use in all_uses
        if use.is_current and use.step.canvas.state != Canvas.State.ARCHIVED
    }
    return len(actions) > 1


def people(audience: Audience) -> QuerySet[Profile]:
    """Return the people who are in the audience according to what we sent."""
    return Profile.objects.filter(
        sent.listed_members_q(audience.pk), app_group=audience.ad_account.connection.app_group_id
    )


def count_members(profiles: QuerySet[Profile], *, seconds: float = COUNT_SECONDS) -> int | None:
    """Count the result of `people`; return None if this takes too long."""
    try:
        with at_most(seconds):
            return profiles.count()
    except TooSlow:
        return None


def last_count(audience: Audience) -> MemberCount | None:
    """Return the last finished count of the members of a large audience; None without one."""
    return MemberCount.objects.filter(audience=audience, counted_at__isnull=False).first()


def most_members(audience: Audience) -> int:
    """Return an upper limit of the members: all accepted additions, repeated ones too."""
    added = Batch.objects.filter(audience=audience, action=Action.ADD, state=Outcome.SYNCED)
    n: int = added.aggregate(n=Sum("n", default=0))["n"]
    return n


def first_added_at(audience: Audience) -> datetime | None:
    """Return the first hour with an addition, of the hours that are kept."""
    hours = TallyHour.objects.filter(sync__audience=audience, sync__action=Action.ADD, synced__gt=0)
    first: datetime | None = hours.aggregate(first=Min("hour"))["first"]
    return first


def changes(audience: Audience, bins_shown: Bins) -> Bars:
    """Return the people added and removed by day, as the partner accepted them. One query."""
    hours = TallyHour.objects.filter(
        sync__audience=audience, hour__gte=bins_shown.begin, hour__lt=bins_shown.end
    ).order_by()
    rows = hours.values_list("hour", "sync__action").annotate(n=Sum("synced"))
    actions = list(CHANGES)
    counts = [
        (hour, [n if action == column_action else 0 for column_action in actions])
        for hour, action, n in rows
    ]
    values = list(zip(*bins_shown.sums(counts, len(actions)), strict=True))
    return Bars(
        bins_shown,
        [
            Series(action.value, label, css, values[n])
            for n, (action, (label, css)) in enumerate(CHANGES.items())
        ],
    )


def sizes(audience: Audience, days: int, *, now: datetime) -> Bars:
    """Return the size by day as the partner reported it; 0 for days without a report."""
    today = now.astimezone(UTC).date()
    first = today - timedelta(days=days - 1)
    bins_shown = bins.days(first, today, ZoneInfo("UTC"))
    size_on = dict(
        AudienceSize.objects.filter(audience=audience, day__gte=first).values_list("day", "size")
    )
    values = [size_on.get(first + timedelta(days=n), 0) for n in range(days)]
    return Bars(bins_shown, [Series("size", _("Size"), "fill-synced", values)])


def size_before(audience: Audience, days: int, *, now: datetime) -> int | None:
    """Return the size some days ago; None if it was not noted."""
    day = now.astimezone(UTC).date() - timedelta(days=days)
    return (
        AudienceSize.objects.filter(audience=audience, day=day)
        .values_list("size", flat=True)
        .first()
    )
