"""People enter a live canvas when they join its segment, and leave it with the segment."""

from datetime import datetime, timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from audiencesync.people.models import Profile, Segment
from audiencesync.people.models.live import Signal
from canvases import engine, laws
from canvases.engine import admission, rows
from canvases.models import Canvas, ExitTally, Visit
from tests.support.canvas_world import catch_up, change_people, ids_inside

pytestmark = pytest.mark.thorough

DELAY = ("delay", {"amount": 10, "unit": "minutes"})
SYNC = ("audience_sync", {"removes": True})
VIP = {"all": [{"field": "country", "op": "is", "value": "DE"}]}


@pytest.fixture
def vip_world(canvas_world):
    """A world with six people: three are in the segment of a country, three are not."""
    canvas_world.segment = Segment.objects.create(
        app_group=canvas_world.app_group, name="VIP", filter=VIP
    )
    canvas_world.create_people(6)
    Profile.objects.filter(external_id__in=["p0", "p1", "p2"]).update(country="DE")
    return canvas_world


def launch_live_canvas(canvas_world, *kinds, **fields):
    canvas, steps = canvas_world.create_canvas(*kinds)
    values = {"entry_by": "segment", "reentry": "left", **fields}
    Canvas.objects.filter(pk=canvas.pk).update(**values)
    canvas.refresh_from_db()
    return canvas, steps


def change_and_catch_up(canvas_world, *names, **fields):
    change_people(canvas_world, *names, **fields)
    catch_up(canvas_world)


def test_people_enter_when_they_join_the_segment(vip_world):
    canvas, _steps = launch_live_canvas(vip_world, DELAY)
    vip_world.launch(canvas)
    catch_up(vip_world)
    assert ids_inside(canvas) == {"p0", "p1", "p2"}
    change_and_catch_up(vip_world, "p3", "p4", country="DE")
    assert ids_inside(canvas) == {"p0", "p1", "p2", "p3", "p4"}
    assert not Signal.objects.exists()
    assert laws.broken(now=timezone.now()) == []


def test_people_who_join_before_their_turn_enter_once(vip_world):
    canvas, _steps = launch_live_canvas(vip_world, SYNC)
    vip_world.launch(canvas)
    change_and_catch_up(vip_world, "p3", country="DE")
    catch_up(vip_world)
    assert Canvas.objects.get(pk=canvas.pk).entered == 4


def test_visits_end_when_people_leave_the_segment(vip_world):
    canvas, [step] = launch_live_canvas(vip_world, DELAY, exits={"left": True})
    vip_world.launch(canvas)
    catch_up(vip_world)
    change_and_catch_up(vip_world, "p0", country="FR")
    assert ids_inside(canvas) == {"p1", "p2"}
    assert vip_world.step_counts(step) == (3, 0, 0, 2)
    assert ExitTally.objects.get(canvas=canvas, reason="segment").n == 1
    assert laws.broken(now=timezone.now()) == []


def test_people_stay_when_leaving_the_segment_is_no_exit(vip_world):
    canvas, [step] = launch_live_canvas(vip_world, DELAY)
    vip_world.launch(canvas)
    catch_up(vip_world)
    change_and_catch_up(vip_world, "p0", country="FR")
    assert vip_world.step_counts(step) == (3, 0, 0, 3)


def test_people_who_come_back_enter_again(vip_world):
    canvas, [step] = launch_live_canvas(vip_world, DELAY, exits={"left": True})
    vip_world.launch(canvas)
    catch_up(vip_world)
    change_and_catch_up(vip_world, "p0", country="FR")
    change_and_catch_up(vip_world, "p0", country="DE")
    assert ids_inside(canvas) == {"p0", "p1", "p2"}
    assert vip_world.step_counts(step) == (4, 0, 0, 3)
    assert laws.broken(now=timezone.now()) == []


def test_people_who_come_back_stay_outside_without_reentry(vip_world):
    canvas, _steps = launch_live_canvas(vip_world, DELAY, exits={"left": True}, reentry="never")
    vip_world.launch(canvas)
    catch_up(vip_world)
    change_and_catch_up(vip_world, "p0", country="FR")
    change_and_catch_up(vip_world, "p0", country="DE")
    assert ids_inside(canvas) == {"p1", "p2"}


def test_a_cap_turns_people_away(vip_world):
    canvas, _steps = launch_live_canvas(vip_world, DELAY, cap_total=4)
    vip_world.launch(canvas)
    catch_up(vip_world)
    change_and_catch_up(vip_world, "p3", "p4", "p5", country="DE")
    canvas.refresh_from_db()
    assert (canvas.entered, canvas.turned_away) == (4, 2)
    assert len(ids_inside(canvas)) == 4


def test_a_full_canvas_turns_people_away_and_lets_others_leave(vip_world):
    canvas, _steps = launch_live_canvas(vip_world, DELAY, cap_total=3, exits={"left": True})
    vip_world.launch(canvas)
    catch_up(vip_world)
    change_and_catch_up(vip_world, "p0", country="FR")
    change_and_catch_up(vip_world, "p3", "p4", country="DE")
    canvas.refresh_from_db()
    assert (canvas.entered, canvas.turned_away, ids_inside(canvas)) == (3, 2, {"p1", "p2"})
    assert not Signal.objects.exists()


def test_a_stopped_canvas_catches_up_when_it_is_launched_again(vip_world):
    canvas, _steps = launch_live_canvas(vip_world, DELAY, exits={"left": True})
    vip_world.launch(canvas)
    catch_up(vip_world)
    engine.stop(canvas, by=vip_world.user, now=timezone.now())
    change_and_catch_up(vip_world, "p0", country="FR")
    change_and_catch_up(vip_world, "p3", country="DE")
    assert ids_inside(canvas) == {"p0", "p1", "p2"}
    vip_world.launch(canvas)
    catch_up(vip_world)
    assert ids_inside(canvas) == {"p1", "p2", "p3"}


def test_joining_an_exit_segment_ends_visits(vip_world):
    french = Segment.objects.create(
        app_group=vip_world.app_group,
        name="French",
        filter={"all": [{"field": "language", "op": "is", "value": "fr"}]},
    )
    canvas, _steps = launch_live_canvas(vip_world, DELAY)
    canvas.exit_segments.create(segment=french)
    Profile.objects.filter(external_id="p0").update(language="fr")
    vip_world.launch(canvas)
    catch_up(vip_world)
    assert ids_inside(canvas) == {"p1", "p2"}
    change_and_catch_up(vip_world, "p1", language="fr")
    assert ids_inside(canvas) == {"p2"}
    assert ExitTally.objects.get(canvas=canvas, reason="joined").n == 1
    assert laws.broken(now=timezone.now()) == []


def test_a_launch_says_what_happened_since_the_stop(vip_world, signed_in):
    canvas, [_step] = launch_live_canvas(vip_world, DELAY, exits={"left": True})
    vip_world.launch(canvas)
    catch_up(vip_world)
    engine.stop(canvas, by=vip_world.user, now=timezone.now())
    Visit.objects.update(due_at=timezone.now())
    change_and_catch_up(vip_world, "p0", country="FR")
    change_and_catch_up(vip_world, "p3", "p4", country="DE")
    page = signed_in(vip_world.user).get(canvas.get_absolute_url(), {"launch": 1}).content.decode()
    assert "1 person left the segment." in page
    assert "2 people joined the segment and enter now." in page
    assert "The waiting time of 3 people ran out" in page
    assert "2 people enter at the launch." in page


@pytest.mark.parametrize(
    ("zone", "midnight"),
    [("Asia/Kolkata", "18:30"), ("UTC", "00:00"), ("America/New_York", "05:00")],
)
def test_a_cap_per_day_counts_from_midnight_of_the_group(vip_world, zone, midnight):
    vip_world.app_group.time_zone = zone
    vip_world.app_group.save()
    canvas, _steps = launch_live_canvas(vip_world, DELAY, cap_per_day=2)
    vip_world.launch(canvas)
    at = datetime.fromisoformat(f"2026-11-20T{midnight}:00+00:00") + timedelta(days=1)
    for minutes, names, n_entered in [
        (-5, ["p0", "p1", "p2"], 2),
        (5, ["p3"], 3),
        (15, ["p4"], 4),
        (25, ["p5"], 4),
    ]:
        now = at + timedelta(minutes=minutes)
        people = Profile.objects.filter(external_id__in=names)
        with transaction.atomic():
            admission.enter(rows.locked_live(canvas.pk), admission.Entrants(people), now=now)
        assert Canvas.objects.get(pk=canvas.pk).entered == n_entered
    assert laws.broken(now=timezone.now()) == []
