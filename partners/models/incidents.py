"""Incidents: one row per trouble, from the time it began until it was over."""

from __future__ import annotations

from typing import Self

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup, Membership, User
from partners.models.connections import AdAccount, Audience, Connection
from partners.models.queue import Sync

PLACES = ("connection", "ad_account", "audience", "sync")
"""The foreign keys of which exactly one is set, the widest place first."""


def _only_q(place: str) -> Q:
    """Match incidents with this foreign key set and no other."""
    return Q(**{f"{other}__isnull": other != place for other in PLACES})


class IncidentQuerySet(models.QuerySet["Incident"]):
    """Incidents of one or more groups."""

    def open(self) -> Self:
        return self.filter(ended_at=None)

    def ended(self) -> Self:
        return self.exclude(ended_at=None)


class Incident(models.Model):
    """A trouble at one place. Its texts are derived from ``code``.

    Only incidents/reconcile.py writes these rows.
    """

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="+", db_index=False)
    connection = models.ForeignKey(
        Connection, models.CASCADE, null=True, related_name="+", db_index=False
    )
    ad_account = models.ForeignKey(
        AdAccount, models.CASCADE, null=True, related_name="+", db_index=False
    )
    audience = models.ForeignKey(
        Audience, models.CASCADE, null=True, related_name="+", db_index=False
    )
    sync = models.ForeignKey(Sync, models.CASCADE, null=True, related_name="+", db_index=False)
    code = models.CharField(max_length=30)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    people = models.PositiveIntegerField(default=0)  # how many wait now, or waited at its end
    most_people = models.PositiveIntegerField(default=0)  # the largest ``people`` so far
    deadline_at = models.DateTimeField(null=True)  # when the first of them count as errored

    objects = IncidentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=_only_q("connection")
                | _only_q("ad_account")
                | _only_q("audience")
                | _only_q("sync"),
                name="incident_at_one_place",
            ),
            *(
                models.UniqueConstraint(
                    fields=[place, "code"],
                    condition=Q(ended_at=None),
                    name=f"incident_open_{place}",
                )
                for place in PLACES
            ),
        ]
        indexes = [
            models.Index(
                fields=["app_group"], condition=Q(ended_at=None), name="incident_open_of_group"
            ),
            models.Index(fields=["app_group", "-id"], name="incident_newest"),
            models.Index(
                fields=["ended_at"], condition=Q(ended_at__isnull=False), name="incident_ended"
            ),
        ]

    def __str__(self) -> str:
        return f"incident {self.pk}: {self.code}"

    @property
    def place(self) -> str:
        """Return the name of the foreign key that is set."""
        return next(place for place in PLACES if getattr(self, f"{place}_id") is not None)

    @property
    def place_id(self) -> int:
        """Return the id of the row at which the trouble is."""
        pk: int = getattr(self, f"{self.place}_id")
        return pk


class Notice(models.Model):
    """A message about an incident to one recipient: each kind at most once.

    ``mail_key`` is the key of its mail in the outbox, which may carry several notices.
    """

    class Kind(models.TextChoices):
        BEGUN = "begun", _("It began")
        SIX_HOURS = "6h", _("People count as errored within six hours")
        ONE_HOUR = "1h", _("People count as errored within one hour")
        OVER = "over", _("It is over")

    incident = models.ForeignKey(Incident, models.CASCADE, related_name="notices", db_index=False)
    kind = models.CharField(max_length=5, choices=Kind.choices)
    user = models.ForeignKey(User, models.CASCADE, related_name="+")
    mail_key = models.CharField(max_length=160)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["incident", "kind", "user"], name="notice_once")
        ]
        indexes = [
            models.Index(fields=["mail_key"], condition=Q(sent_at=None), name="notice_unsent")
        ]

    def __str__(self) -> str:
        return f"notice {self.pk}: {self.kind}"


class NoticeChoice(models.Model):
    """The incidents a member is notified of; without a row, those that concern the member."""

    class Choice(models.TextChoices):
        ALL = "all", _("All of them")
        MINE = "mine", _("Those that concern me")
        NONE = "none", _("None")

    membership = models.OneToOneField(Membership, models.CASCADE, related_name="notice_choice")
    # ``connections``: incidents of a connection or an ad account; ``steps``: of a step's audience.
    connections = models.CharField(max_length=4, choices=Choice.choices, default=Choice.MINE)
    steps = models.CharField(max_length=4, choices=Choice.choices, default=Choice.MINE)

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.connections}, {self.steps}"
