"""If a stop interrupts a scheduled run, the next run continues it; the next launch does not."""

from datetime import UTC, datetime

import pytest

from canvases import engine
from canvases.engine import admission
from canvases.models import Canvas, Visit

pytestmark = [pytest.mark.django_db, pytest.mark.thorough]


def at(day, hour):
    return datetime(2041, 12, day, hour, tzinfo=UTC)


def test_people_of_an_interrupted_run_enter_at_the_next_one(canvas_world, alice, monkeypatch):
    monkeypatch.setattr(admission, "ADMISSION_CHUNK", 2)
    canvas_world.create_people(3)
    canvas, _steps = canvas_world.create_canvas(("delay", {"amount": 1, "unit": "days"}))
    entry = {"every": "day", "on": "2041-12-03", "at": "09:00", "until": None}
    Canvas.objects.update(entry_by="schedule", entry=entry)
    canvas.refresh_from_db()
    engine.launch(canvas, by=alice, now=at(3, 8))
    engine.move_all(now=at(3, 9))
    assert Visit.objects.count() == 2
    engine.stop(canvas, by=alice, now=at(3, 9))

    assert engine.launch(canvas, by=alice, now=at(3, 15))
    canvas_world.run(at(3, 16))
    assert Visit.objects.count() == 2
    canvas_world.run(at(4, 9))
    assert Visit.objects.count() == 3
