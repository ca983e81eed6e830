"""How many people are in a large audience by what we sent, counted in parts once a day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from partners.models.connections import Audience


class MemberCount(models.Model):
    """The last count that ended, and the one that goes on (audiences/member_counts.py)."""

    audience = models.OneToOneField(
        Audience, models.CASCADE, primary_key=True, related_name="member_count"
    )
    n = models.BigIntegerField(null=True)  # None: no count has ended yet
    counted_at = models.DateTimeField(null=True)  # ``n`` is what was accepted until then
    # Of the count that goes on: until when, up to which place in the order, how many so far.
    until = models.DateTimeField(null=True)
    after = models.BigIntegerField(default=0)
    so_far = models.BigIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(
                fields=["until"], condition=Q(until__isnull=False), name="member_count_going_on"
            )
        ]

    def __str__(self) -> str:
        return f"{self.n} members at {self.counted_at}"
