"""Send people again after the fields to match changed in an audience that is kept up to date.

People who are in the audience with the former fields are removed from it first. Then they enter the
canvas again and are added with the new fields. A form asks before it saves such a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef
from django.utils.formats import number_format
from django.utils.translation import gettext, ngettext

from audiencesync.core.database.time_limit import TooSlow, at_most
from audiencesync.people.models import Profile
from audiencesync.people.models.live import SegmentMember, Subscription
from audiencesync.people.segments import live_changes
from canvases.models import Canvas, Step
from partners.models import Action

COUNT_SECONDS = 2.0


def n_people(step: Step, settings: Mapping[str, Any]) -> int:
    """Return how many people would leave and enter again because of new ``settings`` of a step.

    In a stopped canvas they do so at the next launch. If counting takes too long, return the number
    of people in the segment.
    """
    is_mirrored = bool(settings.get("removes")) and settings.get("action") == Action.ADD
    own_kinds = settings.get("kinds", []) if is_mirrored else []
    # Only a canvas that is kept up to date with its segment has a subscription of this kind.
    subscription = Subscription.objects.filter(
        listener=step.canvas_id, role="entry", kind="segment", is_leave_only=False
    ).first()
    if not own_kinds or subscription is None:
        return 0
    kinds = sorted({*own_kinds, *_kinds_of_others(step)})
    if kinds == sorted(subscription.kinds):
        return 0
    try:
        with at_most(COUNT_SECONDS):
            return _n_changed_members(
                subscription, kinds, is_strict=step.canvas.app_group.consent_required
            )
    except TooSlow:
        return SegmentMember.objects.filter(subscription=subscription).count()


def _n_changed_members(subscription: Subscription, kinds: Sequence[str], *, is_strict: bool) -> int:
    """Return the number of members whose identifiers to send would change."""
    members = SegmentMember.objects.filter(subscription=subscription, profile=OuterRef("pk"))
    people = Profile.objects.filter(app_group=subscription.app_group_id)
    people = people.annotate(sent=live_changes.fingerprint(kinds, is_strict=is_strict))
    return people.filter(Exists(members.exclude(fingerprint=OuterRef("sent")))).count()


def _kinds_of_others(step: Step) -> set[str]:
    rows = Step.objects.filter(canvas=step.canvas_id).removing().exclude(pk=step.pk)
    return {kind for kinds in rows.values_list("sync__kinds", flat=True) for kind in kinds}


def why_not(canvas: Canvas) -> str:
    """Return why people would be removed and not added again; empty if they are added again."""
    if canvas.reentry == Canvas.Reentry.LEFT:
        return ""
    return gettext(
        "Other fields let people leave the audience and enter again, which this canvas does not "
        "allow. Choose “After leaving” as the re-entry in the entry card first."
    )


def sentence(canvas: Canvas, n: int) -> str:
    """Return what saving does to ``n`` people."""
    text = ngettext(
        "%(n)s person is removed from the audience and added again with these fields. The person "
        "enters the canvas once more and is counted again.",
        "%(n)s people are removed from the audience and added again with these fields. They enter "
        "the canvas once more and are counted again; until then the audience is smaller.",
        n,
    ) % {"n": number_format(n)}
    if canvas.cap_total is None and canvas.cap_per_day is None:
        return text
    limits = gettext("The limits of the entry count them, too, and may turn them away.")
    return f"{text} {limits}"
