"""Lets the numbers of a Sync move as the queue moves them."""

from django.utils import timezone

from partners.queue import tally


def count(sync, *, at=None, **moves):
    with tally.gathered(now=at or timezone.now()) as gathered:
        gathered.add(sync.pk, **moves)
