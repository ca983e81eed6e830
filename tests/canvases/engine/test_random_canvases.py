"""Random canvases, events and stops: each person is in one place, and all tallies hold."""

import random
from collections import Counter
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.utils import timezone

from audiencesync.people.api.track import track
from audiencesync.people.models import Event, Profile, Segment
from audiencesync.people.models.live import ChangedProfile, Signal
from audiencesync.people.segments import filters, live
from audiencesync.people.writing import live_marks
from canvases import engine, laws
from canvases.models import Canvas, Step, StepTally, Visit
from tests.canvases.counting import wrong_lists

pytestmark = [pytest.mark.thorough, pytest.mark.usefixtures("one_morning")]

SECOND = timedelta(seconds=1)
GERMAN = {"field": "country", "op": "is", "value": "DE"}
ACTIVE = {"event": "cart", "op": "at_least", "n": 1, "days": 2}
FRENCH = {"field": "language", "op": "is", "value": "fr"}
DAILY = {"every": "day", "on": "2026-01-01", "at": "09:00"}
CART = {"kind": "event", "name": "cart", "where": []}
BOTH = ["cart", "buy"]
BUY = {"kind": "event", "name": "buy", "where": []}


class Walk:
    """One random canvas, with people to whom random things happen."""

    def __init__(self, seed, world, alice):
        self.chance = random.Random(seed)
        self.world, self.alice = world, alice
        self.group = world.app_group
        self.group.time_zone = self.pick("UTC", "Asia/Kolkata", "Europe/Berlin")
        self.group.save()
        self.people = [
            one for _n in range(5) for one in world.create_people(1, **self.some_fields())
        ]
        self.canvas = self.some_canvas()
        self.may_stop, self.was_stopped = self.pick(True, False), False
        self.missed = []

    def pick(self, *choices):
        return self.chance.choice(choices)

    def some_fields(self):
        return {"country": self.pick("DE", "FR"), "language": self.pick("fr", "de", "de")}

    def some_segment(self, name, *conditions):
        chosen = {"all": [self.pick(*conditions)]}
        return Segment.objects.create(app_group=self.group, name=name, filter=chosen)

    def some_canvas(self):
        by = self.pick("launch", "segment", "event", "event", "schedule", "call")
        needs_segment = by in ("launch", "segment", "schedule") or self.pick(True, False)
        reentry = self.pick("never", "left", "left", "days")
        canvas = Canvas.objects.create(
            app_group=self.group,
            name="Random",
            segment=self.some_segment("Entry", GERMAN, GERMAN, ACTIVE) if needs_segment else None,
            entry_by=by,
            entry={"event": CART, "schedule": DAILY}.get(by, {}),
            reentry=reentry,
            reentry_days=2 if reentry == "days" else None,
            cap_total=self.pick(None, None, 4),
            cap_per_day=self.pick(None, None, 2),
            exits={"events": self.pick([], [BUY]), "left": self.pick(True, False)},
        )
        if self.pick(True, False, False):
            canvas.exit_segments.create(segment=self.some_segment("Out", FRENCH))
        self.some_steps(canvas)
        return canvas

    def some_steps(self, canvas):
        parent, audience = None, self.world.create_audience("random")
        for kind in self.pick(["delay"], ["sync"], ["delay", "sync"], ["sync", "delay"]):
            settings = {"removes": self.pick(True, False)}
            if kind == "delay":
                settings = {"amount": self.pick(1, 99), "unit": "hours"}
            named = {"sync": "audience_sync"}.get(kind, kind)
            step = Step.objects.create(canvas=canvas, kind=named, settings=settings, parent=parent)
            if kind == "sync":
                step.sync = self.world.create_sync(audience)
                step.save()
                step.syncs.add(step.sync)
            parent = step

    def happen(self, *names):
        """Let events of a person arrive; each happened some seconds or hours ago."""
        now, who = timezone.now(), self.pick(*self.people).external_id
        ago = [timedelta(seconds=self.pick(0, 1, 5, 5, 3600, 9 * 3600)) for _name in names]
        for name, past in zip(names, ago, strict=True):
            sent = [{"external_id": who, "name": name, "time": (now - past).isoformat()}]
            track(self.group, {"attributes": [], "events": sent, "purchases": []}, now=now)
            self.pick(self.move, lambda: None)()  # the engine runs between two events, or not

    def change(self):
        person = self.pick(*self.people)
        Profile.objects.filter(pk=person.pk).update(**self.some_fields())
        live_marks.note(self.group.pk, [person.pk])

    def call(self):
        """Let a person enter by a call; note in ``missed`` if a member does not enter."""
        canvas, person = Canvas.objects.get(pk=self.canvas.pk), self.pick(*self.people)
        if canvas.entry_by != "call":
            return
        n_admitted = engine.admit_some(canvas.pk, [person.pk], now=timezone.now())
        is_new = Visit.objects.filter(profile=person.pk).count() == n_admitted
        is_member = canvas.segment is None or filters.members(canvas.segment).filter(pk=person.pk)
        if is_member and is_new and not n_admitted and self.is_open_to_all and self.is_live:
            self.missed.append(f"{person.pk} was named and did not enter")

    def stop(self):
        self.was_stopped |= engine.stop(self.canvas, by=self.alice, now=timezone.now())

    def launch(self):
        engine.launch(self.canvas, by=self.alice, now=timezone.now())

    @property
    def is_live(self):
        return Canvas.objects.filter(pk=self.canvas.pk, state="live").exists()

    def work(self):
        """Let one part of the beat run, or all of it."""
        parts = [lambda: live.work(now=timezone.now(), seconds=9), self.move]
        for part in self.pick(parts, parts[:1], parts[1:]):
            part()

    def move(self):
        return engine.move_all(now=timezone.now())

    def settle(self):
        moved = True
        while moved:
            moved = live.work(now=timezone.now(), seconds=9)
            moved |= bool(self.move())
            if self.is_live:  # adds are paused while the canvas is stopped
                self.world.drain()
            moved |= bool(self.move())

    def act(self):
        acts = [self.change, self.change, self.call, self.work, self.work, self.settle]
        acts += [lambda: self.happen("cart"), lambda: self.happen(*self.pick(BOTH, BOTH[::-1]))]
        acts += [self.call] if not self.may_stop else [self.pick(self.stop, self.launch)]
        self.pick(*acts)()

    def run(self, n):
        at = timezone.now()
        with time_machine.travel(at):
            self.launch()
        for _n in range(n):
            at += timedelta(seconds=self.pick(1, 1, 60, 3600, 9 * 3600))
            with time_machine.travel(at):
                self.act()
        # After 16 minutes a filter that depends on the time is compared again (TIMED_INTERVAL).
        with time_machine.travel(at + timedelta(minutes=16)):
            self.launch()
            self.settle()
            return list(self.broken())

    def broken(self):
        """Yield a sentence per rule that does not hold although no work is left."""
        yield from [*self.missed, *laws.broken(now=timezone.now()), *wrong_lists(self.canvas)]
        self.canvas.refresh_from_db()
        visits = list(Visit.objects.order_by("entered_at", "pk"))
        yield from self.not_in_one_place(visits)
        yield from self.entered_too_often(visits)
        yield from self.should_be_outside([visit for visit in visits if visit.left_at is None])

    def not_in_one_place(self, visits):
        if Signal.objects.exists() or ChangedProfile.objects.exists():
            yield "signals or changes are left"
        n_open = Counter(visit.profile_id for visit in visits if visit.left_at is None)
        yield from (f"{n} open visits of {who}" for who, n in n_open.items() if n > 1)
        for visit in visits:
            if (visit.step_id is None) != (visit.left_at is not None) or visit.profile_id is None:
                yield f"{visit} is nowhere"
        members = self.canvas.segment and filters.members(self.canvas.segment)
        if members and self.canvas.entry_by == "segment" and self.is_open_to_all:
            missing = members.exclude(pk__in=[visit.profile_id for visit in visits])
            yield from (f"{who} did not enter" for who in missing)
        first = StepTally.objects.filter(step__parent=None, step__canvas=self.canvas)
        if sum(one.entered for one in first) != len(visits):
            yield "the first step has not met every visit"

    @property
    def is_open_to_all(self):
        caps = (self.canvas.cap_total, self.canvas.cap_per_day)
        return caps == (None, None) and not self.canvas.exit_segments.exists()

    def entered_too_often(self, visits):
        canvas, zone = self.canvas, ZoneInfo(self.group.time_zone)
        if canvas.cap_total is not None and len(visits) > canvas.cap_total:
            yield f"{len(visits)} entered, at most {canvas.cap_total} may"
        days = Counter(visit.entered_at.astimezone(zone).date() for visit in visits)
        if canvas.cap_per_day is not None and max(days.values(), default=0) > canvas.cap_per_day:
            yield f"{days} entered, at most {canvas.cap_per_day} a day may"
        last = {}
        for visit in visits:
            before = last.get(visit.profile_id)
            if before is not None and not self.may_follow(before, visit):
                yield f"{visit} entered again after {before}"
            last[visit.profile_id] = visit

    def may_follow(self, before, one):
        if self.canvas.reentry == "never" or before.left_at is None:
            return False
        is_early = one.entered_at - before.entered_at < timedelta(days=2)
        return before.left_at <= one.entered_at and not (self.canvas.reentry == "days" and is_early)

    def should_be_outside(self, inside):
        canvas, people = self.canvas, {one.profile_id for one in inside}
        leaves = canvas.exits["left"] or canvas.steps.filter(settings__removes=True).exists()
        if canvas.segment and leaves:
            members = filters.members(canvas.segment).values_list("pk", flat=True)
            yield from (f"{who} is no member" for who in people - set(members))
        for row in canvas.exit_segments.all():
            out = filters.members(row.segment).values_list("pk", flat=True)
            yield from (f"{who} is in the exit segment" for who in people & set(out))
        if not canvas.exits["events"] or self.was_stopped:  # a stopped canvas misses exit events
            return
        for one in inside:
            began_at = one.began_at or one.entered_at + SECOND
            if Event.objects.filter(profile=one.profile_id, name="buy", at__gte=began_at).exists():
                yield f"{one} goes on after an exit event"


@pytest.mark.parametrize("seed", range(16))
def test_everybody_is_in_one_place_and_all_tallies_hold(world, alice, seed):
    assert Walk(seed, world, alice).run(40) == []
