"""A live segment, and a listener that reads its signals in place of a canvas."""

import pytest
from django.utils import timezone

from audiencesync.people.models import Segment
from audiencesync.people.models.live import Signal, Subscription
from audiencesync.people.segments import live

LISTENER = 7


class Listener:
    """Stands for the canvas of a subscription."""

    def __init__(self, subscription):
        self.subscription = subscription

    def signals(self):
        """Return the waiting signals as (kind, profile id), in order, and delete them."""
        waiting = Signal.objects.filter(listener=LISTENER).order_by("pk")
        signals = list(waiting.values_list("kind", "profile_id"))
        waiting.delete()
        return signals

    def members(self):
        return set(live.members(self.subscription).values_list("pk", flat=True))

    def work(self):
        """Bring live segments up to date; return the signals."""
        while live.work(now=timezone.now(), seconds=60):
            pass
        return self.signals()


@pytest.fixture
def gold_segment(acme):
    """People with the plan "gold"."""
    plan = {"field": "custom.plan", "op": "is", "value": "gold"}
    return Segment.objects.create(app_group=acme, name="gold", filter=plan)


@pytest.fixture
def listen(acme, gold_segment):
    """listen(**options) -> a listener that has the present people of the segment as members."""

    def new_listener(**options):
        options = {"segment": gold_segment, "role": Subscription.Role.ENTRY} | options
        subscription = live.subscribe(acme, listener=LISTENER, now=timezone.now(), **options)
        if subscription.segment:
            live.fill(subscription, low=0, high=live.HIGHEST_ID, now=timezone.now())
        return Listener(subscription)

    return new_listener
