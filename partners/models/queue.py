"""The sync queue: what a step asks, who is to be sent, what travels together, and the numbers."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from partners.models.connections import AdAccount, Audience

COUNTS = ("entered", "synced", "not_synced", "pending", "errored", "cancelled")
COLUMNS = (*COUNTS, "moved")
"""What a tally holds: ``moved`` says how many of the cancelled have entered another Sync of the same step instead."""


class Action(models.TextChoices):
    """What happens to a person at the audience."""

    ADD = "add", _("Add users to audience")
    REMOVE = "remove", _("Remove users from audience")

    @property
    def opposite(self) -> Action:
        """Add for remove, remove for add."""
        return Action.REMOVE if self is Action.ADD else Action.ADD


class Outcome(models.TextChoices):
    """What became of a person, or of a batch (which may also be pending or synced)."""

    PENDING = "pending", _("pending")
    SYNCED = "synced", _("synced")
    NOT_SYNCED = "not_synced", _("not synced")
    ERRORED = "errored", _("errored")
    CANCELLED = "cancelled", _("cancelled")


class Reason(models.TextChoices):
    """Why a person was not synced or cancelled."""

    NO_IDENTIFIER = "no_identifier", _("None of the chosen fields is filled")
    INVALID_VALUE = "invalid_value", _("The chosen fields hold no valid value")
    NO_CONSENT = "no_consent", _("No consent to advertising")
    AD_TRACKING_OFF = "ad_tracking_off", _("Ad tracking is switched off")
    ERASED = "erased", _("Erased meanwhile")
    SUPERSEDED = "superseded", _("A later step asked for the opposite")
    DISCARDED = "discarded", _("Discarded by a member of this app group")
    MOVED = "moved", _("Moved along when the component was changed")


class Sync(models.Model):
    """What one step asks of one audience. Never edited once it has deliveries: an edited step gets a new one."""

    class Purpose(models.TextChoices):
        """Who asks: a step, or we ourselves, because somebody must be taken out of every audience (queue/removals.py)."""

        STEP = "", _("Step")
        ERASURE = "erasure", _("Erasure")
        CONSENT = "consent", _("Withdrawn consent")
        MISREAD = "misread", _("Misread address")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+")
    audience = models.ForeignKey(Audience, models.PROTECT, related_name="syncs")
    action = models.CharField(max_length=6, choices=Action.choices)
    kinds: models.JSONField[list[str], list[str]] = models.JSONField(
        default=list
    )  # of people.models.KINDS, in that order
    label = models.CharField(
        max_length=200
    )  # of the asker, so that partners can name what a disconnect touches
    url = models.CharField(max_length=200)
    is_live = models.BooleanField(default=False)  # the asker is running: a problem here is shown
    paused = models.BooleanField(
        default=False
    )  # the asker was stopped: adds wait, removals flow on
    purpose = models.CharField(
        max_length=8, choices=Purpose.choices, default=Purpose.STEP, blank=True
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["audience", "purpose"], condition=~Q(purpose=""), name="sync_purpose_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.audience_id}"

    @property
    def is_used(self) -> bool:
        """Whether people have ever entered it (their deliveries may be gone), or are on their way into it."""
        if Tally.objects.filter(pk=self.pk, entered__gt=0).exists():
            return True
        return Batch.objects.filter(moves_to=self, state=Outcome.PENDING).exists()


class Batch(models.Model):
    """The deliveries of one Sync that travel and end together."""

    class Sharing(models.IntegerChoices):
        """What a batch may travel with: after a refusal it is judged in ever narrower company."""

        ANY = 0, _("other audiences of the ad account")
        AUDIENCE = 1, _("its own audience")
        ALONE = 2, _("nothing else")

    sync = models.ForeignKey(Sync, models.CASCADE, related_name="batches")
    audience = models.ForeignKey(Audience, models.CASCADE, related_name="+", db_index=False)
    ad_account = models.ForeignKey(AdAccount, models.CASCADE, related_name="+", db_index=False)
    action = models.CharField(max_length=6, choices=Action.choices)
    kinds: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    seq = (
        models.BigIntegerField()
    )  # of the wish, within the audience; the pieces of a split batch keep it
    n = models.PositiveIntegerField(default=0)  # members without an outcome of their own
    state = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.PENDING)
    sharing = models.PositiveSmallIntegerField(choices=Sharing.choices, default=Sharing.ANY)
    waits_for = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="held"
    )  # bisecting
    repeat_of = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="repeats"
    )  # uncounted
    repeat_after = models.BigIntegerField(
        default=0
    )  # of its deliveries only those with larger ids,
    repeat_until = models.BigIntegerField(
        null=True, blank=True
    )  # up to this one: a repeat that was cut
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    first_failed_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(
        default=0
    )  # unclear failures: they lengthen the back-off
    refusals = models.PositiveIntegerField(default=0)  # answers "bad content" in narrowest company
    refused_n = models.PositiveIntegerField(
        null=True, blank=True
    )  # the smallest refused piece it comes from; it holds what was refused
    crashes = models.PositiveSmallIntegerField(
        default=0
    )  # leases in a row that ended without an answer
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)
    moves_to = models.ForeignKey(
        Sync, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    # If set on a pending batch: its people enter that Sync instead once no worker holds the batch (queue/move.py).
    last_code = models.CharField(max_length=24, blank=True)
    last_request_id = models.CharField(max_length=80, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["ad_account", "due_at"], condition=Q(state="pending"), name="batch_due"
            ),
            models.Index(
                fields=["audience", "action"], condition=Q(state="pending"), name="batch_order"
            ),
            models.Index(fields=["audience", "action", "seq"], name="batch_wish"),
            models.Index(fields=["lease"], condition=~Q(lease=""), name="batch_leased"),
            models.Index(
                fields=["moves_to"],
                condition=Q(moves_to__isnull=False, state="pending"),
                name="batch_moves",
            ),
            models.Index(
                fields=["settled_at"], condition=Q(settled_at__isnull=False), name="batch_settled"
            ),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(n__gte=0), name="batch_n"),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def is_undo(self) -> bool:
        """Whether it takes back an add that was discarded while it was under way."""
        return self.repeat_of is not None and self.repeat_of.action != self.action


class Delivery(models.Model):
    """One person entering one Sync. Insert-only in the normal course: a state is its own outcome, else the batch's."""

    # None of the three is checked by the database: PostgreSQL checks row by row, which took a third of a launch. A batch is
    # made in the transaction that fills it, a Sync is removed only under the lock of its asker, while nobody has entered
    # it; and who waits for a profile that is gone, settles as erased (push.py, tidy.py).
    sync = models.ForeignKey(
        Sync, models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    profile = models.ForeignKey(
        Profile, models.SET_NULL, null=True, related_name="deliveries", db_constraint=False
    )  # erased: NULL, or an id that nobody has any more
    entry_key = models.BigIntegerField()  # given by the caller: the visit
    batch = models.ForeignKey(
        Batch, models.PROTECT, null=True, related_name="deliveries", db_constraint=False
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, null=True)
    reason = models.CharField(max_length=24, null=True)  # a Reason, or the partner's code

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sync", "entry_key"], name="delivery_once")]

    def __str__(self) -> str:
        return f"delivery {self.pk}"

    @property
    def status(self) -> Outcome:
        """What became of this person: their own outcome, else that of the batch they travel with."""
        return Outcome(self.outcome or (self.batch.state if self.batch else Outcome.PENDING))

    @property
    def why(self) -> str:
        """A Reason or the partner's code, why they are not synced; empty if they are, or nothing is known."""
        if self.reason:
            return self.reason
        return self.batch.last_code if self.batch and self.status != Outcome.SYNCED else ""


class Push(models.Model):
    """One HTTP call to a partner: when, how long, how much, what came back. No identifiers; kept 30 days."""

    ad_account = models.ForeignKey(AdAccount, models.CASCADE, related_name="pushes")
    batches: models.JSONField[list[int], list[int]] = models.JSONField(default=list)
    action = models.CharField(max_length=6)
    people = models.PositiveIntegerField()
    ids = models.PositiveIntegerField()
    at = models.DateTimeField(db_index=True)
    ms = models.PositiveIntegerField()
    code = models.CharField(max_length=24)
    request_id = models.CharField(max_length=80, blank=True)

    def __str__(self) -> str:
        return f"push {self.pk}: {self.code}"


class Numbers(models.Model):
    """The six counts of people, and how many of the cancelled were moved to another Sync of the step."""

    entered = models.BigIntegerField(default=0)
    synced = models.BigIntegerField(default=0)
    not_synced = models.BigIntegerField(default=0)
    pending = models.BigIntegerField(default=0)
    errored = models.BigIntegerField(default=0)
    cancelled = models.BigIntegerField(default=0)
    moved = models.BigIntegerField(default=0, db_default=0)

    class Meta:
        abstract = True

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {name: getattr(self, name) for name in COUNTS}


class Tally(Numbers):
    """The counts of one Sync, moved in the transactions that move the rows they count."""

    sync = models.OneToOneField(Sync, models.CASCADE, primary_key=True, related_name="tally")
    # Who is counted above and has no delivery any more (retention.py): outcome -> reason or code -> people.
    base: models.JSONField[dict[str, dict[str, int]], dict[str, dict[str, int]]] = models.JSONField(
        default=dict
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    entered=F("synced")
                    + F("not_synced")
                    + F("pending")
                    + F("errored")
                    + F("cancelled")
                ),
                name="tally_adds_up",
            ),
            models.CheckConstraint(
                condition=Q(**{f"{name}__gte": 0 for name in COUNTS}), name="tally_positive"
            ),
            models.CheckConstraint(
                condition=Q(moved__gte=0, moved__lte=F("cancelled")), name="tally_moved"
            ),
        ]

    def __str__(self) -> str:
        return f"tally of sync {self.pk}"


class TallyHour(Numbers):
    """The same increments by hour, for charts. Pending may fall within an hour, so it may be negative."""

    sync = models.ForeignKey(Sync, models.CASCADE, related_name="hours")
    hour = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sync", "hour"], name="tally_hour_once")]

    def __str__(self) -> str:
        return f"tally of sync {self.sync_id} at {self.hour}"


class Budget(models.Model):
    """The next free send time of one limit, in microseconds since 1970 by the database's clock (queue/budget.py)."""

    key = models.CharField(max_length=80, primary_key=True)
    next_us = models.BigIntegerField(default=0)
    parked_us = models.BigIntegerField(
        default=0
    )  # nothing is booked before this: a throttle answer pushed it forward
    throttles = models.PositiveIntegerField(default=0)  # throttle answers in a row

    def __str__(self) -> str:
        return self.key


class Count(models.Model):
    """How often something has happened since ever, for the metrics."""

    LEASE_RECLAIMS = "lease_reclaims"
    MAILS_FAILED = "mails_failed"

    name = models.CharField(max_length=40, primary_key=True)
    n = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.name}: {self.n}"

    @staticmethod
    def add(name: str, n: int) -> None:
        """Count ``n`` more, inside the caller's transaction."""
        Count.objects.bulk_create([Count(name=name)], ignore_conflicts=True)
        Count.objects.filter(pk=name).update(n=F("n") + n)


class Lane(models.Model):
    """One remote advertiser, installation-wide: one worker at a time drains it."""

    remote_id = models.CharField(max_length=32, primary_key=True)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"lane {self.remote_id}"


def no_counts() -> dict[str, int]:
    """Zero of everything."""
    return dict.fromkeys(COUNTS, 0)


def numbers_of(values: dict[str, Any]) -> dict[str, int]:
    """The counts in ``values`` (an aggregate of COLUMNS, whose sums over nothing are None). People who were moved are
    counted where they have gone."""
    counts = {name: values.get(name) or 0 for name in COUNTS}
    moved = values.get("moved") or 0
    return counts | {"entered": counts["entered"] - moved, "cancelled": counts["cancelled"] - moved}
