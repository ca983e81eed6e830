"""Change the counts of a sync as the queue does."""

from django.utils import timezone

from partners.queue import tally


def count(sync, *, at=None, **moves):
    with tally.gathered(now=at or timezone.now()) as gathered:
        gathered.add(sync.pk, **moves)
