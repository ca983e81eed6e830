"""Subscriptions to segments and events, the members of live segments, and waiting signals.

A listener is known only as a number: the id of a canvas.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils import timezone

from audiencesync.groups.models import AppGroup
from audiencesync.people.models.people import Event, Profile, Segment


class Subscription(models.Model):
    """A listener that wants signals of an event, of a purchase, or of a segment's changes."""

    class Role(models.TextChoices):
        """What the listener uses the signals for."""

        ENTRY = "entry"
        EXIT = "exit"
        WAIT = "wait"

    class Kind(models.TextChoices):
        """What the listener gets signals of."""

        EVENT = "event"
        PURCHASE = "purchase"
        SEGMENT = "segment"

    app_group = models.ForeignKey(
        AppGroup, models.CASCADE, related_name="subscriptions", db_index=False
    )
    listener = models.BigIntegerField()
    role = models.CharField(max_length=5, choices=Role.choices)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    # name of the event or id of the product; "": any purchase
    name = models.CharField(max_length=255, blank=True)
    segment = models.ForeignKey(Segment, models.PROTECT, null=True, related_name="subscriptions")
    # kinds of identifiers whose changes are signalled; []: none
    kinds: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    # Only members who leave are signalled. The listener writes the members itself.
    is_leave_only = models.BooleanField(default=False, db_default=False)
    is_paused = models.BooleanField(default=False)
    collecting_since = models.DateTimeField(default=timezone.now)  # when created or last resumed
    sweep_at = models.DateTimeField(null=True)  # when the next full sweep of the segment begins
    sweep_cursor = models.BigIntegerField(default=0)  # highest profile id that this sweep has done

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(kind="segment", segment__isnull=False)
                | ~models.Q(kind="segment") & models.Q(segment__isnull=True),
                name="subscription_to_one_thing",
            ),
            models.UniqueConstraint(
                fields=["listener", "role", "kind", "name"],
                condition=models.Q(segment__isnull=True),
                name="subscription_to_event_once",
            ),
            models.UniqueConstraint(
                fields=["listener", "role", "segment"],
                condition=models.Q(segment__isnull=False),
                name="subscription_to_segment_once",
            ),
        ]
        indexes = [models.Index(fields=["app_group", "is_paused"], name="subscription_of_group")]

    def __str__(self) -> str:
        return f"subscription {self.pk} of listener {self.listener}"


class SegmentMember(models.Model):
    """A profile in a live segment, as one subscription knows it.

    An erased profile leaves with a signal. A row that remains is deleted with the profile's row.
    """

    pk = models.CompositePrimaryKey("subscription_id", "profile_id")
    subscription = models.ForeignKey(
        Subscription, models.CASCADE, related_name="members", db_constraint=False, db_index=False
    )
    profile = models.ForeignKey(
        Profile, models.CASCADE, related_name="live_segments", db_constraint=False
    )
    # Hash of what would be sent for the kinds of the subscription; "": nothing, or no kinds.
    fingerprint = models.CharField(max_length=32, blank=True)  # live_changes.fingerprint
    since = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"profile {self.profile_id} of subscription {self.subscription_id}"


class Signal(models.Model):
    """Something that a listener subscribed to has happened; deleted once the listener has read it.

    A profile or an event may be gone by the time its signal is read.
    """

    class Kind(models.TextChoices):
        """An event, a purchase, or a change of a segment."""

        EVENT = "event"
        PURCHASE = "purchase"
        JOINED = "joined"
        LEFT = "left"

    OF_EVENTS: ClassVar = (Kind.EVENT, Kind.PURCHASE)

    listener = models.BigIntegerField()
    # No constraints: a check of each would lock rows that every writer shares.
    subscription = models.ForeignKey(
        Subscription, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    profile = models.ForeignKey(
        Profile, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)
    event = models.ForeignKey(
        Event, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, db_index=False
    )
    at = models.DateTimeField()  # time of the event, or when the change of the segment was noticed

    class Meta:
        indexes = [
            models.Index(fields=["listener", "id"], name="signal_of_listener"),
            # A listener may have very many signals of people who left; this index finds the others.
            models.Index(
                fields=["listener", "id"], condition=~models.Q(kind="left"), name="signal_not_left"
            ),
            models.Index(
                fields=["listener", "profile"],
                condition=models.Q(kind="left"),
                name="signal_left_by_profile",
            ),
        ]

    def __str__(self) -> str:
        return f"signal {self.pk}: profile {self.profile_id} {self.kind}"


class ChangedProfile(models.Model):
    """One change of a profile in a group with live segments, until live.py has compared it."""

    app_group = models.ForeignKey(
        AppGroup, models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    profile = models.ForeignKey(
        Profile, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
    )

    class Meta:
        indexes = [models.Index(fields=["app_group", "id"], name="changed_profile_of_group")]

    def __str__(self) -> str:
        return f"change {self.pk} of profile {self.profile_id}"
