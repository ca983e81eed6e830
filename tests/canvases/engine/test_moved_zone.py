"""When a group changes its time zone, scheduled runs keep their local time and happen once."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from audiencesync.groups.models import AppGroup
from canvases import engine, schedule
from canvases.engine import rows, schedules
from canvases.models import Canvas, Visit

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]

ONCE = {"every": "once", "on": "2041-12-03", "at": "09:00", "until": None}
DAILY = {"every": "day", "on": "2041-12-03", "at": "09:00", "until": None}
# 09:00 in December is 08:00 UTC in Berlin and 14:00 UTC in New York.
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(hour, day=3):
    return datetime(2041, 12, day, hour, tzinfo=UTC)


@pytest.fixture
def launch_and_move(canvas_world, signed_in, alice, time_machine):
    """launch_and_move(entry, zone, then, hour): launch in ``zone``, move to ``then`` at an hour."""

    def launch_then_move(entry, zone, then, hour):
        AppGroup.objects.update(time_zone=zone)
        time_machine.move_to(at(1))
        canvas_world.create_people(2)
        canvas, _steps = canvas_world.create_canvas(("delay", {"amount": 1, "unit": "seconds"}))
        Canvas.objects.update(entry_by="schedule", entry=entry, reentry="left")
        canvas = Canvas.objects.select_related("app_group").get()
        assert engine.launch(canvas, by=alice, now=at(1))
        time_machine.move_to(at(hour))
        client = signed_in(alice)
        initial = client.get("/g/acme/settings/").context["form"].initial
        data = {name: value for name, value in initial.items() if value not in (None, False)}
        assert client.post("/g/acme/settings/", data | {"time_zone": then}).status_code == 302
        return canvas

    return launch_then_move


def visit_counts(*hours, day=3):
    """Let the engine run at these hours; return how many visits there are after each."""
    counts = []
    for hour in hours:
        for seconds in (0, 5):  # people enter, then leave after their delay of a second
            now = at(hour, day) + timedelta(seconds=seconds)
            while engine.move_all(now=now):
                pass
        counts.append(Visit.objects.count())
    return counts


@pytest.mark.parametrize("entry", [ONCE, DAILY])
def test_a_run_happens_at_the_later_time_and_once(launch_and_move, entry):
    launch_and_move(entry, BERLIN, NEW_YORK, 7)
    assert visit_counts(8, 13, 14, 15) == [0, 0, 2, 2]
    assert visit_counts(14, day=4) == [2 if entry == ONCE else 4]


@pytest.mark.parametrize("entry", [ONCE, DAILY])
def test_a_run_happens_at_the_earlier_time_and_once(launch_and_move, entry):
    launch_and_move(entry, NEW_YORK, BERLIN, 7)
    assert visit_counts(7, 8, 14, 15) == [0, 2, 2, 2]


def test_a_run_whose_time_is_over_in_the_new_zone_happens_at_once(launch_and_move):
    launch_and_move(ONCE, NEW_YORK, BERLIN, 10)
    assert visit_counts(10, 14) == [2, 2]


def test_a_run_that_has_been_is_not_repeated(launch_and_move):
    canvas = launch_and_move(DAILY, BERLIN, BERLIN, 7)
    assert visit_counts(8) == [2]
    AppGroup.objects.update(time_zone=NEW_YORK)
    engine.schedules.move_to_zone(AppGroup.objects.get(), BERLIN, at(9))
    canvas.refresh_from_db()
    assert canvas.next_run_at == at(14, 4)


def test_a_run_that_was_moved_over_midnight_keeps_its_day(launch_and_move):
    """23:30 does not exist in Nuuk on this day: the run is due at midnight, on the next day."""
    canvas = launch_and_move(DAILY | {"at": "23:30"}, BERLIN, BERLIN, 7)
    local = datetime.fromisoformat("2031-03-29T23:30")
    Canvas.objects.update(next_run_at=schedule.instant(local, ZoneInfo("America/Nuuk")))

    schedules.move_to_zone(AppGroup.objects.get(), "America/Nuuk", at(7))

    canvas.refresh_from_db()
    assert canvas.next_run_at == schedule.instant(local, ZoneInfo(BERLIN))


def test_a_run_that_waited_for_its_lock_uses_the_zone_stored_meanwhile(
    launch_and_move, monkeypatch
):
    canvas = launch_and_move(DAILY, NEW_YORK, BERLIN, 9)
    locked_live = rows.locked_live

    def late(canvas_id):
        row = locked_live(canvas_id)
        row.app_group.time_zone = NEW_YORK  # the outdated zone, read before the wait for the lock
        return row

    monkeypatch.setattr(rows, "locked_live", late)
    assert schedules.start(canvas.pk, now=at(9)) == 1
    canvas.refresh_from_db()
    assert canvas.next_run_at == at(8, day=4)
