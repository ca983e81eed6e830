"""People leave a canvas when they leave its entry segment, however they entered."""

from datetime import timedelta

import pytest
from django.utils import timezone

from audiencesync.people.api.track import track
from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import SegmentMember, Signal
from audiencesync.people.segments import live
from canvases import engine, laws
from canvases.editing import edit
from canvases.models import Canvas, ExitTally
from partners.models import Delivery
from tests.support.canvas_world import catch_up, change_people, ids_inside

pytestmark = pytest.mark.thorough

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
SYNC = ("audience_sync", {"removes": True})
GERMAN = {"all": [{"field": "country", "op": "is", "value": "DE"}]}
ENTRIES = {
    "launch": {},
    "schedule": {"every": "day", "on": "2026-01-01", "at": "09:00"},
    "event": {"kind": "event", "name": "cart", "where": []},
    "call": {},
}
every_entry = pytest.mark.parametrize("entry_by", ENTRIES)


@pytest.fixture
def german_world(canvas_world):
    """A world with six people: four are in the segment of a country, two are not."""
    canvas_world.segment = Segment.objects.create(
        app_group=canvas_world.app_group, name="Germans", filter=GERMAN
    )
    canvas_world.create_people(6)
    Profile.objects.filter(external_id__in=["p0", "p1", "p2", "p3"]).update(country="DE")
    return canvas_world


def launch_canvas(canvas_world, entry_by, *kinds, **fields):
    """Return a live canvas, and its steps."""
    canvas, steps = canvas_world.create_canvas(*kinds)
    for step in steps:
        if step.kind == "audience_sync":
            canvas_world.add_sync(step)
    values = {"entry_by": entry_by, "entry": ENTRIES[entry_by], **fields}
    Canvas.objects.filter(pk=canvas.pk).update(**values)
    canvas.refresh_from_db()
    canvas_world.launch(canvas)
    return canvas, steps


def let_enter(canvas_world, canvas, *names):
    """Let people enter: by an event or a call those with these names, otherwise the segment."""
    now = timezone.now()
    if canvas.entry_by == "event":
        sent = [{"external_id": name, "name": "cart", "time": now.isoformat()} for name in names]
        track(canvas_world.app_group, {"attributes": [], "events": sent, "purchases": []}, now=now)
    if canvas.entry_by == "call":
        profile_ids = Profile.objects.filter(external_id__in=names).values_list("pk", flat=True)
        engine.admit_some(canvas.pk, profile_ids, now=now)
    Canvas.objects.filter(pk=canvas.pk, entry_by="schedule").update(next_run_at=now)
    canvas_world.run()


def removed_ids():
    removals = Delivery.objects.filter(sync__action="remove")
    return set(removals.values_list("profile__external_id", flat=True))


@every_entry
def test_visits_end_when_people_leave_the_entry_segment(german_world, entry_by):
    canvas, [step] = launch_canvas(german_world, entry_by, DELAY, exits={"left": True})
    let_enter(german_world, canvas, "p0", "p1", "p2", "p3", "p4")
    assert ids_inside(canvas) == {"p0", "p1", "p2", "p3"}
    change_people(german_world, "p0", "p4", country="FR")
    change_people(german_world, "p5", country="DE")
    catch_up(german_world)
    assert ids_inside(canvas) == {"p1", "p2", "p3"}
    assert ExitTally.objects.get(canvas=canvas, reason="segment").n == 1
    assert not Signal.objects.exists()
    assert laws.broken(now=timezone.now()) == []


@every_entry
def test_people_are_removed_when_they_leave_the_entry_segment(german_world, entry_by):
    canvas, _steps = launch_canvas(german_world, entry_by, SYNC)
    let_enter(german_world, canvas, "p0", "p1", "p2", "p3")
    change_people(german_world, "p0", country="FR")
    catch_up(german_world)
    assert removed_ids() == {"p0"}
    assert laws.broken(now=timezone.now()) == []


@every_entry
def test_a_person_who_leaves_before_entering_stays_outside(german_world, entry_by):
    canvas, _steps = launch_canvas(german_world, entry_by, DELAY, exits={"left": True})
    change_people(german_world, "p0", country="FR")
    let_enter(german_world, canvas, "p0", "p1")
    catch_up(german_world)
    assert "p0" not in ids_inside(canvas)
    assert "p1" in ids_inside(canvas)


@every_entry
def test_a_person_who_leaves_before_the_members_are_compared_does_not_stay(german_world, entry_by):
    canvas, _steps = launch_canvas(german_world, entry_by, DELAY, exits={"left": True})
    let_enter(german_world, canvas, "p0", "p1")
    assert ids_inside(canvas) >= {"p0", "p1"}
    assert SegmentMember.objects.filter(profile__external_id="p0").exists()
    change_people(german_world, "p0", country="FR")
    german_world.run()
    catch_up(german_world)
    assert "p0" not in ids_inside(canvas)


@every_entry
def test_a_person_who_is_back_before_the_signal_is_read_stays(german_world, entry_by):
    canvas, _steps = launch_canvas(german_world, entry_by, DELAY, exits={"left": True})
    let_enter(german_world, canvas, "p0")
    change_people(german_world, "p0", country="FR")
    while live.work(now=timezone.now(), seconds=9):
        pass
    change_people(german_world, "p0", country="DE")
    catch_up(german_world)
    assert "p0" in ids_inside(canvas)
    change_people(german_world, "p0", country="FR")
    catch_up(german_world)
    assert "p0" not in ids_inside(canvas)
    assert laws.broken(now=timezone.now()) == []


def test_people_stay_where_leaving_the_segment_is_no_exit(german_world):
    canvas, _steps = launch_canvas(german_world, "launch", DELAY)
    let_enter(german_world, canvas)
    change_people(german_world, "p0", country="FR")
    catch_up(german_world)
    assert "p0" in ids_inside(canvas)
    assert not SegmentMember.objects.exists()


def test_an_exit_that_is_added_later_ends_visits_of_people_who_left_before(german_world):
    canvas, _steps = launch_canvas(german_world, "launch", DELAY)
    let_enter(german_world, canvas)
    change_people(german_world, "p0", country="FR")
    catch_up(german_world)
    edit.save_entry(
        canvas,
        {"exits": {"left": True}},
        version=canvas.version,
        by=german_world.user,
        now=timezone.now(),
    )
    catch_up(german_world)
    assert ids_inside(canvas) == {"p1", "p2", "p3"}
    change_people(german_world, "p1", country="FR")
    catch_up(german_world)
    assert ids_inside(canvas) == {"p2", "p3"}


def test_a_removal_that_is_ticked_later_removes_people_who_left_before(german_world):
    canvas, [step] = launch_canvas(
        german_world, "launch", ("audience_sync", {}), exits={"left": True}
    )
    let_enter(german_world, canvas)
    change_people(german_world, "p0", country="FR")
    catch_up(german_world)
    assert removed_ids() == set()
    edit.save_settings(
        step,
        {
            "removes": True,
            "audience": step.sync.audience_id,
            "action": "add",
            "kinds": step.sync.kinds,
        },
        version=step.version,
        by=german_world.user,
        now=timezone.now(),
    )
    catch_up(german_world)
    assert removed_ids() == {"p0"}


def test_a_canvas_that_was_stopped_catches_up(german_world, signed_in):
    canvas, _steps = launch_canvas(german_world, "launch", DELAY, exits={"left": True})
    let_enter(german_world, canvas)
    engine.stop(canvas, by=german_world.user, now=timezone.now())
    change_people(german_world, "p0", country="FR")
    catch_up(german_world)
    assert "p0" in ids_inside(canvas)
    page = (
        signed_in(german_world.user).get(canvas.get_absolute_url(), {"launch": 1}).content.decode()
    )
    assert "1 person left the segment." in page
    german_world.launch(canvas)
    catch_up(german_world)
    assert ids_inside(canvas) == {"p1", "p2", "p3"}


def test_a_scheduled_run_does_not_admit_people_whose_leaving_is_not_yet_noticed(german_world):
    canvas, _steps = launch_canvas(
        german_world, "schedule", DELAY, exits={"left": True}, reentry="left"
    )
    let_enter(german_world, canvas)
    german_world.run(timezone.now() + timedelta(minutes=11))
    Profile.objects.filter(external_id="p0").update(country="FR")
    let_enter(german_world, canvas)
    assert ids_inside(canvas) == {"p1", "p2", "p3"}


def test_an_edit_of_the_segment_says_who_leaves(german_world):
    canvas, _steps = launch_canvas(german_world, "launch", DELAY, exits={"left": True})
    let_enter(german_world, canvas)
    french = {"all": [{"field": "country", "op": "is", "value": "FR"}]}
    assert live.difference(german_world.segment, french) == live.Difference(leave=4, total=4)
