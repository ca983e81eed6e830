"""The size of an audience by day, as the partner reported it last on that day."""

from __future__ import annotations

from django.db import models

from partners.models.connections import Audience


class AudienceSize(models.Model):
    """One size per audience and day (UTC). Partners report matched people, a day or two late."""

    audience = models.ForeignKey(Audience, models.CASCADE, related_name="sizes")
    day = models.DateField()
    size = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["audience", "day"], name="audience_size_once")
        ]

    def __str__(self) -> str:
        return f"{self.size} on {self.day}"
