"""The rows of the queue: Sync, Delivery (one person), Batch (deliveries sent together) and Push.

A Push is one HTTP request. A batch with ``repeat_of`` is called a repeat.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup
from audiencesync.people.models import Profile
from partners.base import MAX_CODE, Action
from partners.models.batch_queries import BatchQuerySet
from partners.models.connections import AdAccount, Audience
from partners.models.outcomes import Outcome


class Sync(models.Model):
    """What one step asks of one audience.

    It never changes once it has deliveries: an edited step gets a new Sync.
    """

    class Purpose(models.TextChoices):
        """Who asks: a step (STEP and LEFT), otherwise the app group (queue/removals)."""

        STEP = "", _("Step")
        ERASURE = "erasure", _("Erasure")
        CONSENT = "consent", _("Withdrawn consent")
        MISREAD = "misread", _("Misread address")
        LEFT = "left", _("Left")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+")
    audience = models.ForeignKey(Audience, models.PROTECT, related_name="syncs")
    action = models.CharField(max_length=6, choices=Action.choices)
    # The identifiers to send: some of people.models.KINDS, in that order.
    kinds: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    # Name and page of the step, for texts about what a disconnect affects.
    label = models.CharField(max_length=200)
    url = models.CharField(max_length=200)
    is_live = models.BooleanField(default=False)  # the canvas is live: problems here are shown
    paused = models.BooleanField(default=False)  # the canvas is stopped: adds wait, removals go on
    purpose = models.CharField(
        max_length=8, choices=Purpose.choices, default=Purpose.STEP, blank=True
    )
    # The Sync that added the people whom this one removes when they leave. The entry key of
    # each removal is the id of the delivery that it reverts.
    undoes = models.OneToOneField(
        "self", models.CASCADE, null=True, blank=True, related_name="undone_by"
    )
    # True: a person whom it added stays in the audience when they leave another step.
    claims = models.BooleanField(default=True, db_default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["audience", "purpose"],
                condition=~Q(purpose="") & Q(undoes=None),
                name="sync_purpose_once",
            ),
            models.CheckConstraint(
                condition=Q(purpose="left", action="remove", undoes__isnull=False)
                | (~Q(purpose="left") & Q(undoes=None)),
                name="sync_undoes",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.audience_id}"

    @property
    def is_used(self) -> bool:
        """Return whether people have ever entered it, or are about to be moved into it."""
        if Sync.objects.filter(pk=self.pk, tally__entered__gt=0).exists():
            return True
        return Batch.objects.pending().filter(moves_to=self).exists()


class Batch(models.Model):
    """Deliveries of one Sync that are sent in one request and have one outcome."""

    class Sharing(models.IntegerChoices):
        """What else may be in the request of a batch. Each refusal narrows the choice."""

        ANY = 0, _("other audiences of the ad account")
        AUDIENCE = 1, _("its own audience")
        ALONE = 2, _("nothing else")

    sync = models.ForeignKey(Sync, models.CASCADE, related_name="batches", db_index=False)
    audience = models.ForeignKey(Audience, models.CASCADE, related_name="+", db_index=False)
    ad_account = models.ForeignKey(AdAccount, models.CASCADE, related_name="+", db_index=False)
    action = models.CharField(max_length=6, choices=Action.choices)
    kinds: models.JSONField[list[str], list[str]] = models.JSONField(default=list)
    # The position in the order of operations on the audience. Pieces of a split batch keep it.
    seq = models.BigIntegerField()
    n = models.PositiveIntegerField(default=0)  # deliveries without an outcome of their own
    state = models.CharField(max_length=10, choices=Outcome.choices, default=Outcome.PENDING)
    sharing = models.PositiveSmallIntegerField(choices=Sharing.choices, default=Sharing.ANY)
    # The second half of a bisected batch waits until its first half has ended.
    waits_for = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, related_name="held"
    )
    # A repeat has no deliveries of its own and is not counted: it sends again (or takes back) the
    # deliveries of another batch with ids > repeat_after and <= repeat_until (None: no limit).
    repeat_of = models.ForeignKey(
        "self", models.CASCADE, null=True, blank=True, related_name="repeats"
    )
    repeat_after = models.BigIntegerField(default=0)
    repeat_until = models.BigIntegerField(null=True, blank=True)
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()
    first_failed_at = models.DateTimeField(null=True, blank=True)
    deadline_at = models.DateTimeField(null=True, blank=True)
    # Failed tries: each lengthens the back-off. Above 0, its people may have reached the partner.
    attempts = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(default=0)  # "bad content" for this batch alone
    # The size of the smallest refused batch that this one was cut from (queue/split.py).
    refused_n = models.PositiveIntegerField(null=True, blank=True)
    crashes = models.PositiveSmallIntegerField(default=0)  # leases in a row without an answer
    # Its people were sent before in another batch: they were errored or moved since.
    was_tried = models.BooleanField(default=False, db_default=False)
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)
    # On a pending batch: cancel it once no worker has leased it. On an ended batch: if a late
    # worker still sends its adds, they must be taken back.
    cancel_requested = models.BooleanField(default=False)
    # On a pending batch: its people enter this Sync once no worker has leased it (queue/move.py).
    moves_to = models.ForeignKey(
        Sync, models.SET_NULL, null=True, blank=True, related_name="+", db_index=False
    )
    last_code = models.CharField(max_length=MAX_CODE, blank=True)
    last_request_id = models.CharField(max_length=80, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["sync", "state", "id"], name="batch_list"),
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
    def is_first_try(self) -> bool:
        """Return whether no earlier request with its people is known.

        A failed request leaves a code or narrows ``sharing``; a dead worker counts as a request.
        """
        return not (self.last_code or self.sharing or self.crashes or self.was_tried)

    @property
    def takes_back(self) -> bool:
        """Return whether it is a repeat that removes people after a discarded add of theirs."""
        return self.repeat_of is not None and self.repeat_of.action != self.action


class Delivery(models.Model):
    """One person entering one Sync. Its state is its own outcome, else that of its batch."""

    # The database checks none of the three foreign keys: PostgreSQL checks row by row, which took a
    # third of a launch. The references hold nevertheless: a batch is made in the transaction that
    # fills it, a Sync is deleted only under the lock of its step and while no one has entered it,
    # and the deliveries of a deleted profile settle as erased (push.py, revalidate.py).
    sync = models.ForeignKey(
        Sync, models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    # For an erased person, this is NULL or an id without a profile.
    profile = models.ForeignKey(
        Profile, models.SET_NULL, null=True, related_name="deliveries", db_constraint=False
    )
    entry_key = models.BigIntegerField()  # given by the caller: the id of the visit
    batch = models.ForeignKey(
        Batch, models.PROTECT, null=True, related_name="deliveries", db_constraint=False
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices, null=True)
    reason = models.CharField(max_length=MAX_CODE, null=True)  # a Reason, or the partner's code

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sync", "entry_key"], name="delivery_once")]
        indexes = [
            # An index for lists (people/counted.py), only of people with an outcome of their own.
            models.Index(
                fields=["sync", "outcome", "reason", "id"],
                condition=Q(outcome__isnull=False),
                name="delivery_list",
            )
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk}"

    @property
    def status(self) -> Outcome:
        """Return its own outcome, else the state of its batch."""
        return Outcome(self.outcome or (self.batch.state if self.batch else Outcome.PENDING))

    @property
    def why(self) -> str:
        """Return a Reason or the partner's code; empty if it was synced or none is known."""
        if self.reason:
            return self.reason
        return self.batch.last_code if self.batch and self.status != Outcome.SYNCED else ""


class Push(models.Model):
    """One HTTP request with people to a partner, without their identifiers. Kept for 30 days."""

    ACCEPTED: ClassVar[str] = "0"
    """The code of a call whose people were all accepted."""

    ad_account = models.ForeignKey(AdAccount, models.CASCADE, related_name="pushes")
    batches: models.JSONField[list[int], list[int]] = models.JSONField(default=list)
    action = models.CharField(max_length=6)
    # Rows of the body: one for each person, and for each former identifier in a removal.
    people = models.PositiveIntegerField()
    ids = models.PositiveIntegerField()  # identifiers: a row may have several
    at = models.DateTimeField(db_index=True)
    ms = models.PositiveIntegerField()  # time until the answer
    code = models.CharField(max_length=MAX_CODE)
    request_id = models.CharField(max_length=80, blank=True)

    def __str__(self) -> str:
        return f"push {self.pk}: {self.code}"


class PushShare(models.Model):
    """How many people of one Sync were in one request, so that a step finds its requests."""

    push = models.ForeignKey(Push, models.CASCADE, related_name="shares")
    sync = models.ForeignKey(Sync, models.CASCADE, related_name="+", db_index=False)
    people = models.PositiveIntegerField()
    is_failed = models.BooleanField(default=False, db_default=False)
    # How many people were in no request before, and how many of these the partner accepted.
    first_people = models.PositiveIntegerField(default=0, db_default=0)
    first_accepted = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["sync", "push"], condition=Q(is_failed=True), name="push_share_failed"
            )
        ]
        constraints = [
            models.UniqueConstraint(fields=["sync", "push"], name="push_share_once"),
            models.CheckConstraint(
                condition=Q(first_people__lte=F("people"), first_accepted__lte=F("first_people")),
                name="push_share_first",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.people} people of sync {self.sync_id} in push {self.push_id}"
