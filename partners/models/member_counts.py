"""How many people a large audience has, by accepted deliveries; counted in parts once a day."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from partners.models.connections import Audience


class MemberCount(models.Model):
    """The last complete count, and the state of the running one (audiences/member_counts.py)."""

    audience = models.OneToOneField(
        Audience, models.CASCADE, primary_key=True, related_name="member_count"
    )
    n = models.BigIntegerField(null=True)  # None: no count is complete yet
    counted_at = models.DateTimeField(null=True)  # ``n`` counts what was accepted by then
    # The running count is of people accepted by ``until``. It has read the batches up to the seq
    # ``after`` and found ``so_far`` people.
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
