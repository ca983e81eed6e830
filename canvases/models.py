"""Canvases, steps, visits, and the counters of each."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import F, Q, Sum
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup, User
from audiencesync.people.models import Profile, Segment
from canvases.indexes import InOrderOfIds
from partners.models import Action, Sync

NAME_LENGTH, DESCRIPTION_LENGTH = 120, 500  # of canvases and steps


class Canvas(models.Model):
    """A customer journey of one app group."""

    class State(models.TextChoices):
        """The states of a canvas. Only a live one admits and moves profiles."""

        DRAFT = "draft", _("Draft")
        LIVE = "live", _("Live")
        STOPPED = "stopped", _("Stopped")
        ARCHIVED = "archived", _("Archived")

    class EntryBy(models.TextChoices):
        """What lets people enter."""

        LAUNCH = "launch", _("Everybody in the segment when launched")
        SEGMENT = "segment", _("Everybody in the segment, kept up to date")
        EVENT = "event", _("When an event happens")
        SCHEDULE = "schedule", _("On a schedule")
        CALL = "call", _("By API")

    class Reentry(models.TextChoices):
        """When a person may enter again."""

        NEVER = "never", _("Never")
        LEFT = "left", _("After leaving")
        DAYS = "days", _("After some days")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="canvases")
    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)  # its id in the REST API
    name = models.CharField(_("name"), max_length=NAME_LENGTH)
    description = models.CharField(_("description"), max_length=DESCRIPTION_LENGTH, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    segment = models.ForeignKey(
        Segment, models.PROTECT, null=True, blank=True, related_name="canvases"
    )
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    edited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField(default=timezone.now)
    # Rises with each save of name, description and entry. A save names the version that its form
    # showed, and is refused if another one is stored.
    version = models.PositiveIntegerField(default=1)
    launched_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    # Profiles up to this id were read for admission; not all of them may have entered.
    entry_cursor = models.BigIntegerField(default=0)
    # The highest profile id at the launch or the start of a run; None once all were admitted.
    entry_until = models.BigIntegerField(null=True, blank=True)
    entry_by = models.CharField(
        max_length=8,
        choices=EntryBy.choices,
        default=EntryBy.LAUNCH,
        db_default=EntryBy.LAUNCH,
    )
    # For entry by EVENT: {"kind": "event" or "purchase", "name": ..., "where": [...]}; by SCHEDULE:
    # see schedule.py; otherwise empty.
    entry: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, db_default={}
    )
    reentry = models.CharField(
        max_length=5, choices=Reentry.choices, default=Reentry.NEVER, db_default=Reentry.NEVER
    )
    reentry_days = models.PositiveSmallIntegerField(null=True, blank=True)
    cap_total = models.PositiveBigIntegerField(null=True, blank=True)  # entries, ever
    cap_per_day = models.PositiveBigIntegerField(null=True, blank=True)  # in the group's time zone
    turned_away = models.BigIntegerField(default=0, db_default=0)  # people whom a cap kept out
    too_old = models.BigIntegerField(default=0, db_default=0)  # events of long before the launch
    # {"events": [{"kind", "name", "where"}, ...], "left": whether leaving the entry segment counts}
    exits: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(
        default=dict, db_default={}
    )
    next_run_at = models.DateTimeField(null=True, blank=True)  # None unless live and on a schedule
    serial = models.BigIntegerField(default=0, db_default=0)  # the highest slot of its visits
    # Since when removals wait for a confirmation, as too many people left at once.
    braked_at = models.DateTimeField(null=True, blank=True)
    brake_lifted_at = models.DateTimeField(null=True, blank=True)
    # The brake (engine/brake.py) has counted LEFT signals up to the id ``brake_seen``, and
    # ``brake_waiting`` people in them. At most so many would be removed: some may have come back.
    brake_seen = models.BigIntegerField(default=0, db_default=0)
    brake_waiting = models.BigIntegerField(default=0, db_default=0)
    entered = models.BigIntegerField(default=0)
    # The last day with entries, in the time zone that the group had then, and their number.
    entered_on = models.DateField(null=True, blank=True)
    entered_that_day = models.BigIntegerField(default=0, db_default=0)
    hours_base = models.BigIntegerField(default=0, db_default=0)  # sum of deleted CanvasHour rows
    first_entry_at = models.DateTimeField(null=True, blank=True)
    last_entry_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-edited_at", "-pk"]
        indexes = [models.Index(fields=["state"], condition=Q(state="live"), name="canvas_live")]
        constraints = [
            models.CheckConstraint(
                condition=Q(reentry="days", reentry_days__gte=1)
                | Q(reentry_days=None) & ~Q(reentry="days"),
                name="canvas_reentry_days",
            ),
            models.CheckConstraint(
                condition=Q(turned_away__gte=0, serial__gte=0), name="canvas_counts_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the path of the editor page."""
        return reverse("canvas", args=[self.app_group.slug, self.pk])

    @property
    def is_archived(self) -> bool:
        """Return whether the canvas is in the archive, where nothing is sent or retried."""
        return self.state == self.State.ARCHIVED

    @property
    def is_idle(self) -> bool:
        """Return whether the canvas is a draft or stopped: it can be edited and launched."""
        return self.state in (Canvas.State.DRAFT, Canvas.State.STOPPED)

    @property
    def enters_in_crowds(self) -> bool:
        """Return whether people of the segment enter at the launch or at a run, not one by one."""
        by = Canvas.EntryBy
        return self.entry_by in (by.LAUNCH, by.SEGMENT, by.SCHEDULE)

    @property
    def enters_by_call(self) -> bool:
        """Return whether people enter when the API names them, which may be after the launch."""
        return self.entry_by in (self.EntryBy.CALL, self.EntryBy.LAUNCH)

    def edition(self) -> str:
        """Return a text that changes with each stop and each edit of the canvas, steps or segments.

        A launch names the edition that its page showed, and is refused if it has changed.
        """
        exits = self.exit_segments.aggregate(n=Sum("segment__version", default=0))["n"]
        entry = self.segment.version if self.segment else 0
        return f"{self.edited_at} {self.stopped_at} {entry} {exits}"

    @classmethod
    def lock_all(cls, app_group: AppGroup) -> None:
        """Lock all canvases of a group until the transaction ends: no visit of them can move."""
        list(
            cls.objects.select_for_update()
            .filter(app_group=app_group)
            .order_by("pk")
            .values_list("pk")
        )


class ExitSegment(models.Model):
    """A segment that ends the visit of each person who joins it."""

    canvas = models.ForeignKey(Canvas, models.CASCADE, related_name="exit_segments")
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="exits_of")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["canvas", "segment"], name="exit_segment_once")
        ]

    def __str__(self) -> str:
        return str(self.canvas)


class LeftBy(models.TextChoices):
    """Why a visit ended early, before it reached an end of the flow."""

    EVENT = "event", _("An exit event happened")
    SEGMENT = "segment", _("Left the entry segment")
    JOINED = "joined", _("Joined an exit segment")
    CHANGED = "changed", _("Identifiers changed; entered again")
    ERASED = "erased", _("Erased")
    REMOVED = "removed", _("The component was removed")
    MERGED = "merged", _("Merged with another profile")


class ExitTally(models.Model):
    """Visits of a canvas that ended early, by reason."""

    canvas = models.ForeignKey(Canvas, models.CASCADE, related_name="exit_tallies")
    reason = models.CharField(max_length=7, choices=LeftBy.choices)
    n = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["canvas", "reason"], name="exit_tally_once"),
            models.CheckConstraint(condition=Q(n__gte=0), name="exit_tally_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.n} left canvas {self.canvas_id}: {self.reason}"


class CanvasHour(models.Model):
    """Entries into a canvas within an hour. Changes together with Canvas.entered."""

    canvas = models.ForeignKey(Canvas, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    entered = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["canvas", "hour"], name="canvas_hour_once")]

    def __str__(self) -> str:
        return f"entries of canvas {self.canvas_id} at {self.hour}"


class StepQuerySet(models.QuerySet["Step"]):
    """Steps, by what they do."""

    def removing(self) -> StepQuerySet:
        """Keep the Audience Sync steps that remove the people they added when these leave."""
        return self.filter(removed_at=None, settings__removes=True, sync__action=Action.ADD)


class Step(models.Model):
    """A component of a canvas. ``parent`` is the step before it; ``sync`` is its current Sync."""

    GROUP_PATH = "canvas__app_group"

    canvas = models.ForeignKey(Canvas, models.CASCADE, related_name="steps")
    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)  # its id in the REST API
    kind = models.CharField(max_length=20)  # a key of canvases.steps.KINDS
    # Both texts are optional. Without a name, lists show what the step does.
    name = models.CharField(
        _("name"), max_length=NAME_LENGTH, blank=True, default="", db_default=""
    )
    description = models.CharField(
        _("description"), max_length=DESCRIPTION_LENGTH, blank=True, default="", db_default=""
    )
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    branch = models.PositiveSmallIntegerField(default=0)  # of the parent; 0: see tree.py
    settings: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    sync = models.ForeignKey(Sync, models.PROTECT, null=True, blank=True, related_name="+")
    # The current Sync and all former ones: the card sums over them.
    syncs = models.ManyToManyField(Sync, related_name="steps")
    version = models.PositiveIntegerField(default=1)
    # A removed step that had visits is kept for its numbers.
    removed_at = models.DateTimeField(null=True, blank=True)
    # Whether people who waited at a removed step are still to be moved (engine/clearance.py), and
    # to which step; None: they leave the canvas.
    is_clearing = models.BooleanField(default=False, db_default=False)
    clears_to = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="+")

    objects = StepQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["parent", "branch"],
                condition=Q(removed_at=None, parent__isnull=False),
                name="step_place",
            ),
            models.UniqueConstraint(
                fields=["canvas"], condition=Q(removed_at=None, parent=None), name="step_first"
            ),
            models.CheckConstraint(
                condition=Q(is_clearing=False, clears_to=None)
                | Q(is_clearing=True, removed_at__isnull=False),
                name="step_clears_if_removed",
            ),
        ]
        indexes = [
            models.Index(fields=["canvas"], condition=Q(is_clearing=True), name="step_clearing")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class StepSegment(models.Model):
    """A segment that the settings of a step name. This row protects it from deletion."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="segment_uses")
    segment = models.ForeignKey(Segment, models.PROTECT, related_name="steps_with")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step", "segment"], name="step_segment_once")
        ]

    def __str__(self) -> str:
        return str(self.step.canvas)


class Visit(models.Model):
    """The walk of one profile through one canvas."""

    # The database does not check foreign keys here: that took a third of a launch on PostgreSQL.
    # Visits are written, and steps removed, under the lock of the canvas. A visit may outlive its
    # profile: every step then treats the profile as erased.
    canvas = models.ForeignKey(
        Canvas, models.CASCADE, related_name="visits", db_index=False, db_constraint=False
    )
    profile = models.ForeignKey(
        Profile,
        models.SET_NULL,
        null=True,
        related_name="visits",
        db_index=False,
        db_constraint=False,
    )
    # 0 where a profile enters a canvas only once; otherwise a rising number (Canvas.serial)
    slot = models.PositiveIntegerField(default=0)
    step = models.ForeignKey(
        Step, models.PROTECT, null=True, related_name="visits", db_index=False, db_constraint=False
    )
    due_at = models.DateTimeField(null=True)  # when the step acts on the visit, which then moves on
    entered_at = models.DateTimeField()
    # When the event happened that let the person in; null for other entries.
    began_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)
    arrived_at = models.DateTimeField(null=True)  # at its step; null: before this column existed
    # The branch that an event has chosen while the visit waits at its step.
    branch = models.PositiveSmallIntegerField(null=True)
    # The steps the visit has passed: "/5>1;" went on from step 5 by branch 1, "/5!0;" left the
    # canvas there, "/5~;" ended or was moved before step 5 acted. Empty for visits from before
    # trails existed.
    trail = models.TextField(default="", db_default="")
    # null: the visit went all the way through, or is not over
    left_by = models.CharField(max_length=7, choices=LeftBy.choices, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["profile", "canvas", "slot"], name="visit_once"),
            models.UniqueConstraint(
                fields=["profile", "canvas"], condition=Q(left_at=None), name="visit_open_once"
            ),
        ]
        indexes = [
            # The order in which crowds are chosen. Without the id, all visits that are due at one
            # time would be sorted for each crowd. The condition differs from that of
            # visit_open_once ("left_at is null"): otherwise PostgreSQL would read all of
            # visit_open_once while its statistics know of no open visit.
            models.Index(
                fields=["step", "due_at", "id"],
                condition=Q(step__isnull=False),
                name="visit_due",
            ),
            models.Index(
                fields=["canvas", "left_by", "id"],
                condition=Q(left_by__isnull=False),
                name="visit_left_early",
            ),
            InOrderOfIds("canvas", name="visit_of_canvas"),
        ]

    def __str__(self) -> str:
        return f"visit {self.pk}"


class StepTally(models.Model):
    """Visits that came to a step, went on, left the canvas there, were withdrawn, or wait.

    Changes in the transaction that changes the visits.
    """

    step = models.OneToOneField(Step, models.CASCADE, primary_key=True, related_name="tally")
    entered = models.BigIntegerField(default=0)
    proceeded = models.BigIntegerField(default=0)
    exited = models.BigIntegerField(default=0)
    withdrawn = models.BigIntegerField(default=0, db_default=0)  # ended before the step acted
    waiting = models.BigIntegerField(default=0)
    # How much of each count comes from visits that are older than trails: {"proceeded": 7}.
    base: models.JSONField[dict[str, int], dict[str, int]] = models.JSONField(
        default=dict, db_default={}
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(entered=F("proceeded") + F("exited") + F("withdrawn") + F("waiting")),
                name="step_tally_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(
                    entered__gte=0,
                    proceeded__gte=0,
                    exited__gte=0,
                    withdrawn__gte=0,
                    waiting__gte=0,
                ),
                name="step_tally_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"tally of step {self.step_id}"


class StepHour(models.Model):
    """The changes of the tally of a step within an hour, for charts. Waiting is not kept."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField()
    entered = models.BigIntegerField(default=0)
    proceeded = models.BigIntegerField(default=0)
    exited = models.BigIntegerField(default=0)
    withdrawn = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "hour"], name="step_hour_once")]

    def __str__(self) -> str:
        return f"tally of step {self.step_id} at {self.hour}"


class BranchTally(models.Model):
    """Visits that took a branch of a split. Changes in the transaction that moves the visits."""

    step = models.ForeignKey(Step, models.CASCADE, related_name="branch_tallies")
    branch = models.PositiveSmallIntegerField()
    n = models.BigIntegerField(default=0)
    base = models.BigIntegerField(default=0, db_default=0)  # part of n: visits without a trail

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["step", "branch"], name="branch_tally_once"),
            models.CheckConstraint(condition=Q(n__gte=0), name="branch_tally_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.n} took branch {self.branch} of step {self.step_id}"


VARIANT = "Variant 1"  # in the REST API, whose clients expect variants: a canvas has this one


def name_of(step: Step) -> str:
    """Return the name of a step; without one, that of its audience, or the kind."""
    if step.name:
        return step.name
    return step.sync.audience.name if step.sync is not None else step.kind
