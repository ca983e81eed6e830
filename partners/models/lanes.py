"""What workers share: the request budget of each rate limit, and the lane of each ad account."""

from django.db import models


class Budget(models.Model):
    """The next free send time of one limit. Microseconds since 1970 by the database's clock."""

    key = models.CharField(max_length=120, primary_key=True)
    next_us = models.BigIntegerField(default=0)
    parked_us = models.BigIntegerField(default=0)  # no send before this: set by a throttle answer
    throttles = models.PositiveIntegerField(default=0)  # throttle answers in a row

    def __str__(self) -> str:
        return self.key


class Lane(models.Model):
    """The queue of one remote ad account, which several groups may use; leased to one worker."""

    # AdAccount.lane: the key of the partner, a colon and the remote id
    key = models.CharField(max_length=100, primary_key=True, db_column="remote_id")
    lease = models.CharField(max_length=32, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"lane {self.key}"
