"""A CSV import with the parts of its file, its rejected rows and its members."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audiencesync.groups.models import AppGroup, User


class Import(models.Model):
    """One uploaded file.

    ``position``, ``line`` and the counts change in the same transaction as the rows they count.
    """

    class State(models.TextChoices):
        """The state of an import."""

        UPLOADED = "uploaded", _("not started")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        CANCELLED = "cancelled", _("cancelled")
        FAILED = "failed", _("failed")

    app_group = models.ForeignKey(AppGroup, models.CASCADE, related_name="imports")
    created_by = models.ForeignKey(User, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    file_name = models.CharField(max_length=255)  # only to show: parts are found by ``upload``
    upload = models.UUIDField(unique=True, default=uuid.uuid4)
    size = models.BigIntegerField()
    is_utf8 = models.BooleanField(default=True)  # true even with a few broken bytes
    state = models.CharField(max_length=10, choices=State.choices, default=State.UPLOADED)
    # mapping.Plan.as_json
    plan: models.JSONField[dict[str, Any], dict[str, Any]] = models.JSONField(default=dict)

    position = models.BigIntegerField(default=0)  # bytes of the file that are processed
    line = models.BigIntegerField(default=0)  # physical lines that are processed
    n_rows = models.BigIntegerField(default=0)
    n_created = models.BigIntegerField(default=0)
    n_updated = models.BigIntegerField(default=0)
    n_rejected = models.BigIntegerField(default=0)
    n_people = models.BigIntegerField(default=0)  # different people among created and updated
    # {"left_out": {column: number of unreadable cells}, "unusable": {kind: number of identifiers}}
    problem_counts: models.JSONField[dict[str, dict[str, int]], dict[str, dict[str, int]]] = (
        models.JSONField(default=dict, db_column="told")
    )  # the column keeps its name: during an update old code runs beside the new
    # why it failed or ended early: a key of words.TROUBLES
    trouble = models.CharField(max_length=40, blank=True)

    started_at = models.DateTimeField(null=True)
    progressed_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    lease = models.CharField(max_length=32, blank=True)  # token of the worker; "": not leased
    # the end of the lease; without a lease, the time before which no worker takes the import
    leased_until = models.DateTimeField(null=True)
    # consecutive turns that wrote no chunk; after runner.MOST_TRIES the import fails
    n_tries = models.PositiveSmallIntegerField(default=0)
    segment = models.ForeignKey("people.Segment", models.SET_NULL, null=True, related_name="+")

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    n_rows=models.F("n_created") + models.F("n_updated") + models.F("n_rejected")
                ),
                name="import_counts",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    n_rows__gte=0, n_created__gte=0, n_updated__gte=0, n_rejected__gte=0
                ),
                name="import_not_negative",
            ),
        ]
        indexes = [
            models.Index(fields=["app_group", "-created_at"], name="import_newest"),
            models.Index(
                fields=["progressed_at"], name="import_running", condition=models.Q(state="running")
            ),
        ]

    def __str__(self) -> str:
        return f"import {self.pk}"

    def get_absolute_url(self) -> str:
        """Return the page of the import: mapping, progress or result."""
        return reverse("import", args=[self.app_group.slug, self.pk])

    @property
    def n_existing(self) -> int:
        """Return how many people of the file had existed before, whether a value changed or not."""
        return self.n_people - self.n_created

    @property
    def n_repeated(self) -> int:
        """Return how many rows named a person whom an earlier row had named."""
        return self.n_created + self.n_updated - self.n_people

    def percent(self) -> int:
        """Return how much of the file is processed, in per cent; 100 only when it is done."""
        return (
            100
            if self.state == self.State.DONE
            else min(99, 100 * self.position // max(1, self.size))
        )

    def rows_per_second(self, *, now: datetime) -> float:
        """Return the pace since the start, pauses included."""
        seconds = (
            ((self.ended_at or now) - self.started_at).total_seconds() if self.started_at else 0.0
        )
        return self.n_rows / max(seconds, 0.001)

    def seconds_left(self, *, now: datetime) -> int | None:
        """Estimate the remaining time by the average pace; None before the first rows are done."""
        if self.started_at is None or not self.n_rows:
            return None
        passed = (now - self.started_at).total_seconds()
        return round(passed * (self.size - self.position) / max(1, self.position))


class UploadPart(models.Model):
    """A compressed part of an uploaded file, in the database for engines on other machines."""

    upload = models.UUIDField()
    number = models.PositiveIntegerField()
    body = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upload", "number"], name="upload_part_once")
        ]

    def __str__(self) -> str:
        return f"part {self.number} of upload {self.upload}"


class ImportMember(models.Model):
    """A profile that an import created or updated; a segment of an import selects these."""

    pk = models.CompositePrimaryKey("run_id", "profile_id")
    run = models.ForeignKey(
        Import, models.CASCADE, related_name="members", db_constraint=False, db_index=False
    )
    profile = models.ForeignKey(
        "people.Profile", models.CASCADE, related_name="imported_by", db_constraint=False
    )
    # Whether the import created it; null: not known, an earlier version wrote the member.
    is_created = models.BooleanField(null=True)

    def __str__(self) -> str:
        return f"profile {self.profile_id} of import {self.run_id}"


class RejectPart(models.Model):
    """The rejected rows of one chunk: compressed lines of JSON.

    A line is ``[line, reason, column, [cells], is_imported]``: see csv_reader.Reject.
    """

    run = models.ForeignKey(Import, models.CASCADE, related_name="rejects")
    position = models.BigIntegerField()  # where in the file the chunk begins
    n = models.PositiveIntegerField()
    body = models.BinaryField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="reject_part_once")]

    def __str__(self) -> str:
        return f"{self.n} rejected rows of import {self.run_id}"
