"""The limits at which a group is warned; NULL means the installation's default."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from audiencesync.groups.models import AppGroup


class Thresholds(models.Model):
    """The limits that a group has changed; incidents/thresholds.py explains each."""

    app_group = models.OneToOneField(AppGroup, models.CASCADE, related_name="thresholds")
    error_percent = models.PositiveSmallIntegerField(null=True, blank=True)
    backlog_minutes = models.PositiveIntegerField(null=True, blank=True)
    audiences_left = models.PositiveIntegerField(null=True, blank=True)
    fewest_people = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(error_percent=None) | Q(error_percent__gte=1, error_percent__lte=100),
                name="thresholds_error_percent",
            )
        ]

    def __str__(self) -> str:
        return f"thresholds of group {self.app_group_id}"
