"""A live segment with a listener."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Segment
from audiencesync.people.models.live import Signal, Subscription
from audiencesync.people.segments import live

LISTENER = 7


class Listener:
    """Reads its signals as (kind, profile id), in their order, and consumes them."""

    def __init__(self, subscription):
        self.subscription = subscription

    def heard(self):
        waiting = Signal.objects.filter(listener=LISTENER).order_by("pk")
        found = list(waiting.values_list("kind", "profile_id"))
        waiting.delete()
        return found

    def members(self):
        return set(live.members(self.subscription).values_list("pk", flat=True))

    def work(self):
        """Do all that is due."""
        while live.work(now=timezone.now(), seconds=60):
            pass
        return self.heard()


@pytest.fixture
def gold(acme):
    """People with the plan "gold"."""
    plan = {"field": "custom.plan", "op": "is", "value": "gold"}
    return Segment.objects.create(app_group=acme, name="gold", filter=plan)


@pytest.fixture
def listen(acme, gold):
    """listen(**options) -> a listener that has the present people of the segment as members."""

    def make(**options):
        options = {"segment": gold, "role": Subscription.Role.ENTRY} | options
        made = live.subscribe(acme, listener=LISTENER, now=timezone.now(), **options)
        if made.segment:
            live.fill(made, low=0, high=live.HIGHEST, now=timezone.now())
        return Listener(made)

    return make
