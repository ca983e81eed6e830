"""After any changes in any order, the stored members are the people who match the segment."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audiencesync.people.api import identify, track
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import Signal
from audiencesync.people.segments import filters, live
from audiencesync.people.writing.identify import family
from canvases.privacy import erase

pytestmark = pytest.mark.slow
LISTENER = 7
PLAN = {"field": "custom.plan", "op": "is", "value": "gold"}
FILTERS = [
    PLAN,
    {"event": "order", "op": "never", "days": 3},
    {"all": [PLAN, {"event": "order", "op": "at_least", "n": 1, "days": 3}]},
    {},
]
people = st.sampled_from("abc")
leads = st.sampled_from(["x", "y"])
steps = st.one_of(
    st.tuples(st.just("set"), people | leads, st.sampled_from(["gold", "free"])),
    st.tuples(st.just("set"), people | leads, st.sampled_from(["gold", "free"])),
    st.tuples(st.just("mail"), people | leads, st.integers(1, 3)),
    st.tuples(st.just("order"), people | leads),
    st.tuples(st.just("consent"), people, st.booleans()),
    st.tuples(st.just("merge"), leads, people),
    st.tuples(st.just("erase"), people),
    st.tuples(st.just("edit"), st.integers(0, len(FILTERS) - 1)),
    st.tuples(st.sampled_from(["pause", "resume", "compare", "sweep", "days"])),
)


class World:
    """People who change, and a listener that gets a signal of each change of the segment."""

    def __init__(self, app_group, clock):
        self.app_group, self.clock = app_group, clock
        self.segment = Segment.objects.create(app_group=app_group, name="live", filter=FILTERS[0])
        self.track("attributes", "a", plan="gold")
        self.track("attributes", "x", plan="gold")
        options = {"role": "entry", "segment": self.segment, "kinds": ["email"]}
        self.live = live.subscribe(app_group, listener=LISTENER, now=self.now, **options)
        live.fill(self.live, low=0, high=live.HIGHEST_ID, now=self.now)
        self.first = self.members()

    @property
    def now(self):
        return timezone.now()

    def members(self):
        return set(live.members(self.live).values_list("pk", flat=True))

    def track(self, array, name, /, **values):
        alias = {"alias_label": "lead", "alias_name": name}
        named = (
            {"external_id": name}
            if name in "abc"
            else {"user_alias": alias, "_update_existing_only": False}
        )
        body = {one: [] for one in track.ARRAYS} | {array: [named | values]}
        track.track(self.app_group, body, now=self.now)

    def set(self, name, plan):
        self.track("attributes", name, plan=plan)

    def mail(self, name, number):
        self.track("attributes", name, email=f"{number}@example.org")

    def order(self, name):
        self.track("events", name, name="order", time=self.now.isoformat())

    def consent(self, name, given):
        self.track("attributes", name, ads_consent=given)

    def merge(self, lead, name):
        self.set(name, "free")
        alias = {"alias_label": "lead", "alias_name": lead}
        arrays = dict.fromkeys(identify.IDENTIFY, [])
        arrays["aliases_to_identify"] = [{"external_id": name, "user_alias": alias}]
        identify.identify(self.app_group, arrays, now=self.now)

    def erase(self, name):
        profiles = Profile.objects.filter(app_group=self.app_group, external_id=name)
        erase.erase(
            self.app_group, profiles.values_list("pk", flat=True), asked_by="x", now=self.now
        )

    def edit(self, number):
        self.segment.filter = FILTERS[number]
        self.segment.save()
        live.segment_saved(self.segment, self.now)

    def pause(self):
        live.pause(LISTENER)

    def resume(self):
        live.resume(LISTENER, self.now)

    def compare(self):
        live.compare_changed(now=self.now)

    def sweep(self):
        live.sweep_some(now=self.now)

    def days(self):
        self.clock.shift(timedelta(days=2))

    def rest(self):
        """Resume, make every sweep due, and do all the work that is left."""
        self.resume()
        self.clock.shift(timedelta(days=1, minutes=1))
        while live.work(now=self.now, seconds=60):
            pass

    def replayed(self):
        """Return the members that result from the first ones and all signals to the listener."""
        known = family(list(self.first))
        found = {Profile.everybody.get(pk=pk).merged_into_id or pk for pk in known}
        signals = Signal.objects.filter(listener=LISTENER).order_by("at", "pk")
        for kind, pk in signals.values_list("kind", "profile_id"):
            (found.add if kind == "joined" else found.discard)(pk)
        return found


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(live, "SWEPT", 2)
    monkeypatch.setattr(live, "CHUNK", 2)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(changes=st.lists(steps, min_size=5, max_size=25))
def test_once_all_work_is_done_members_match_the_segment(acme, small_chunks, changes):
    ahead = timezone.now() + timedelta(hours=1)
    with transaction.atomic(), time_machine.travel(ahead, tick=False) as clock:
        world = World(acme, clock)
        for name, *values in changes:
            clock.shift(timedelta(seconds=1))
            getattr(world, name)(*values)
        world.rest()
        expected = set(filters.members(world.segment).values_list("pk", flat=True))
        assert world.members() == expected
        assert world.replayed() == expected
        transaction.set_rollback(True)
