"""How many people a canvas keeps in its audiences, and who they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from django.core.cache import cache
from django.db.models import Case, CharField, Q, QuerySet, Value, When
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.people import eligibility
from audiencesync.people.models import Profile
from audiencesync.people.models.live import SegmentMember, Subscription
from audiencesync.people.segments import audiences
from canvases.models import Canvas
from partners.models import Action

SEGMENT, AUDIENCE, UNSENT = "segment", "audience", "unsent"
LABELS: dict[str, str | Promise] = {
    SEGMENT: _("In the segment"),
    AUDIENCE: _("In the audience"),
    UNSENT: _("Cannot be sent"),
}
REASONS: dict[str, str | Promise] = {
    "consent": _("No consent to advertising"),
    "identifier": _("No usable value in the chosen fields"),
    "tracking": _("Ad tracking is switched off"),
}
COUNT_SECONDS = 1.0  # the longest that one count may take
CACHE_SECONDS, CACHE_SECONDS_IF_SLOW = 10, 120


@dataclass(frozen=True, slots=True)
class Headcount:
    """A number of people; ``n`` is None if counting took too long. ``who`` names their list."""

    who: str
    n: int | None

    @property
    def label(self) -> str | Promise:
        """Return what is counted."""
        return LABELS[self.who]


def of_canvas(canvas: Canvas) -> list[Headcount]:
    """Return the counts of a canvas that is kept up to date; none of another one.

    Cached for some seconds, since every open page polls them.
    """
    subscription = live_subscription(canvas)
    if subscription is None:
        return []
    key = f"canvas-heads-{canvas.pk}-{canvas.version}"
    counts: list[tuple[str, int | None]] | None = cache.get(key)
    if counts is None:
        kinds = list(LABELS) if subscription.kinds else [SEGMENT]
        counts = [(who, _count(canvas, subscription, who)) for who in kinds]
        is_whole = all(n is not None for _who, n in counts)
        cache.set(key, counts, CACHE_SECONDS if is_whole else CACHE_SECONDS_IF_SLOW)
    return [Headcount(who, n) for who, n in counts]


def live_subscription(canvas: Canvas) -> Subscription | None:
    """Return the subscription that keeps a canvas up to date; None before its first launch."""
    if canvas.entry_by != Canvas.EntryBy.SEGMENT:
        return None
    return Subscription.objects.filter(listener=canvas.pk, role="entry", kind="segment").first()


def _count(canvas: Canvas, subscription: Subscription, who: str) -> int | None:
    try:
        with at_most(COUNT_SECONDS):
            return people(canvas, subscription, who).count()
    except TooSlow:
        return None


def people(canvas: Canvas, subscription: Subscription, who: str) -> QuerySet[Profile]:
    """Return the profiles behind one of the counts: ``who`` is a key of LABELS."""
    members = SegmentMember.objects.filter(subscription=subscription)
    if who == UNSENT:
        members = members.filter(fingerprint="")  # empty: nothing would be sent
    profiles = Profile.objects.filter(pk__in=members.values("profile_id"))
    return profiles.filter(_in_audiences(canvas)) if who == AUDIENCE else profiles


def _in_audiences(canvas: Canvas) -> Q:
    """Return the condition on profiles that we sent to an audience to which the canvas adds."""
    add_steps = canvas.steps.filter(removed_at=None, sync__action=Action.ADD)
    audience_ids = add_steps.order_by().values_list("sync__audience", flat=True).distinct()
    return reduce(or_, map(audiences.members, audience_ids), Q(pk__in=[]))


def with_reason(profiles: QuerySet[Profile], subscription: Subscription) -> QuerySet[Any]:
    """Annotate profiles that cannot be sent with ``why``, a key of REASONS."""
    kinds, is_strict = subscription.kinds, subscription.app_group.consent_required
    return profiles.annotate(
        why=Case(
            When(eligibility.no_consent(is_strict=is_strict).q, then=Value("consent")),
            When(eligibility.has_none_q(kinds), then=Value("identifier")),
            When(eligibility.only_untracked_q(kinds), then=Value("tracking")),
            default=Value(""),
            output_field=CharField(),
        )
    )
