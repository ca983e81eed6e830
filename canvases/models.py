"""Canvases, their steps, the people walking through them, and how many."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup, User
from audiencesync.people.models import Profile, Segment
from partners.models import Sync


class Canvas(models.Model):
    """A customer journey of one app group."""

    class State(models.TextChoices):
        """Where a canvas is in its life."""

        DRAFT = "draft", _("Draft")
        LIVE = "live", _("Live")
        STOPPED = "stopped", _("Stopped")
        ARCHIVED = "archived", _("Archived")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="canvases")
    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)  # how programs name it
    name = models.CharField(_("name"), max_length=120)
    description = models.CharField(_("description"), max_length=500, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.DRAFT)
    segment = models.ForeignKey(
        Segment, models.PROTECT, null=True, blank=True, related_name="canvases"
    )
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    edited_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField(default=timezone.now)
    version = models.PositiveIntegerField(
        default=1
    )  # of name, description and entry; a save names the one it started from
    launched_at = models.DateTimeField(null=True, blank=True)
    stopped_at = models.DateTimeField(null=True, blank=True)
    entry_cursor = models.BigIntegerField(default=0)  # the highest profile admitted so far
    entry_until = models.BigIntegerField(
        null=True, blank=True
    )  # the highest profile there was at launch
    entered = models.BigIntegerField(default=0)
    first_entry_at = models.DateTimeField(null=True, blank=True)
    last_entry_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-edited_at", "-pk"]
        indexes = [models.Index(fields=["state"], condition=Q(state="live"), name="canvas_live")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """The page of the canvas."""
        return reverse("canvas", args=[self.app_group.slug, self.pk])

    @property
    def is_idle(self) -> bool:
        """Return whether this is a draft or stopped: it can be launched, its flow can change."""
        return self.state in (Canvas.State.DRAFT, Canvas.State.STOPPED)

    @classmethod
    def lock_all(cls, app_group: AppGroup) -> None:
        """Inside a transaction: from now on nobody moves a crowd of this group; whoever does so now is waited for."""
        list(
            cls.objects.select_for_update()
            .filter(app_group=app_group)
            .order_by("pk")
            .values_list("pk")
        )


class CanvasHour(models.Model):
    """How many entered a canvas within an hour, moved with ``Canvas.entered``, for charts."""

    canvas = models.ForeignKey(Canvas, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()
    entered = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["canvas", "hour"], name="canvas_hour_once")]

    def __str__(self) -> str:
        return f"entries of canvas {self.canvas_id} at {self.hour}"


class Step(models.Model):
    """One component. ``parent`` is the step before it; ``sync`` is what it asks of a partner now."""

    GROUP_PATH = "canvas__app_group"

    canvas = models.ForeignKey(Canvas, models.CASCADE, related_name="steps")
    api_id = models.UUIDField(default=uuid4, unique=True, editable=False)  # how programs name it
    kind = models.CharField(max_length=20)  # a key of canvases.steps.KINDS
    parent = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="children"
    )
    branch = models.PositiveSmallIntegerField(default=0)  # which way out of the parent
    settings: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)
    sync = models.ForeignKey(Sync, models.PROTECT, null=True, blank=True, related_name="+")
    syncs = models.ManyToManyField(
        Sync, related_name="steps"
    )  # all it has had; the card sums over them
    version = models.PositiveIntegerField(default=1)
    removed_at = models.DateTimeField(
        null=True, blank=True
    )  # kept for its numbers once people have been here

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
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Visit(models.Model):
    """One person's walk through one canvas."""

    # None of the three is checked by the database: PostgreSQL checks row by row, which took a third of a launch. The
    # engine holds the canvas locked when it writes visits, and so does whoever removes a step; a visit may outlive its
    # profile, whom every step then takes for erased.
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
    slot = models.PositiveIntegerField(default=0)  # 0: nobody enters a canvas twice
    step = models.ForeignKey(
        Step, models.PROTECT, null=True, related_name="visits", db_index=False, db_constraint=False
    )
    due_at = models.DateTimeField(null=True)  # when the step they are at wants to be asked
    entered_at = models.DateTimeField()
    left_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["profile", "canvas", "slot"], name="visit_once")
        ]
        indexes = [
            models.Index(fields=["step", "due_at"], condition=Q(left_at=None), name="visit_due")
        ]

    def __str__(self) -> str:
        return f"visit {self.pk}"


class StepTally(models.Model):
    """How many came to a step, went on, left the canvas there, or wait. Moved with the visits it counts."""

    step = models.OneToOneField(Step, models.CASCADE, primary_key=True, related_name="tally")
    entered = models.BigIntegerField(default=0)
    proceeded = models.BigIntegerField(default=0)
    exited = models.BigIntegerField(default=0)
    waiting = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(entered=F("proceeded") + F("exited") + F("waiting")),
                name="step_tally_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(entered__gte=0, proceeded__gte=0, exited__gte=0, waiting__gte=0),
                name="step_tally_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"tally of step {self.step_id}"


VARIANT = "Variant 1"  # the only one


def name_of(step: Step) -> str:
    """Steps have no names of their own: the audience, or the kind."""
    return step.sync.audience.name if step.sync is not None else step.kind
